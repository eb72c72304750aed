/** A version as a Parquet file of one row, readable by any Parquet reader. The only importer of hyparquet. */
import { parquetMetadata, parquetReadObjects, type SchemaElement } from "hyparquet";
import { ByteWriter, parquetWrite } from "hyparquet-writer";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Version } from "../versions/versions.ts";
import { checkSeal, seal, sealKey, unsealed } from "./checksum.ts";

const manifestFormat = 1;
/** Of a version whose objects have other columns than it: a program that knows none would read them by wrong names. */
const manifestFormatWithSchemas = 2;
/** Of an open table, whose rows are where its metadata says: a program that knows none would take it for empty. */
const manifestFormatOpen = 3;
export const formatKey = "lakehouse.format";

/** A field with its children below it, depth first. */
type Field = readonly [SchemaElement, ...SchemaElement[]];
type Repetition = "REQUIRED" | "OPTIONAL";

const text = (name: string, repetition_type: Repetition = "REQUIRED"): Field => [
  { name, type: "BYTE_ARRAY", converted_type: "UTF8", logical_type: { type: "STRING" }, repetition_type },
];
const int64 = (name: string, repetition_type: Repetition = "REQUIRED"): Field => [
  { name, type: "INT64", repetition_type },
];
const flag = (name: string): Field => [{ name, type: "BOOLEAN", repetition_type: "REQUIRED" }];
const utcMicros = (name: string): Field => [
  {
    name,
    type: "INT64",
    converted_type: "TIMESTAMP_MICROS",
    logical_type: { type: "TIMESTAMP", isAdjustedToUTC: true, unit: "MICROS" },
    repetition_type: "REQUIRED",
  },
];
/** The three levels that the Parquet format prescribes for a list, around a struct. */
const structs = (name: string, fields: readonly Field[]): Field => [
  {
    name,
    converted_type: "LIST",
    logical_type: { type: "LIST" },
    repetition_type: "REQUIRED",
    num_children: 1,
  },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  { name: "element", repetition_type: "REQUIRED", num_children: fields.length },
  ...fields.flat(),
];

const statistics = [
  text("column"),
  int64("field_id"),
  int64("null_count", "OPTIONAL"),
  int64("value_count", "OPTIONAL"),
  int64("compressed_bytes", "OPTIONAL"),
  text("min", "OPTIONAL"),
  text("max", "OPTIONAL"),
];
const column = [text("name"), text("type"), flag("nullable")];
const integers = (name: string): Field => [
  {
    name,
    converted_type: "LIST",
    logical_type: { type: "LIST" },
    repetition_type: "OPTIONAL",
    num_children: 1,
  },
  { name: "list", repetition_type: "REPEATED", num_children: 1 },
  ...int64("element"),
];
/** Fields of columns that came later: a version without one is written as it was before there was any. */
const laterOfColumns = {
  form: text("form", "OPTIONAL"),
  field_id: int64("field_id", "OPTIONAL"),
  nested_ids: integers("nested_ids"),
  comment: text("comment", "OPTIONAL"),
};
const columnFields = (columns: Version["columns"]): Field[] => {
  const later = Object.entries(laterOfColumns) as [keyof typeof laterOfColumns, Field][];
  const used = later.filter(([name]) => columns.some((each) => each[name] !== undefined));
  return [...column, ...used.map(([, field]) => field)];
};

/** Fields that came later: a version without one is written as it was before there was any. */
const optionalTexts = ["operation_id", "copy_of", "renamed_to", "metadata_location"] as const;
const optionalCounts = ["first_version", "last_column_id", "schema_id", "last_schema_id"] as const;

/** Kept as JSON. */
const trees = ["schemas", "locations"] as const;

const fieldsOf = (version: Version): readonly Field[] => [
  text("dataset_id"),
  text("name"),
  int64("version"),
  int64("parent", "OPTIONAL"),
  text("schema_fingerprint"),
  structs("columns", columnFields(version.columns)),
  structs("objects", [
    text("key"),
    int64("bytes"),
    text("etag"),
    int64("row_count"),
    structs("statistics", statistics),
    ...(version.objects.some(({ schema_id }) => schema_id !== undefined)
      ? [int64("schema_id", "OPTIONAL")]
      : []),
  ]),
  int64("row_count"),
  int64("bytes"),
  text("operation"),
  text("made_by"),
  utcMicros("created_at"),
  ...optionalCounts.filter((name) => version[name] !== undefined).map((name) => int64(name)),
  // As JSON: a tree that only this program reads.
  ...trees.filter((name) => version[name] !== undefined).map((name) => text(name)),
  ...optionalTexts.filter((name) => version[name] !== undefined).map((name) => text(name)),
];
/** Only where versions of other names are committed by this one: as JSON, whole. */
const also = text("also");

