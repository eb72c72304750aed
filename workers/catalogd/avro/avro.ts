/** Avro, as far as Iceberg's manifests use it: its binary encoding, and files of records. */
export { decodeAvroFile, encodeAvroFile } from "./container.ts";
export type { AvroField, AvroRecord, AvroSchema, AvroValue } from "./encoding.ts";
