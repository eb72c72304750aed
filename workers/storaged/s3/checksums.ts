/**
 * The checksums of a large object in S3, one for each of its pieces, in an object of their own: metadata is too short for
 * them, and sent before the bytes are known. It is named by the mark of the request that wrote the object, so the two are never of different generations.
 */
import type { Finding } from "../../../runtime/durable/durable.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { reservedPrefix } from "../bucket/bucket.ts";
import type { S3Connection } from "../s3-client/s3-client.ts";
import { listS3 } from "./list.ts";
import { look, markHeader, type S3Objects } from "./object.ts";

interface Checksums {
  /** The object's key, by which orphaned checksums are recognised. */
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

/** Younger checksums may be of an upload that is about to be completed. */
const youngMs = 60 * 60 * 1000;
const pageSize = 1000;

/** Checksums of objects that are gone: a process that ends between two requests leaves them. */
export async function* orphanedChecksums(s3: S3Objects, now: number): AsyncGenerator<Finding> {
  const { signal } = new AbortController();
  for (let pageToken: string | undefined; ; ) {
    const page = await listS3(s3.connection, { prefix: checksumsPrefix, pageSize, pageToken, signal });
    for (const { key, last_modified } of page.objects) {
      if (now - Date.parse(last_modified) < youngMs) continue;
      const mark = key.slice(checksumsPrefix.length, -".json".length);
      const sums = await readChecksums(s3.connection, mark, signal);
      // What damaged sums belong to is found with its object.
      if (typeof sums === "string") continue;
      const object = await look(s3, sums.key, signal);
      if (object?.headers.get(markHeader) === mark) continue;
      const problem = `the checksums of an upload of '${sums.key}', which is not the object there is (any more)`;
      yield { severity: "leftover", place: key, problem, remedy: "delete it at the S3 server" };
    }
    pageToken = page.nextPageToken;
    if (pageToken === undefined) return;
  }
}
