/** The steps of maintenance as they are recorded, and a dataset's way through them. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Ingestd } from "../contract.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import { type Call, compactDataset, expireDataset, type Maintained, sweep } from "./datasets.ts";
import type { Done, MaintenanceHistory, Step } from "./history.ts";

export type MaintainedAll = ReplyOf<Ingestd["endpoints"]["maintainAll"]>;

export interface Steps {
  compact: (name: string, call: Call) => ReturnType<typeof compactDataset>;
  expire: (name: string, call: Call) => ReturnType<typeof expireDataset>;
  /** Orphans of one dataset, or all. */
  sweep: (call: Call, name?: string) => ReturnType<typeof sweep>;
  /** Compacts and expires a dataset, dropped or not. Throws `not_found` where there never was one. */
  maintain: (name: string, call: Call) => Promise<Omit<Maintained, "orphans">>;
  /** Every dataset, and all orphans. One that fails is named in the answer. */
  maintainAll: (call: Call) => Promise<MaintainedAll>;
}

export function createSteps(
  parts: Pick<IngestParts, "deps" | "engines" | "workDirectory" | "limiter">,
  { record }: Pick<MaintenanceHistory, "record">,
): Steps {
  /** What a dry run finds is not done, and not recorded. */
  const recorded = <T>(
    step: Step,
    name: string | undefined,
    call: Call,
    work: () => Promise<T>,
    done: (found: T) => Done,
  ) => (call.dryRun ? work() : record(step, name, work, done));
  const compact: Steps["compact"] = (name, call) =>
    recorded(
      "compact",
      name,
      call,
      () => compactDataset(parts, name, call),
      ({ runs }) => ({
        count: runs.reduce((sum, { objects }) => sum + objects, 0),
        bytes: runs.reduce((sum, { bytes }) => sum + bytes, 0),
      }),
    );
  const expire: Steps["expire"] = (name, call) =>
    recorded(
      "expire",
      name,
      call,
      () => expireDataset(parts, name, call),
      ({ versions, bytes }) => ({
        count: versions.length,
        bytes,
      }),
    );
  const clean: Steps["sweep"] = (call, name) =>
    recorded(
      "sweep",
      name,
      call,
      () => sweep(parts, call, name),
      ({ count, bytes }) => ({ count, bytes }),
    );
  const maintain: Steps["maintain"] = async (name, call) => {
    const compacted = await compact(name, call).catch((cause): Maintained["compacted"] => {
      // A dataset that was dropped has nothing to compact, and versions that go.
      if (!(cause instanceof ServiceError) || cause.type !== "not_found") throw cause;
      return { runs: [], objects_before: 0, objects_after: 0 };
    });
    return { name, dry_run: call.dryRun, compacted, expired: await expire(name, call) };
  };
  return {
    compact,
    expire,
    sweep: clean,
    maintain,
    maintainAll: async (call) => {
      const { verbs } = parts.deps.peers.catalogd;
      const { signal, requestId } = call;
      const { manifests = [] } = await verbs.snapshot({}, { signal, requestId });
      const crowded = await verbs.crowded({ versions: call.rules.keepVersions }, { signal, requestId });
      const all: MaintainedAll = { dry_run: call.dryRun, datasets: [], failed: [], orphans: none(call) };
      for (const name of new Set([...manifests.map((manifest) => manifest.name), ...crowded.names])) {
        signal.throwIfAborted();
        try {
          all.datasets.push(await maintain(name, call));
        } catch (cause) {
          if (!(cause instanceof ServiceError)) throw cause;
          all.failed.push({ name, error: { type: cause.type, message: cause.message } });
        }
      }
      return { ...all, orphans: await clean(call) };
    },
  };
}

const none = ({ dryRun }: Call) => ({ dry_run: dryRun, objects: [], count: 0, bytes: 0, seen: 0 });
