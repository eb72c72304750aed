/** The files that snapshots are read from: lists, manifests, data and deletes, and statistics. */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { ListedManifest, Snapshot, TableMetadata } from "../iceberg/iceberg.ts";
import { concurrency, normalised, type SnapshotFiles } from "../table-files/table-files.ts";

interface Asked {
  table: TableMetadata;
  snapshots: readonly Snapshot[];
  places: readonly string[];
  /** What is gone already counts as nothing. */
  mayBeGone?: boolean;
}

/**
 * Addresses, in one form, with their bytes where a manifest says them. Throws `corrupt` for what cannot be read, and
 * `unsupported_table` for a snapshot of format 1 without a list.
 */
export async function filesReachedBy(
  reader: SnapshotFiles,
  { table, snapshots, places, mayBeGone = false }: Asked,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const add = (address: string, bytes = 0) => {
    const one = normalised("path", address);
    found.set(one, Math.max(bytes, found.get(one) ?? 0));
  };
  const read = async <T>(work: Promise<T[]>): Promise<T[]> => {
    if (!mayBeGone) return work;
    return work.catch((cause) => {
      if (cause instanceof ServiceError && cause.type === "corrupt") return [];
      throw cause;
    });
  };
  const ids = new Set(snapshots.map((snapshot) => String(snapshot["snapshot-id"])));
  for (const which of ["statistics", "partition-statistics"] as const)
    for (const entry of table[which] ?? [])
      if (ids.has(String(entry["snapshot-id"]))) add(String(entry["statistics-path"]));
  const manifests = new Map<string, ListedManifest>();
  await pMap(
    snapshots,
    async (snapshot) => {
      const address = snapshot["manifest-list"];
      if (address === undefined)
        throw fail(
          "unsupported_table",
          `its snapshot ${snapshot["snapshot-id"]} has manifests without a list, as of format 1 alone`,
        );
      add(address);
      for (const line of await read(reader.list(address, places))) manifests.set(line.manifest_path, line);
    },
    { concurrency },
  );
  await pMap(
    manifests.values(),
    async (line) => {
      add(line.manifest_path, Number(line.manifest_length));
      for (const { path, bytes } of await read(reader.files(line, places))) add(path, bytes);
    },
    { concurrency },
  );
  return found;
}
