/** The codecs of Avro's blocks (1.11 §"Required Codecs" and those beside them). */
import { crc32, inflateRawSync } from "node:zlib";
import { fail } from "../errors/errors.ts";
import { snappyUncompress } from "../parquet/parquet.ts";

/** Largest block of records after it was unpacked: a small file cannot fill the memory. */
const blockBytesMax = 256 * 1024 * 1024;

/** Throws `corrupt`. */
export function unpack(codec: string, block: Uint8Array): Uint8Array {
  if (codec === "null") return block;
  if (codec === "deflate") return inflateRawSync(block, { maxOutputLength: blockBytesMax });
  if (codec === "zstandard") return Bun.zstdDecompressSync(block.slice());
  if (codec === "snappy") return unsnapped(block);
  throw fail("corrupt", `its codec is '${codec.slice(0, 60)}'; expected null, deflate, snappy or zstandard`);
}

/** Its length stands before the block, and a checksum of what comes out behind it. */
function unsnapped(block: Uint8Array): Uint8Array {
  let length = 0;
  for (let at = 0; at < 5; at++) {
    const byte = block[at] ?? 0;
    length += (byte & 127) * 2 ** (7 * at);
    if (byte < 128) break;
  }
  if (length > blockBytesMax || block.length < 4)
    throw fail("corrupt", "it does not read as Avro: a block is too large");
  const out = new Uint8Array(length);
  snappyUncompress(block.subarray(0, -4), out);
  const checksum = new DataView(block.buffer, block.byteOffset + block.length - 4, 4).getUint32(0);
  if (crc32(out) !== checksum)
    throw fail("corrupt", "it does not read as Avro: the checksum of a block is another");
  return out;
}
