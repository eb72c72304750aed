/** Avro's object container files (1.11 §"Object Container Files"): a header with the schema, and blocks of records. */
import { deflateRawSync, inflateRawSync } from "node:zlib";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { AvroReader, type AvroRecord, type AvroSchema, AvroWriter, readAvro, writeAvro } from "./encoding.ts";

const magic = Uint8Array.of(0x4f, 0x62, 0x6a, 1);
/** Largest block of records after it was unpacked: a small file cannot fill the memory. */
const blockBytesMax = 256 * 1024 * 1024;
const syncBytes = 16;

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
  if (!Buffer.from(from.take(magic.length)).equals(magic))
    throw fail("corrupt", "it is no Avro file: it does not begin with 'Obj' and 1");
  const header = new Map<string, string>();
  for (let count = from.count(); count !== 0; count = from.count()) {
    if (count < 0) from.long();
    for (let at = 0; at < Math.abs(count); at++) header.set(from.text(), from.text());
  }
  const sync = from.take(syncBytes);
  const schema = JSON.parse(header.get("avro.schema") ?? "") as AvroSchema;
  const codec = header.get("avro.codec") ?? "null";
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

function unpack(codec: string, block: Uint8Array): Uint8Array {
  if (codec === "null") return block;
  if (codec === "deflate") return inflateRawSync(block, { maxOutputLength: blockBytesMax });
  if (codec === "zstandard") return Bun.zstdDecompressSync(block.slice());
  throw fail("corrupt", `its codec is '${codec.slice(0, 60)}'; expected null, deflate or zstandard`);
}
