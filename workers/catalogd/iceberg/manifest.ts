/** Manifests of data files without partitions, and manifest lists: written by us, read from anybody. Pure. */
import type { AvroRecord } from "../avro/avro.ts";
import { decodeAvroFile, encodeAvroFile } from "../avro/avro.ts";
import { boundBytes } from "./bounds.ts";
import type { Id } from "./json.ts";
import { manifestEntrySchema, manifestListSchema } from "./manifest-schema.ts";
import type { IcebergSchema } from "./schema.ts";

/** What the catalog knows of a column in a file; bounds as DuckDB's text. */
export interface FileStatistics {
  field_id: number;
  null_count?: number;
  compressed_bytes?: number;
  min?: string;
  max?: string;
}

/** A Parquet file that a snapshot adds. */
export interface AddedFile {
  uri: string;
  bytes: number;
  rows: number;
  statistics: readonly FileStatistics[];
}

/** A manifest as a manifest list names it; fields that others add are kept. */
export interface ListedManifest extends AvroRecord {
  manifest_path: string;
  manifest_length: Id;
  content: Id;
  sequence_number: Id;
  added_snapshot_id: Id;
}

interface Adding {
  snapshotId: number;
  sequenceNumber: number;
  schema: IcebergSchema;
}

const formatVersion = "2";
const [existing, added] = [0, 1];

/** The manifest of the files that one snapshot adds. */
export function encodeManifestFile(files: readonly AddedFile[], { snapshotId, schema }: Adding): Uint8Array {
  const types = new Map(schema.fields.map(({ id, type }) => [id, type]));
  const entries = files.map((file) => ({
    status: added,
    snapshot_id: snapshotId,
    // Inherited from the list: the number of the snapshot.
    sequence_number: null,
    file_sequence_number: null,
    data_file: dataFileOf(file, types),
  }));
  return encodeAvroFile(manifestEntrySchema, entries, headerOf(schema));
}

const headerOf = (schema: IcebergSchema): Record<string, string> => ({
  schema: JSON.stringify(schema),
  "schema-id": String(schema["schema-id"]),
  "partition-spec": "[]",
  "partition-spec-id": "0",
  "format-version": formatVersion,
  content: "data",
});

function dataFileOf(
  { uri, bytes, rows, statistics }: AddedFile,
  types: ReadonlyMap<number, unknown>,
): AvroRecord {
  // Parts of nested columns have as many values as they like: they are left out.
  const known = statistics.filter(({ field_id }) => typeof types.get(field_id) === "string");
  const pairs = <T extends Id | Uint8Array>(of: (each: FileStatistics, type: string) => T | undefined) =>
    known.flatMap((each) => {
      const value = of(each, types.get(each.field_id) as string);
      return value === undefined ? [] : [{ key: each.field_id, value }];
    });
  return {
    content: 0,
    file_path: uri,
    file_format: "PARQUET",
    partition: {},
    record_count: rows,
    file_size_in_bytes: bytes,
    column_sizes: pairs(({ compressed_bytes }) => compressed_bytes),
    value_counts: pairs(() => rows),
    null_value_counts: pairs(({ null_count }) => null_count),
    lower_bounds: pairs(({ min }, type) => (min === undefined ? undefined : boundBytes(type, min, "lower"))),
    upper_bounds: pairs(({ max }, type) => (max === undefined ? undefined : boundBytes(type, max, "upper"))),
    sort_order_id: 0,
  };
}

/** The line of a new manifest in the list of the snapshot that adds it. */
export const listed = (
  manifest: { uri: string; bytes: number },
  files: readonly AddedFile[],
  { snapshotId, sequenceNumber }: Adding,
): ListedManifest => ({
  manifest_path: manifest.uri,
  manifest_length: manifest.bytes,
  partition_spec_id: 0,
  content: 0,
  sequence_number: sequenceNumber,
  min_sequence_number: sequenceNumber,
  added_snapshot_id: snapshotId,
  added_files_count: files.length,
  existing_files_count: 0,
  deleted_files_count: 0,
  added_rows_count: files.reduce((sum, { rows }) => sum + rows, 0),
  existing_rows_count: 0,
  deleted_rows_count: 0,
  partitions: [],
});

export const encodeManifestList = (
  manifests: readonly ListedManifest[],
  snapshot: { snapshotId: number; parentId: number | undefined; sequenceNumber: number },
): Uint8Array =>
  encodeAvroFile(manifestListSchema, manifests, {
    "snapshot-id": String(snapshot.snapshotId),
    "parent-snapshot-id": String(snapshot.parentId ?? "null"),
    "sequence-number": String(snapshot.sequenceNumber),
    "format-version": formatVersion,
  });

/** The manifests of a list. Throws `corrupt`. */
export const decodeManifestList = (bytes: Uint8Array): ListedManifest[] =>
  decodeAvroFile(bytes).records as ListedManifest[];

/**
 * One manifest of all the files in these, and its line in a list but for where it is; the files keep the snapshots that
 * added them.
 */
export function mergeManifests(
  manifests: readonly { line: ListedManifest; bytes: Uint8Array }[],
  { snapshotId, sequenceNumber, schema }: Adding,
): { bytes: Uint8Array; line: (uri: string) => ListedManifest } {
  const entries = manifests.flatMap(({ line, bytes }) =>
    decodeAvroFile(bytes).records.map((entry) => ({
      ...entry,
      status: existing,
      snapshot_id: entry.snapshot_id ?? line.added_snapshot_id,
      sequence_number: entry.sequence_number ?? line.sequence_number,
      file_sequence_number: entry.file_sequence_number ?? line.sequence_number,
    })),
  );
  const bytes = encodeAvroFile(manifestEntrySchema, entries, headerOf(schema));
  const rows = entries.reduce((sum, entry) => sum + Number((entry as Counted).data_file?.record_count), 0);
  const numbers = manifests.map(({ line }) => Number(line.min_sequence_number));
  return {
    bytes,
    line: (uri) => ({
      ...listed({ uri, bytes: bytes.length }, [], { snapshotId, sequenceNumber, schema }),
      min_sequence_number: Math.min(...numbers),
      existing_files_count: entries.length,
      existing_rows_count: rows,
    }),
  };
}

type Counted = { data_file?: { record_count: Id } };
