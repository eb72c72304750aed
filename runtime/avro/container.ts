/** Avro's object container files (1.11 §"Object Container Files"): a header with the schema, and blocks of records. */
import { deflateRawSync } from "node:zlib";
import { fail, ServiceError } from "../errors/errors.ts";
import { unpack } from "./codecs.ts";
import { AvroReader, type AvroRecord, type AvroSchema, AvroWriter, readAvro, writeAvro } from "./encoding.ts";
import { magic, readHeader, syncBytes } from "./header.ts";

/** The file of these records, with what else its header says. The same records give the same bytes. */
export function encodeAvroFile(
  schema: AvroSchema,
  records: readonly AvroRecord[],
  header: Readonly<Record<string, string>>,
): Uint8Array {
  const body = new AvroWriter();
  for (const record of records) writeAvro(body, schema, record);
  const packed = deflateRawSync(body.finish());
  // Random by the format; of the content here, so that what is published twice is one file.
  const sync = new Bun.CryptoHasher("sha256").update(packed).digest().subarray(0, syncBytes);
  const entries = Object.entries({
    "avro.schema": JSON.stringify(schema),
    "avro.codec": "deflate",
    ...header,
  });
  const out = new AvroWriter();
  out.raw(magic);
  out.long(entries.length);
  for (const [name, value] of entries) {
    out.text(name);
    out.text(value);
  }
  out.long(0);
  out.raw(sync);
  if (records.length > 0) {
    out.long(records.length);
    out.bytes(packed);
    out.raw(sync);
  }
  return out.finish();
}

/** The records of a file that anybody may have written, and its header. Throws `corrupt`, saying why. */
export function decodeAvroFile(bytes: Uint8Array): { records: AvroRecord[]; header: Map<string, string> } {
  try {
    return decode(bytes);
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail("corrupt", "it does not read as Avro", { cause });
  }
}

function decode(bytes: Uint8Array): { records: AvroRecord[]; header: Map<string, string> } {
  const from = new AvroReader(bytes);
  const { entries: header, schema, codec, sync } = readHeader(from);
  const records: AvroRecord[] = [];
  while (from.at < bytes.length) {
    const count = from.count();
    const block = new AvroReader(unpack(codec, from.take(from.count())));
    for (let at = 0; at < count; at++) records.push(readAvro(block, schema) as AvroRecord);
    if (!Buffer.from(from.take(syncBytes)).equals(sync))
      throw fail("corrupt", "it does not read as Avro: a block does not end where it should");
  }
  return { records, header };
}
