/** The one way a dataset gets a new version: planned from the head, written durably, then seen by readers. */
import { fail } from "../../runtime/errors.ts";
import { fold } from "../../runtime/sql-name.ts";
import type { ManifestStore } from "./manifest-store.ts";
import type { NameLock } from "./name-lock.ts";
import type { Registry } from "./registry.ts";
import type { Version } from "./version.ts";

export interface Proposal {
  name: string;
  /** The version to write, or the head itself when nothing is to change. Pure: it is asked again after a lost race. */
  plan: (head: Version | undefined) => Version;
  /** The version ends the dataset: one whose columns no query can use has an end, too. */
  drops?: boolean;
  /** What must hold before the write; asked once, after the first plan, so that a refused plan costs nothing. */
  check?: () => Promise<void>;
}

export interface Committed<V = Version> {
  version: V;
  /** False when the head was already what was proposed. */
  changed: boolean;
}

export type Commit = (
  proposal: Proposal,
  context: { requestId: string; signal: AbortSignal },
) => Promise<Committed>;

/** Times a number may be taken by another writer before the commit is given up. */
const attemptsMax = 8;

/**
 * Makes `commit`. Commits of one name, in whatever case, take turns; what `plan` or `check` throws is passed on and
 * nothing is written. When storage fails in mid-write the outcome is unknown: the next commit finds out, because the
 * number is taken or free.
 */
export function createCommit(deps: {
  store: ManifestStore;
  registry: Registry;
  lock: NameLock;
  /** Called after each change of the registry. */
  announce: () => void;
}): Commit {
  const { store, registry, lock, announce } = deps;

  const catchUp = async (name: string) => {
    const version = (await store.latest(name)).get(name);
    if (version === undefined) return;
    registry.put(await store.read(name, version));
    announce();
  };

  return ({ name, plan, check, drops }, { requestId, signal }) =>
    lock(fold(name), async () => {
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        const head = registry.head(name, drops);
        const version = plan(head);
        if (attempt === 1) await check?.();
        if (version === head) return { version, changed: false };
        if (signal.aborted) throw fail("client_closed", "the caller went away before anything was written");
        if (await store.append(version, requestId)) {
          registry.put(version);
          announce();
          return { version, changed: true };
        }
        await catchUp(name);
      }
      throw fail(
        "conflict",
        `another writer takes every next version of '${name}': give the catalog one owner`,
      );
    });
}
