/** Every index without a subject: its items, what is left of earlier ones, and the snapshots that have either. */
import type { Erasing, ErasureReport, Peer } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import { fail, peerError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Indexes, LiveIndex } from "../indexes/indexes.ts";

interface Parts {
  indexes: Pick<Indexes, "open" | "unreadable" | "opened">;
  storaged: Pick<Peer<Storaged>, "fetch">;
}

export async function eraseSubject(erasing: Erasing, { indexes, storaged }: Parts): Promise<ErasureReport> {
  await indexes.opened;
  const reports: ErasureReport[] = [];
  for (const live of indexes.open()) reports.push(await eraseFromIndex(live, erasing, storaged));
  const left = indexes.unreadable().map(({ name, reason }) => ({
    place: `vectord/${name}`,
    why: `it is not open: ${reason}`,
    remedy: "mend it, or drop it, then erase again",
  }));
  return reportOf(...reports, { removed: [], left });
}

async function eraseFromIndex(
  live: LiveIndex,
  { subject, dryRun, signal, requestId }: Erasing,
  storaged: Parts["storaged"],
): Promise<ErasureReport> {
  const { journal, config } = live;
  const place = `vectord/${config.name}`;
  const ids = namedItems(live, subject);
  const told = new Set<string>();
  for (const key of journal.objectsOf())
    if (hasTexts(key) && (await isInObject(key, { subject, signal, requestId }, storaged))) told.add(key);
  const snapshots = (await journal.snapshots())
    .map(({ id }) => id)
    .filter((id) => journal.objectsOf(id).some((key) => told.has(key)));
  const removed = reportOf(
    removedAt(place, "vectors", ids.length),
    removedAt(place, "snapshots", snapshots.length, snapshots),
  );
  if (dryRun) return removed;
  if (ids.length > 0) await live.remove({ ids }, signal);
  for (const id of snapshots) await journal.dropSnapshot(id);
  if (ids.length === 0 && told.size === 0) return removed;
  await live.compact();
  const owed = live.owes();
  const orphans = journal.orphans().length;
  if (orphans > 0)
    throw fail("unavailable", `${orphans} objects of '${config.name}' that nothing needs are there still`, {
      retryAfterSeconds: 5,
    });
  if (owed === undefined) return removed;
  const remedy = "erase again when GET /readyz says that the engine is there";
  return reportOf(removed, { removed: [], left: [{ place, why: owed, remedy }] });
}

function namedItems(live: LiveIndex, subject: Erasing["subject"]): string[] {
  const rows = live.rows();
  const ids: string[] = [];
  for (let row = 0; row < rows.total(); row++) {
    const id = rows.id(row);
    if (rows.find(id) === row && subject.isMentioned([id, rows.metadata(row)])) ids.push(id);
  }
  return ids;
}

/** Files of engines are numbers alone. */
const hasTexts = (key: string): boolean => !key.endsWith(".engine");

async function isInObject(
  key: string,
  { subject, signal, requestId }: Pick<Erasing, "subject" | "signal" | "requestId">,
  storaged: Parts["storaged"],
): Promise<boolean> {
  const path = key.split("/").map(encodeURIComponent).join("/");
  const response = await storaged.fetch(`/storage/get/${path}`, {
    headers: { "x-request-id": requestId },
    signal,
  });
  // It went while others were read.
  if (response.status === 404) return false;
  if (!response.ok || !response.body) throw await peerError("storaged", response);
  return subject.isInBytes(response.body);
}
