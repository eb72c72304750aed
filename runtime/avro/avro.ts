/** Avro: its binary encoding, files of records as Iceberg's manifests are, and files of any size block by block. */
export { avroBlocks } from "./blocks.ts";
export { decodeAvroFile, encodeAvroFile } from "./container.ts";
export { type AvroField, AvroReader, type AvroRecord, type AvroSchema, type AvroValue } from "./encoding.ts";
