/** Manifests of data files, and manifest lists: written by us, read from anybody. */
import type { AvroField, AvroRecord, AvroSchema } from "../../../runtime/avro/avro.ts";
import { decodeAvroFile, encodeAvroFile } from "../../../runtime/avro/avro.ts";
import { boundBytes } from "./bounds.ts";
import type { Id } from "./json.ts";
import { manifestEntrySchema, manifestListSchema, withInherited } from "./manifest-schema.ts";
import { firstRowIds } from "./row-ids.ts";
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
  /** Of a table with partitions: its own. */
  partition?: AvroRecord;
  /** Its rows are in this order; 0 where they are in none. */
  orderId?: number;
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
  specId?: number;
  /** Of the table; 2 unless given. */
  formatVersion?: number;
  /** Of the spec: its fields as metadata has them, and as Avro has them. */
  partition?: { spec: readonly unknown[]; fields: readonly AvroField[] };
  /** Of the partitions in a manifest: what its line in the list says of them. */
  summaries?: readonly AvroRecord[];
}

const formatDefault = 2;
const [existing, added, deleted] = [0, 1, 2];

/** A file in a manifest, with the snapshot that added it and that one's number. */
export interface ManifestEntry extends AvroRecord {
  status: number;
  snapshot_id: Id;
  sequence_number: Id;
  file_sequence_number: Id;
  data_file: AvroRecord & { file_path: string; record_count: Id; file_size_in_bytes: Id };
}

/** What a new manifest holds. */
export interface ManifestContent {
  /** Files that the snapshot adds. */
  added?: readonly AddedFile[];
  /** Files of earlier snapshots that stay. */
  kept?: readonly ManifestEntry[];
  /** Files of earlier snapshots that go with this one: readers of changes look for them. */
  gone?: readonly ManifestEntry[];
}

/** The manifest, and its line in the list of the snapshot but for where it is. */
export function encodeManifestFile(
  content: ManifestContent,
  place: Adding,
): { bytes: Uint8Array; line: (uri: string) => ListedManifest } {
  const { added: files = [], kept = [], gone = [] } = content;
  const { snapshotId, sequenceNumber, schema, specId = 0, partition, summaries = [] } = place;
  const { formatVersion = formatDefault } = place;
  const types = new Map(schema.fields.map(({ id, type }) => [id, type]));
  const entries = [
    ...kept.map((entry) => ({ ...entry, status: existing })),
    ...gone.map((entry) => ({ ...entry, status: deleted, snapshot_id: snapshotId })),
    ...files.map((file) => ({
      status: added,
      snapshot_id: snapshotId,
      // Inherited from the list: the number of the snapshot.
      sequence_number: null,
      file_sequence_number: null,
      data_file: dataFileOf(file, types),
    })),
  ];
  const header = headerOf(schema, { specId, spec: partition?.spec, formatVersion });
  const bytes = encodeAvroFile(manifestEntrySchema(partition?.fields, formatVersion), entries, header);
  const numbers = kept.map((entry) => Number(entry.sequence_number));
  return {
    bytes,
    line: (uri) => ({
      manifest_path: uri,
      manifest_length: bytes.length,
      partition_spec_id: specId,
      content: 0,
      sequence_number: sequenceNumber,
      min_sequence_number: Math.min(sequenceNumber, ...numbers),
      added_snapshot_id: snapshotId,
      added_files_count: files.length,
      existing_files_count: kept.length,
      deleted_files_count: gone.length,
      added_rows_count: files.reduce((sum, { rows }) => sum + rows, 0),
      existing_rows_count: rowsOf(kept),
      deleted_rows_count: rowsOf(gone),
      partitions: [...summaries],
    }),
  };
}

/**
 * A manifest of anybody without the files that go, each of its fields as it was; undefined where none of them is in it. The
 * line is that of the new one.
 */
