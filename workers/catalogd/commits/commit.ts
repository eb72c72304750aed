/** The one way a dataset gets a new version: planned from the head, written durably, then seen by readers. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock, KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { type ManifestStore, madeBy } from "../manifests/manifests.ts";
import type { Registry } from "../registry/registry.ts";
import type { Version } from "../versions/versions.ts";
import { createAtomicWrites } from "./atomic.ts";

export interface Change {
  name: string;
  /** The version to write, or the head itself when nothing is to change. It has no effects: it is called again after a lost race. */
  plan: (head: Version | undefined) => Version;
  /** The version ends the dataset: one whose columns no query can use has an end, too. */
  drops?: boolean;
}

interface Proposal {
  /** Of different names; all are committed, or none is. */
  changes: readonly Change[];
  /** What must hold before the write; asked once, after the first plan, so that a refused plan costs nothing. */
  check?: () => Promise<void>;
}

export interface Committed<V = Version> {
  version: V;
  /** False when the head was already what was proposed. */
  changed: boolean;
}

/** Gives what became of each change. */
export type Commit = (
  proposal: Proposal,
  context: { requestId: string; signal: AbortSignal },
) => Promise<Committed[]>;

export interface Committing {
  commit: Commit;
  /**
   * Resolves writes to the name, or to all, whose outcome is unknown: readers see what is there.
   * Rejects as storage does.
   */
  resolveUnknown: (name: string | undefined, requestId: string) => Promise<void>;
  /** The version that an operation made, which readers see from then on; undefined when it made none. */
  made: (name: string, operationId: string, requestId: string) => Promise<Version | undefined>;
}

/** Times a number may be taken by another writer before the commit is given up. */
const attemptsMax = 8;

/**
 * Makes `commit`. Commits of one name, in whatever case, are serialized; what `plan` or `check` throws is passed on and
 * nothing is written. Several names are committed by one write: the manifest of the first holds the versions of the others
 * whole, and theirs are written after it, at the latest at the next start. When storage fails in mid-write the outcome is
 * unknown: whoever reads or commits the name next finds out, because the number is taken or free.
 */
export function createCommit(deps: {
  store: ManifestStore;
  registry: Registry;
  lock: KeyedMutex;
  clock: Pick<Clock, "now">;
  log: Log;
  /** Called after each change of the registry. */
  announce: () => void;
}): Committing {
  const { store, registry, lock, announce } = deps;
  const atomic = createAtomicWrites(deps);

  const catchUp = async (name: string, requestId: string) => {
    const version = (await store.latest(name)).get(name);
    if (version === undefined) return;
    const { head, also } = await store.readCommit(name, version);
    registry.put(head);
    for (const other of also) {
      await atomic.writeFollower(other, requestId);
      const latest = (await store.latest(other.name)).get(other.name) ?? other.version;
      registry.put(await store.read(other.name, latest));
    }
    announce();
  };
  /** Holds the locks of all names, taken in one order, so that no two commits deadlock. */
  const locked = <T>([name, ...rest]: readonly string[], work: () => Promise<T>): Promise<T> =>
    name === undefined ? work() : lock(name, () => locked(rest, work));

  const commit: Commit = ({ changes, check }, { requestId, signal }) => {
    const names = new Set(changes.map(({ name }) => fold(name)));
    return locked([...names].sort(), async () => {
      for (let attempt = 1; attempt <= attemptsMax; attempt++) {
        await atomic.rollForward(names, requestId);
        const planned = changes.map(({ name, plan, drops }) => {
          const head = registry.head(name, drops);
          const version = plan(head);
          return { version, changed: version !== head };
        });
        if (attempt === 1) await check?.();
        const [carrier, ...also] = planned.filter(({ changed }) => changed).map(({ version }) => version);
        if (carrier === undefined) return planned;
        if (signal.aborted) throw fail("client_closed", "the caller went away before anything was written");
        const write = () => atomic.write([carrier, ...also], requestId);
        if (await registry.reserving([carrier, ...also], write)) return planned;
        await catchUp(carrier.name, requestId);
      }
      throw fail(
        "conflict",
        `another writer takes every next version of '${changes.map(({ name }) => name).join("' or '")}': give the catalog one owner`,
      );
    });
  };
  return {
    commit,
    resolveUnknown: (name, requestId) =>
      atomic.resolve((folded) => name === undefined || folded === fold(name), requestId),
    made: async (name, operationId, requestId) => {
      const found = await madeBy(store, name, operationId, deps.clock.now());
      if (found && (registry.head(name, true)?.version ?? 0) < found.version)
        await lock(fold(name), () => catchUp(name, requestId));
      return found;
    },
  };
}