/** The file of a version, sealed, with what is committed by it. Throws when a number is no safe integer. */
export function encodeManifest(version: Version, others: readonly Version[] = []): Uint8Array {
  const fields = fieldsOf(version);
  const row: Record<string, unknown> = { ...version, created_at: new Date(version.created_at) };
  const written = others.length === 0 ? fields : [...fields, also];
  if (others.length > 0) row.also = JSON.stringify(others);
  for (const name of trees) if (version[name]) row[name] = JSON.stringify(version[name]);
  const writer = new ByteWriter();
  const waits = parquetWrite({
    writer,
    schema: [{ name: "manifest", num_children: written.length }, ...written.flat()],
    columnData: written.map(([{ name }]) => ({ name, data: [stored(row[name]) ?? null] })),
    // One row: bounds would repeat the row.
    statistics: false,
    kvMetadata: [
      { key: formatKey, value: String(formatOf([version, ...others])) },
      { key: sealKey, value: unsealed },
    ],
    createdBy: "lakehouse catalogd",
  });
  if (waits) throw new Error("writing to memory cannot wait");
  return seal(writer.getBytes());
}

/** The version in a file of `encodeManifest`. Throws `corrupt`, saying why, for a damaged file and one of a newer format. */
export const decodeManifest = async (bytes: Uint8Array): Promise<Version> =>
  (await decodeCommit(bytes)).version;

function formatOf(versions: readonly Version[]): number {
  if (versions.some((version) => version.metadata_location !== undefined)) return manifestFormatOpen;
  return versions.some(({ schemas }) => schemas !== undefined) ? manifestFormatWithSchemas : manifestFormat;
}

interface Texts {
  also?: string;
  schemas?: string;
  locations?: string;
}

/** The same with the versions of other names that are committed by it. */
export async function decodeCommit(bytes: Uint8Array): Promise<{ version: Version; also: Version[] }> {
  checkSeal(bytes);
  try {
    const file = bytes.slice().buffer;
    const metadata = parquetMetadata(file);
    checkFormat(metadata.key_value_metadata?.find(({ key }) => key === formatKey)?.value);
    const rows = await parquetReadObjects({ file, metadata });
    if (rows.length !== 1) throw fail("corrupt", `it has ${rows.length} rows instead of one`);
    const { also = "[]", ...row } = restored(rows[0]) as Omit<Version, keyof Texts> & Texts;
    const parsed = trees.flatMap((name) => (row[name] === undefined ? [] : [[name, JSON.parse(row[name])]]));
    const version = { ...row, ...Object.fromEntries(parsed) } as Version;
    return { version, also: JSON.parse(also) as Version[] };
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail("corrupt", "it does not read as a manifest", { cause });
  }
}

function checkFormat(written: string | undefined): void {
  const latest = manifestFormatOpen;
  if (written !== undefined && /^[1-9]$/.test(written) && Number(written) <= latest) return;
  const newer = Number(written) > latest ? ", written by a newer version of the program" : "";
  throw fail(
    "corrupt",
    `its format is ${written ?? "not given"}${newer}; this version reads up to ${latest}`,
  );
}

/** Values as hyparquet takes them: INT64 as bigint. */
const stored = (value: unknown): unknown => {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new Error(`a manifest cannot hold ${value}: it is no safe integer`);
    return BigInt(value);
  }
  return mapFields(value, stored);
};

/** The inverse of `stored`; an absent optional field is read as null, and becomes absent again. */
const restored = (value: unknown): unknown => {
  if (typeof value === "bigint") {
    if (!Number.isSafeInteger(Number(value))) throw new Error(`${value} is no safe integer`);
    return Number(value);
  }
  return value instanceof Date ? value.toISOString() : mapFields(value, restored);
};

function mapFields(value: unknown, each: (value: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map(each);
  if (typeof value !== "object" || value === null || value instanceof Date) return value;
  const present = Object.entries(value).filter(([, field]) => field !== null && field !== undefined);
  return Object.fromEntries(present.map(([name, field]) => [name, each(field)]));
}
