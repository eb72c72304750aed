/** Avro schemas of manifest lists and manifests (format 2, §"Manifests" and §"Manifest Lists"); ids are the spec's. */
import type { AvroField, AvroSchema } from "../../../runtime/avro/avro.ts";

const record = (name: string, fields: readonly AvroField[]): AvroSchema => ({ type: "record", name, fields });
const field = (id: number, name: string, type: AvroSchema) => ({ name, type, "field-id": id });
const optional = (id: number, name: string, type: AvroSchema) => ({
  name,
  type: ["null", type],
  default: null,
  "field-id": id,
});
/** Maps whose keys are no text are lists of pairs. */
const pairs = (keyId: number, valueId: number, value: AvroSchema): AvroSchema => ({
  type: "array",
  logicalType: "map",
  items: record(`k${keyId}_v${valueId}`, [field(keyId, "key", "int"), field(valueId, "value", value)]),
});

/** What format 3 has besides. */
const dataFile3 = [
  optional(142, "first_row_id", "long"),
  optional(143, "referenced_data_file", "string"),
  optional(144, "content_offset", "long"),
  optional(145, "content_size_in_bytes", "long"),
];

const dataFile = (partition: readonly AvroField[], format: number) =>
  record("r2", [
    field(134, "content", "int"),
    field(100, "file_path", "string"),
    field(101, "file_format", "string"),
    field(102, "partition", record("r102", partition)),
    field(103, "record_count", "long"),
    field(104, "file_size_in_bytes", "long"),
    optional(108, "column_sizes", pairs(117, 118, "long")),
    optional(109, "value_counts", pairs(119, 120, "long")),
    optional(110, "null_value_counts", pairs(121, 122, "long")),
    optional(125, "lower_bounds", pairs(126, 127, "bytes")),
    optional(128, "upper_bounds", pairs(129, 130, "bytes")),
    optional(140, "sort_order_id", "int"),
    ...(format >= 3 ? dataFile3 : []),
  ]);

const inherited = [
  optional(1, "snapshot_id", "long"),
  optional(3, "sequence_number", "long"),
  optional(4, "file_sequence_number", "long"),
];

/** A manifest of a table with these partition fields. */
export const manifestEntrySchema = (partition: readonly AvroField[] = [], format = 2) =>
  record("manifest_entry", [
    field(0, "status", "int"),
    ...inherited,
    field(2, "data_file", dataFile(partition, format)),
  ]);

/** The schema of a manifest that somebody wrote, with the fields that the format has for what is inherited. */
export function withInherited(schema: AvroSchema, format: number): AvroSchema {
  const { fields = [], ...rest } = schema as { fields?: AvroField[] };
  const own = fields
    .filter(({ name }) => !inherited.some((each) => each.name === name))
    .map((each) => (each.name === "data_file" && format >= 3 ? withFields(each, dataFile3) : each));
  return { ...rest, fields: [...own, ...inherited] } as unknown as AvroSchema;
}

function withFields(file: AvroField, more: readonly AvroField[]): AvroField {
  const type = file.type as unknown as { fields: AvroField[] };
  const missing = more.filter(({ name }) => !type.fields.some((each) => each.name === name));
  return { ...file, type: { ...type, fields: [...type.fields, ...missing] } as unknown as AvroSchema };
}

const partitionSummary = record("r508", [
  field(509, "contains_null", "boolean"),
  optional(518, "contains_nan", "boolean"),
  optional(510, "lower_bound", "bytes"),
  optional(511, "upper_bound", "bytes"),
]);

const listFields = [
  field(500, "manifest_path", "string"),
  field(501, "manifest_length", "long"),
  field(502, "partition_spec_id", "int"),
  field(517, "content", "int"),
  field(515, "sequence_number", "long"),
  field(516, "min_sequence_number", "long"),
  field(503, "added_snapshot_id", "long"),
  field(504, "added_files_count", "int"),
  field(505, "existing_files_count", "int"),
  field(506, "deleted_files_count", "int"),
  field(512, "added_rows_count", "long"),
  field(513, "existing_rows_count", "long"),
  field(514, "deleted_rows_count", "long"),
  optional(507, "partitions", { type: "array", items: partitionSummary, "element-id": 508 }),
];

export const manifestListSchema = (format: number) =>
  record("manifest_file", [
    ...listFields,
    ...(format >= 3 ? [optional(519, "key_metadata", "bytes"), optional(520, "first_row_id", "long")] : []),
  ]);
