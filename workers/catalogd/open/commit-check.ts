/** What a commit brings with it, before it is made: all that it names is inside of its table. */
import pMap from "p-map";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { refusals, type Snapshot, type TableMetadata } from "../iceberg/iceberg.ts";
import {
  checkPathProperties,
  concurrency,
  confined,
  type SnapshotFiles,
} from "../table-files/table-files.ts";

/**
 * Throws `bad_request` for an address that is outside of the table's places, in the metadata or in a manifest that is new
 * in it, and for a manifest that cannot be read.
 */
export async function checkCommit(
  reader: SnapshotFiles,
  {
    before,
    after,
    places,
  }: { before: TableMetadata | undefined; after: TableMetadata; places: readonly string[] },
): Promise<void> {
  checkPathProperties(after.properties, places);
  const known = new Set(before?.snapshots.map((snapshot) => String(snapshot["snapshot-id"])));
  const added = after.snapshots.filter((snapshot) => !known.has(String(snapshot["snapshot-id"])));
  for (const which of ["statistics", "partition-statistics"] as const)
    for (const entry of after[which] ?? [])
      if (!before?.[which]?.some((each) => each["statistics-path"] === entry["statistics-path"]))
        confined("statistics-path", entry["statistics-path"], places);
  try {
    const seen = new Set(await manifestsOf(reader, currentOf(before), places));
    for (const snapshot of added) await checkSnapshot(reader, snapshot, { places, seen });
  } catch (cause) {
    if (!(cause instanceof ServiceError) || cause.type !== "corrupt") throw cause;
    throw refusals.badRequest(`Cannot read what the snapshot names: ${cause.message}`);
  }
}

const currentOf = (table: TableMetadata | undefined): Snapshot | undefined =>
  table?.snapshots.find(
    (snapshot) => String(snapshot["snapshot-id"]) === String(table["current-snapshot-id"]),
  );

/** Those that were looked at when they came. What is gone by now is looked at where it comes again. */
async function manifestsOf(
  reader: SnapshotFiles,
  snapshot: Snapshot | undefined,
  places: readonly string[],
): Promise<string[]> {
  const address = snapshot?.["manifest-list"];
  if (address === undefined) return [];
  const lines = await reader.list(address, places).catch(() => []);
  return lines.map((line) => line.manifest_path);
}

async function checkSnapshot(
  reader: SnapshotFiles,
  snapshot: Snapshot,
  { places, seen }: { places: readonly string[]; seen: Set<string> },
): Promise<void> {
  const address = snapshot["manifest-list"];
  if (address === undefined) {
    const { manifests } = snapshot;
    for (const path of Array.isArray(manifests) ? manifests : []) confined("manifest path", path, places);
    return;
  }
  confined("manifest-list", address, places);
  const lines = await reader.list(address, places);
  const fresh = lines.filter((line) => !seen.has(line.manifest_path));
  await pMap(
    fresh,
    async (line) => {
      confined("manifest path", line.manifest_path, places);
      for (const file of await reader.files(line, places)) confined("file path", file.path, places);
    },
    { concurrency },
  );
  for (const line of fresh) seen.add(line.manifest_path);
}
