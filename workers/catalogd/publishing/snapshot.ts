/** A version of a dataset as a snapshot of its table: what it adds, and the metadata with it. */
import {
  highestId,
  type IcebergSchema,
  mainBranch,
  nameMapping,
  newTable,
  noSnapshot,
  type Snapshot,
  schemaOf,
  type TableMetadata,
} from "../iceberg/iceberg.ts";
import type { DataObject, Manifest } from "../versions/versions.ts";

/** Bits of an id of ours: every reader's JSON keeps it. */
const idBits = 52;

/** The same for the same version: after a restore from a backup, a number may be given a second time. */
export function snapshotIdOf({ dataset_id, version, created_at }: Manifest): number {
  const digest = Bun.SHA256.hash(JSON.stringify([dataset_id, version, Date.parse(created_at)]), "hex");
  return 1 + Number(BigInt(`0x${digest.slice(0, 16)}`) >> BigInt(64 - idBits));
}

/** Whether all objects that were there stay, in front of those that the version adds: their manifests stay as they are. */
export const keepsAll = (before: readonly string[], objects: readonly DataObject[]): boolean =>
  before.length <= objects.length && before.every((key, at) => objects[at]?.key === key);

/** Numbers of a summary; every reader's checks want the totals. */
function summaryOf(version: Manifest, added: readonly DataObject[], before: Snapshot | undefined) {
  const sum = (of: (object: DataObject) => number) => added.reduce((all, object) => all + of(object), 0);
  const total = (name: string) => Number(before?.summary?.[`total-${name}`] ?? 0);
  const [files, records, bytes] = [added.length, sum((each) => each.row_count), sum((each) => each.bytes)];
  const removed = {
    "deleted-data-files": total("data-files") + files - version.objects.length,
    "deleted-records": total("records") + records - version.row_count,
    "removed-files-size": total("files-size") + bytes - version.bytes,
  };
  const numbers = {
    "added-data-files": files,
    "added-records": records,
    "added-files-size": bytes,
    ...Object.fromEntries(Object.entries(removed).filter(([, count]) => count > 0)),
    "total-data-files": version.objects.length,
    "total-records": version.row_count,
    "total-files-size": version.bytes,
    "total-delete-files": 0,
    "total-position-deletes": 0,
    "total-equality-deletes": 0,
    "lakehouse.version": version.version,
  };
  const changed = removed["deleted-data-files"] > 0 ? (files > 0 ? "overwrite" : "delete") : "append";
  // The same rows in other files: readers of changes pass it over.
  const operation = version.operation === "compact" ? "replace" : changed;
  return {
    operation,
    ...Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, String(count)])),
    "lakehouse.operation": version.operation,
    "lakehouse.made-by": version.made_by,
  };
}

/** What stands in the metadata for a version, but for its manifest list. */
export function snapshotFor(
  version: Manifest,
  added: readonly DataObject[],
  { schemaId, before }: { schemaId: number; before: Snapshot | undefined },
): Snapshot {
  return {
    "snapshot-id": snapshotIdOf(version),
    ...(before && { "parent-snapshot-id": before["snapshot-id"] }),
    "sequence-number": version.version,
    "timestamp-ms": Date.parse(version.created_at),
    summary: summaryOf(version, added, before),
    "schema-id": schemaId,
  };
}

/** The version's schema, with the id that it has among those there are, or the next one. Throws `Unpublishable`. */
export function schemaAmong(schemas: readonly IcebergSchema[], version: Manifest): IcebergSchema {
  const { fields } = schemaOf(version.columns);
  const known = schemas.find((schema) => Bun.deepEquals(schema.fields, fields, true));
  const next = 1 + Math.max(-1, ...schemas.map((schema) => schema["schema-id"]));
  return known ?? { type: "struct", "schema-id": next, fields };
}

/** Older versions that stay snapshots; they can all be read by SQL. */
export const snapshotsMax = 100;

/** The metadata before there is any snapshot. */
export const unpublished = (version: Manifest, location: string): TableMetadata => ({
  ...newTable(
    { schema: { type: "struct", fields: [] } },
    { uuid: version.dataset_id, location, now: Date.parse(version.created_at) },
  ),
  schemas: [],
  "current-schema-id": -1,
});

/** The metadata with one snapshot more, which is the current one. */
export function withSnapshot(table: TableMetadata, snapshot: Snapshot, schema: IcebergSchema): TableMetadata {
  const id = snapshot["snapshot-id"];
  const isKnown = table.schemas.some((each) => each["schema-id"] === schema["schema-id"]);
  return {
    ...table,
    "last-sequence-number": snapshot["sequence-number"],
    "last-updated-ms": snapshot["timestamp-ms"],
    "last-column-id": Math.max(table["last-column-id"], highestId(schema)),
    "current-schema-id": schema["schema-id"],
    schemas: isKnown ? table.schemas : [...table.schemas, schema],
    "current-snapshot-id": id,
    refs: { [mainBranch]: { "snapshot-id": id, type: "branch" } },
    snapshots: [...table.snapshots, snapshot],
    "snapshot-log": [
      ...table["snapshot-log"],
      { "timestamp-ms": snapshot["timestamp-ms"], "snapshot-id": id },
    ],
  };
}

/**
 * As it is published: without snapshots before `first`, those beyond the maximum, and schemas that none has. Below
 * `readOnly` nothing can be written.
 */
export function finished(
  table: TableMetadata,
  { dataset, first, readOnly }: { dataset: string; first: number; readOnly: string },
): TableMetadata {
  const snapshots = table.snapshots
    .filter((snapshot) => Number(snapshot["sequence-number"]) >= first)
    .slice(-snapshotsMax);
  const kept = new Set(snapshots.map((snapshot) => snapshot["snapshot-id"]));
  const used = new Set(snapshots.map((snapshot) => snapshot["schema-id"]));
  const schemas = table.schemas.filter((schema) => used.has(schema["schema-id"]));
  return {
    ...table,
    snapshots,
    schemas,
    "snapshot-log": table["snapshot-log"].filter((entry) => kept.has(entry["snapshot-id"])),
    "current-snapshot-id": table["current-snapshot-id"] ?? noSnapshot,
    properties: {
      "schema.name-mapping.default": nameMapping(schemas),
      // Its files are ours: programs of others that expire snapshots are not to delete them.
      "gc.enabled": "false",
      "write.data.path": `${readOnly}/data`,
      "write.metadata.path": `${readOnly}/metadata`,
      "lakehouse.dataset": dataset,
    },
  };
}
