/**
 * A checksum inside the file it covers. A Parquet file's key-value metadata holds `lakehouse.sha256`: the SHA-256, in
 * hex, of the whole file with these 64 characters taken as zeros. It is looked for in the bytes and checked before
 * anything is parsed, so a damaged file never reaches a parser. This scheme is the same in every format version.
 */
import { fail } from "../../../runtime/errors/errors.ts";

export const sealKey = "lakehouse.sha256";
/** What stands in the metadata until `seal` puts the checksum in. */
export const unsealed = "0".repeat(64);

/** Thrift's compact protocol between key and value: field 2 of the pair is a string, of 64 bytes. */
const valueHeader = [0x18, 0x40] as const;
const zeros = new TextEncoder().encode(unsealed);

/** Where the 64 characters are. Metadata is at the end of the file, so the last mention of the key is the seal's. */
function sealAt(bytes: Uint8Array): number | undefined {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).lastIndexOf(sealKey);
  const at = key + sealKey.length;
  const found = key >= 0 && bytes[at] === valueHeader[0] && bytes[at + 1] === valueHeader[1];
  return found && at + 2 + unsealed.length <= bytes.length ? at + 2 : undefined;
}

const checksum = (bytes: Uint8Array, at: number): string =>
  new Bun.CryptoHasher("sha256")
    .update(bytes.subarray(0, at))
    .update(zeros)
    .update(bytes.subarray(at + zeros.length))
    .digest("hex");

/** Puts the checksum into a file that was written with `unsealed` as the last value of its metadata, in place. */
export function seal(bytes: Uint8Array): Uint8Array {
  const at = sealAt(bytes);
  if (at === undefined) throw new Error("the file has no place for its checksum");
  bytes.set(new TextEncoder().encode(checksum(bytes, at)), at);
  return bytes;
}

/** Throws `corrupt` unless every byte is as it was when sealed. */
export function checkSeal(bytes: Uint8Array): void {
  const at = sealAt(bytes);
  if (at === undefined) throw fail("corrupt", "it is cut short or not a manifest: its checksum is missing");
  const written = new TextDecoder("latin1").decode(bytes.subarray(at, at + unsealed.length));
  if (checksum(bytes, at) !== written) throw fail("corrupt", "its checksum does not match: it is damaged");
}
