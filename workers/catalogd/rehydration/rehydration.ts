/** The registry from storage at the start: tried until storage answers. */
import pMap from "p-map";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import { type Head, isDamaged, type Registry } from "../registry/registry.ts";
import { adopt } from "./adoption.ts";
import type { DatasetMarks, Stored } from "./marks.ts";

export { gated, refuseWhilePending } from "./gate.ts";
export { adoptionOf, createDatasetMarks, type DatasetMarks } from "./marks.ts";

export interface Rehydration {
  /** Why it has not ended, or undefined when it has. */
  pending: () => string | undefined;
  /** Seconds that the attempt which succeeded took. */
  seconds: () => number;
  /** Resolves when the first attempt has ended, well or not. */
  attempted: Promise<void>;
  stop: () => Promise<void>;
}

/** Waits between attempts: the first, then doubled up to the last, in milliseconds. */
const backoffMs = { first: 50, last: 5000 };

/** Starts at once and retries until the registry holds the latest version of every name, or until `stop`. */
export function startRehydration(deps: {
  store: ManifestStore;
  registry: Registry;
  marks: DatasetMarks;
  /** Whether the operator has said that the dataset is to be taken as it is. */
  adopted: (name: string) => boolean;
  newId: () => string;
  concurrency: number;
  clock: Clock;
  log: Log;
}): Rehydration {
  const { store, registry, marks, concurrency, clock, log } = deps;
  const stopping = new AbortController();
  const attempted = Promise.withResolvers<void>();
  let pending: string | undefined = "rehydrating";
  let seconds = 0;

  const attempt = async () => {
    const began = clock.elapsed();
    const { versions } = await store.versions();
    const commits = await pMap(
      [...versions],
      async ([name, numbers]) => {
        const commit = await store.readCommit(name, numbers.at(-1) ?? 0);
        return { ...commit, head: registry.fitting(commit.head) };
      },
      { concurrency },
    );
    const heads = new Map(commits.map(({ head }) => [head.name, head]));
    // A version that was committed by another one's manifest, and whose own was not written before the end.
    for (const version of commits.flatMap(({ also }) => also)) {
      const numbers = versions.get(version.name) ?? [];
      if ((numbers.at(-1) ?? 0) >= version.version) continue;
      await store.append(version, "rehydration");
      versions.set(version.name, [...numbers, version.version]);
      heads.set(version.name, version);
    }
    for (const name of new Set([...heads.keys(), ...marks.names()])) {
      const stored = { name, head: heads.get(name), numbers: versions.get(name) ?? [] };
      const head = await checked(stored);
      if (isDamaged(head)) log.error("a dataset cannot be served", { dataset: name, reason: head.reason });
      registry.put(head);
    }
    seconds = (clock.elapsed() - began) / 1000;
    pending = undefined;
  };

  /** What is there, as long as it is what was acknowledged. */
  const checked = async (stored: Stored): Promise<Head> => {
    const { name, head } = stored;
    const damaged = marks.problemOf(stored);
    if (!deps.adopted(name) || (isDamaged(head) && head.closed)) return damaged ?? (head as Head);
    log.warn("a dataset is taken as it is", { dataset: name, ...damaged });
    const given = { now: clock.now(), newId: deps.newId };
    return registry.fitting(await adopt({ store, marks, given }, stored));
  };
  const run = async () => {
    for (let waitMs = backoffMs.first; ; waitMs = Math.min(waitMs * 2, backoffMs.last)) {
      try {
        await attempt();
        return;
      } catch (error) {
        pending = `rehydrating: ${error instanceof Error ? error.message : String(error)}`;
        log.warn("the catalog cannot be read yet", describe(error));
      } finally {
        attempted.resolve();
      }
      await clock.sleep(waitMs, stopping.signal);
    }
  };
  const ended = run().catch(() => {}); // Only `stop` ends it early.

  return {
    pending: () => pending,
    seconds: () => seconds,
    attempted: attempted.promise,
    stop: async () => {
      stopping.abort();
      await ended;
    },
  };
}
