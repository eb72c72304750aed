/** The steps of maintenance for one dataset: what each does, and its outcome. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type CompactRun, compactRun, isOwn, type Outcome, planRuns } from "../compaction/compaction.ts";
import type { ingestd } from "../contract.ts";
import type { DatasetManifest, IngestParts } from "../jobs/jobs.ts";
import type { Rules } from "./rules.ts";

export type Maintained = ReplyOf<(typeof ingestd)["endpoints"]["maintain"]>;
type Compaction = Maintained["compacted"];

export interface Call {
  rules: Rules;
  dryRun: boolean;
  /** Columns by which rows are put in order where objects are merged. */
  sortBy: readonly string[];
  signal: AbortSignal;
  requestId: string;
  /** Objects that cannot be merged, by key, with the reason. */
  left: Map<string, string>;
}

/** Longest wait for the removal of what an expiry lists, in milliseconds. */
export const removalTimeoutMs = 30 * 60 * 1000;
/** Times a run that others changed is planned anew before the next ones are left to the next time. */
const overtakenMax = 8;

type Parts = Pick<IngestParts, "deps" | "engines" | "workDirectory" | "limiter">;

/** The runs of a version that would become one object each: of objects that were written under one schema. */
export function runsOf(manifest: DatasetManifest, { rules, left }: Pick<Call, "rules" | "left">) {
  const { name, objects } = manifest;
  // Who writes to an open table compacts it.
  if (manifest.metadata_location !== undefined) return [];
  const isTaken = (object: { key: string }) => isOwn(name, object) && !left.has(object.key);
  const runs: DatasetManifest["objects"][] = [];
  for (let from = 0, to = 0; from < objects.length; from = to) {
    while (to < objects.length && objects[to]?.schema_id === objects[from]?.schema_id) to++;
    const alike = objects.slice(from, to);
    const sizes = alike.map((object) => (isTaken(object) ? object.bytes : Number.POSITIVE_INFINITY));
    runs.push(...planRuns(sizes, rules).map(({ at, count }) => alike.slice(at, at + count)));
  }
  return runs;
}

/** Merges until nothing is left to merge. Stops between two objects when the signal is aborted. */
export async function compactDataset(parts: Parts, name: string, call: Call): Promise<Compaction> {
  const { deps } = parts;
  const { signal, requestId, sortBy } = call;
  const compaction: Compaction = { runs: [], objects_before: 0, objects_after: 0 };
  let manifest = await deps.peers.catalogd.verbs.manifest({ name }, { requestId });
  checkSort(manifest, sortBy);
  compaction.objects_before = manifest.objects.length;
  compaction.objects_after = manifest.objects.length;
  if (call.dryRun) {
    compaction.runs = runsOf(manifest, call).map((objects) => summary(objects));
    for (const { objects } of compaction.runs) compaction.objects_after -= objects - 1;
    return compaction;
  }
  let overtaken = 0;
  for (;;) {
    signal.throwIfAborted();
    const [objects] = runsOf(manifest, call);
    if (!objects) break;
    const run: CompactRun = { manifest, objects, sortBy, signal, requestId };
    const outcome: Outcome = await compactRun(parts, run);
    if (outcome.kind === "left") for (const key of outcome.keys) call.left.set(key, outcome.reason);
    if (outcome.kind === "compacted") {
      const { object, replaced } = outcome;
      compaction.runs.push({ ...summary(replaced), into: { key: object.key, bytes: object.bytes } });
    }
    if (outcome.kind === "overtaken" && ++overtaken > overtakenMax) break;
    manifest =
      outcome.kind === "compacted"
        ? outcome.manifest
        : await deps.peers.catalogd.verbs.manifest({ name }, { requestId });
  }
  compaction.objects_after = manifest.objects.length;
  const { left } = call;
  const why = new Set(manifest.objects.flatMap(({ key }) => left.get(key) ?? []));
  return why.size > 0 ? { ...compaction, left: [...why] } : compaction;
}

const summary = (objects: CompactRun["objects"]) => ({
  objects: objects.length,
  bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0),
  rows: objects.reduce((sum, { row_count }) => sum + row_count, 0),
});

function checkSort({ name, columns }: DatasetManifest, sortBy: readonly string[]): void {
  const unknown = sortBy.find((column) => !columns.some((each) => each.name === column));
  if (unknown === undefined) return;
  const names = columns.map((each) => each.name).slice(0, 20);
  throw fail("invalid_field", `sort_by: '${name}' has no column '${unknown}'; it has ${names.join(", ")}`, {
    details: { field: "sort_by" },
  });
}

/** Removes versions that are old, and what they alone name. */
export function expireDataset({ deps }: Parts, name: string, call: Call) {
  const { rules, dryRun, signal, requestId } = call;
  return deps.peers.catalogd.verbs.expire(
    {
      name,
      keep_versions: rules.keepVersions,
      older_than_days: rules.keepDays,
      max_versions: rules.maxVersions,
      dry_run: dryRun,
    },
    { signal, requestId, timeoutMs: removalTimeoutMs },
  );
}

export const sweep = ({ deps }: Parts, call: Call, name?: string) =>
  deps.peers.catalogd.verbs.sweep(
    { grace_days: call.rules.orphanGraceDays, dry_run: call.dryRun, ...(name !== undefined && { name }) },
    { signal: call.signal, requestId: call.requestId, timeoutMs: removalTimeoutMs },
  );
