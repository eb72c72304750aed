/**
 * The checksums of a large object in S3, one for each of its pieces, in an object of their own: metadata is too short for
 * them, and sent before the bytes are known. It is named by the mark of the request that wrote the object, so the two are never of different generations.
 */
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { reservedPrefix } from "../bucket/bucket.ts";
import type { S3Connection } from "../s3-client/s3-client.ts";

interface Checksums {
  /** The object's key, for whoever finds sums that nobody needs any more. */
  key: string;
  bytes: number;
  /** Of the whole object. */
  sha256: string;
  /** Length of each piece but the last. */
  piece_bytes: number;
  /** SHA-256 of each piece. */
  pieces: string[];
}

export const checksumsPrefix = `${reservedPrefix}sums/`;
const format = 1;
const checksumsKey = (mark: string): string => `${checksumsPrefix}${mark}.json`;
const sha256 = (text: string): string => Bun.SHA256.hash(text, "hex");

const encodeChecksums = (sums: Checksums): string =>
  `${JSON.stringify({ format, checksum: sha256(JSON.stringify(sums)), sums })}\n`;

/** The inverse of `encodeChecksums`; undefined when it is damaged or of a newer format. */
function decodeChecksums(text: string): Checksums | undefined {
  try {
    const { format: found, checksum, sums } = JSON.parse(text);
    return found === format && checksum === sha256(JSON.stringify(sums)) ? sums : undefined;
  } catch {
    return undefined;
  }
}

export async function writeChecksums(
  { expect }: S3Connection,
  { mark, sums, signal }: { mark: string; sums: Checksums; signal: AbortSignal },
): Promise<void> {
  const body = new TextEncoder().encode(encodeChecksums(sums));
  await expect({ method: "PUT", key: checksumsKey(mark), body, signal }, 200);
}

/** The sums, `"missing"`, or `"damaged"`. */
export async function readChecksums(
  { expect }: S3Connection,
  mark: string,
  signal: AbortSignal,
): Promise<Checksums | "missing" | "damaged"> {
  const { status, text } = await expect({ method: "GET", key: checksumsKey(mark), signal }, 200, 404);
  return status === 404 ? "missing" : (decodeChecksums(text) ?? "damaged");
}

/** For an object that is gone. Checksums that stay take room and do no harm. */
export async function eraseChecksums(
  { expect, address }: S3Connection,
  mark: string,
  log: Log,
): Promise<void> {
  const { signal } = new AbortController();
  await expect({ method: "DELETE", key: checksumsKey(mark), signal }, 204, 200, 404).catch((cause) =>
    log.warn("checksums of an object that is gone could not be erased", {
      bucket: address.name,
      key: checksumsKey(mark),
      ...describe(cause),
    }),
  );
}
