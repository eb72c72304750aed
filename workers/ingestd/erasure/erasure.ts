/** All datasets, documents and what is left over from both, without a subject. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import type { Reading } from "../changes/changes.ts";
import { type Documents, isOfDocuments } from "../documents/documents.ts";
import type { IngestParts } from "../jobs/jobs.ts";
import { eraseDropped, eraseFromDataset } from "./datasets.ts";

/** One erasure as all of its steps see it. */
export interface Call extends Erasing {
  parts: IngestParts;
  lifetime: AbortSignal;
  reading: Reading;
}

/** Every dataset, dropped or not; then the originals and objects that no version names any more. */
export async function eraseSubject(
  erasing: Erasing,
  parts: IngestParts,
  {
    documents,
    lifetime,
  }: { documents: Pick<Documents, "removeUnnamed" | "caughtUp">; lifetime: AbortSignal },
): Promise<ErasureReport> {
  const { deps } = parts;
  const { requestId, dryRun } = erasing;
  const signal = AbortSignal.any([erasing.signal, lifetime]);
  const call: Call = { ...erasing, signal, parts, lifetime, reading: { deps, requestId, signal } };
  const { verbs } = deps.peers.catalogd;
  const { manifests = [] } = await verbs.snapshot({}, { requestId, signal });
  const live = new Set(manifests.map(({ name }) => name));
  const { names } = await verbs.crowded({ versions: 1 }, { requestId, signal });
  const reports: ErasureReport[] = [];
  for (const name of live) reports.push(await eraseFromDataset(name, call));
  for (const name of names) if (!live.has(name)) reports.push(await eraseDropped(name, call));
  // A document goes with chunks that do not name the subject: what is searched must have lost them too.
  for (const manifest of dryRun ? [] : manifests)
    if (isOfDocuments(manifest)) await documents.caughtUp(manifest.name, signal);
  const originals = await documents.removeUnnamed(dryRun, signal);
  const orphans = await verbs.sweep({ grace_days: 0, dry_run: dryRun }, { requestId, signal });
  return reportOf(
    ...reports,
    removedAt("storaged/documents", "originals that no row names", originals),
    removedAt("storaged/datasets", "objects that no version names", orphans.count),
  );
}
