/**
 * The checksums of a large object in S3, one for each of its pieces, in an object of their own: metadata is too short for
 * them, and sent before the bytes are known. It is named by the mark of the request that wrote the object, so the two are never of different generations.
 */
import { describe, type Log } from "../../runtime/log.ts";
import { reservedPrefix } from "./keys.ts";
import type { S3Connection } from "./s3-connection.ts";

export interface Sums {
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

export const sumsPrefix = `${reservedPrefix}sums/`;
const format = 1;
const sumsKey = (mark: string): string => `${sumsPrefix}${mark}.json`;
const sha256 = (text: string): string => new Bun.CryptoHasher("sha256").update(text).digest("hex");

export const encodeSums = (sums: Sums): string =>
  `${JSON.stringify({ format, checksum: sha256(JSON.stringify(sums)), sums })}\n`;

/** The inverse of `encodeSums`; undefined when it is damaged or of a newer format. */
export function decodeSums(text: string): Sums | undefined {
  try {
    const { format: found, checksum, sums } = JSON.parse(text);
    return found === format && checksum === sha256(JSON.stringify(sums)) ? sums : undefined;
  } catch {
    return undefined;
  }
}

export async function writeSums(
  { expect }: S3Connection,
  { mark, sums, signal }: { mark: string; sums: Sums; signal: AbortSignal },
): Promise<void> {
  const body = new TextEncoder().encode(encodeSums(sums));
  await expect({ method: "PUT", key: sumsKey(mark), body, signal }, 200);
}

/** The sums, `"missing"`, or `"damaged"`. */
export async function readSums(
  { expect }: S3Connection,
  mark: string,
  signal: AbortSignal,
): Promise<Sums | "missing" | "damaged"> {
  const { status, text } = await expect({ method: "GET", key: sumsKey(mark), signal }, 200, 404);
  return status === 404 ? "missing" : (decodeSums(text) ?? "damaged");
}

/** For an object that is gone. Sums that stay take room and do no harm. */
export async function eraseSums({ expect, place }: S3Connection, mark: string, log: Log): Promise<void> {
  const { signal } = new AbortController();
  await expect({ method: "DELETE", key: sumsKey(mark), signal }, 204, 200, 404).catch((cause) =>
    log.warn("checksums of an object that is gone could not be erased", {
      bucket: place.name,
      key: sumsKey(mark),
      ...describe(cause),
    }),
  );
}