export function rewrittenManifest(
  bytes: Uint8Array,
  line: ListedManifest,
  {
    snapshotId,
    sequenceNumber,
    formatVersion,
    isGone,
  }: {
    snapshotId: number;
    sequenceNumber: number;
    formatVersion: number;
    isGone: (file: ManifestEntry["data_file"]) => boolean;
  },
): { bytes: Uint8Array; line: (uri: string) => ListedManifest } | undefined {
  const entries = entriesOf(bytes, line);
  const [gone, kept] = [true, false].map((which) =>
    entries.filter(({ data_file: file }) => isGone(file) === which),
  ) as [ManifestEntry[], ManifestEntry[]];
  if (gone.length === 0) return undefined;
  const { header } = decodeAvroFile(bytes);
  const schema = withInherited(JSON.parse(header.get("avro.schema") ?? "") as AvroSchema, formatVersion);
  const all = [
    ...kept.map((entry) => ({ ...entry, status: existing })),
    ...gone.map((entry) => ({ ...entry, status: deleted, snapshot_id: snapshotId })),
  ];
  const own = [...header].filter(([name]) => !name.startsWith("avro."));
  const written = encodeAvroFile(schema, all, {
    ...Object.fromEntries(own),
    "format-version": String(formatVersion),
  });
  return {
    bytes: written,
    line: (uri) => ({
      ...line,
      manifest_path: uri,
      manifest_length: written.length,
      content: line.content ?? 0,
      // Its files say their own; the list gives the manifest one.
      first_row_id: null,
      sequence_number: sequenceNumber,
      min_sequence_number: kept.reduce((least, entry) => {
        const number = Number(entry.sequence_number);
        return Math.min(least, number);
      }, sequenceNumber),
      added_snapshot_id: snapshotId,
      added_files_count: 0,
      existing_files_count: kept.length,
      deleted_files_count: gone.length,
      added_rows_count: 0,
      existing_rows_count: rowsOf(kept),
      deleted_rows_count: rowsOf(gone),
    }),
  };
}

const rowsOf = (some: readonly ManifestEntry[]): number =>
  some.reduce((sum, { data_file }) => sum + Number(data_file.record_count), 0);

/** The files of a manifest that are there; what a snapshot does not say of them, the list does. Throws `corrupt`. */
export const entriesOf = (
  bytes: Uint8Array,
  line: ListedManifest,
  firstRowId = firstRowIds(line),
): ManifestEntry[] =>
  (decodeAvroFile(bytes).records as ManifestEntry[])
    .filter(({ status }) => status !== deleted)
    .map((entry) => ({
      ...entry,
      data_file: { ...entry.data_file, first_row_id: firstRowId(entry.data_file) },
      snapshot_id: entry.snapshot_id ?? line.added_snapshot_id,
      sequence_number: entry.sequence_number ?? line.sequence_number ?? 0,
      file_sequence_number: entry.file_sequence_number ?? line.sequence_number ?? 0,
    }));

const headerOf = (
  schema: IcebergSchema,
  {
    specId,
    spec = [],
    formatVersion,
  }: { specId: number; spec: readonly unknown[] | undefined; formatVersion: number },
): Record<string, string> => ({
  schema: JSON.stringify(schema),
  "schema-id": String(schema["schema-id"]),
  "partition-spec": JSON.stringify(spec),
  "partition-spec-id": String(specId),
  "format-version": String(formatVersion),
  content: "data",
});

function dataFileOf(
  { uri, bytes, rows, statistics, partition = {}, orderId = 0 }: AddedFile,
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
    partition,
    record_count: rows,
    file_size_in_bytes: bytes,
    column_sizes: pairs(({ compressed_bytes }) => compressed_bytes),
    value_counts: pairs(() => rows),
    null_value_counts: pairs(({ null_count }) => null_count),
    lower_bounds: pairs(({ min }, type) => (min === undefined ? undefined : boundBytes(type, min, "lower"))),
    upper_bounds: pairs(({ max }, type) => (max === undefined ? undefined : boundBytes(type, max, "upper"))),
    sort_order_id: orderId,
  };
}

export const encodeManifestList = (
  manifests: readonly ListedManifest[],
  snapshot: {
    snapshotId: number;
    parentId: Id | null | undefined;
    sequenceNumber: number;
    formatVersion?: number;
    firstRowId?: Id | undefined;
  },
): Uint8Array =>
  encodeAvroFile(manifestListSchema(snapshot.formatVersion ?? formatDefault), manifests, {
    "snapshot-id": String(snapshot.snapshotId),
    "parent-snapshot-id": String(snapshot.parentId ?? "null"),
    "sequence-number": String(snapshot.sequenceNumber),
    "format-version": String(snapshot.formatVersion ?? formatDefault),
    ...(snapshot.firstRowId !== undefined && { "first-row-id": String(snapshot.firstRowId) }),
  });

/** The manifests of a list. Throws `corrupt`. */
export const decodeManifestList = (bytes: Uint8Array): ListedManifest[] =>
  decodeAvroFile(bytes).records as ListedManifest[];
