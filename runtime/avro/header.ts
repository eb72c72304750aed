/** The header of an Avro file: what it says of itself, and the mark that ends each block. */
import { fail } from "../errors/errors.ts";
import type { AvroReader, AvroSchema } from "./encoding.ts";

export const magic = Uint8Array.of(0x4f, 0x62, 0x6a, 1);
export const syncBytes = 16;

export interface AvroHeader {
  entries: Map<string, string>;
  schema: AvroSchema;
  codec: string;
  sync: Uint8Array;
}

/** Throws `corrupt`, or an error of the schema's JSON. */
export function readHeader(from: AvroReader): AvroHeader {
  if (!Buffer.from(from.take(magic.length)).equals(magic))
    throw fail("corrupt", "it is no Avro file: it does not begin with 'Obj' and 1");
  const entries = new Map<string, string>();
  for (let count = from.count(); count !== 0; count = from.count()) {
    if (count < 0) from.long();
    for (let at = 0; at < Math.abs(count); at++) entries.set(from.text(), from.text());
  }
  const sync = from.take(syncBytes);
  const schema = JSON.parse(entries.get("avro.schema") ?? "") as AvroSchema;
  return { entries, schema, codec: entries.get("avro.codec") ?? "null", sync };
}
