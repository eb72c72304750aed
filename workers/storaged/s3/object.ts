/** Objects of an S3 bucket as its answers describe them. */
import { noSuchObject, type ObjectInfo } from "../bucket/bucket.ts";
import { bareEtag, type S3Answer, type S3Connection } from "../s3-client/s3-client.ts";
import { wholeSeconds } from "./list.ts";

/** Where objects are looked for. */
export interface S3Objects {
  name: string;
  connection: S3Connection;
}

/** What servers call bytes whose type nobody gave. */
const untyped = new Set(["application/octet-stream", "binary/octet-stream", ""]);

/** What an answer's headers say of the object. */
export function infoOf(key: string, { headers }: Pick<S3Answer, "headers">, bytes: number): ObjectInfo {
  const content_type = headers.get("content-type") ?? "";
  return {
    key,
    bytes,
    etag: bareEtag(headers.get("etag")),
    last_modified: wholeSeconds(headers.get("last-modified") ?? headers.get("date") ?? ""),
    ...(!untyped.has(content_type) && { content_type }),
  };
}

export const lengthOf = ({ headers }: Pick<S3Answer, "headers">): number =>
  Number(headers.get("content-length") ?? Number.NaN);

/** The object's headers, or undefined when the server says 404, which may also mean the bucket. */
export async function look(
  { connection }: S3Objects,
  key: string,
  signal: AbortSignal,
): Promise<S3Answer | undefined> {
  const answer = await connection.expect({ method: "HEAD", key, signal }, 200, 404);
  return answer.status === 404 ? undefined : answer;
}

/** As `look`; `not_found` when there is no such object. */
export async function headOf(s3: S3Objects, key: string, signal: AbortSignal): Promise<S3Answer> {
  const answer = await look(s3, key, signal);
  if (answer) return answer;
  await checkBucket(s3, signal);
  throw noSuchObject(s3.name, key);
}

/** Throws when the bucket is missing: a HEAD has no body that would tell it from a missing object. */
export async function checkBucket({ connection }: S3Objects, signal: AbortSignal): Promise<void> {
  const query = { "list-type": "2", "max-keys": "1", prefix: ".lakehouse/" };
  await connection.expect({ method: "GET", query, signal }, 200);
}

/** Our mark on an object: after a lost answer it says whether this request wrote it. */
export const markHeader = "x-amz-meta-lakehouse-put";
/** The SHA-256 of an object's bytes, or `inParts` where they were not known yet when this was sent. */
export const hashHeader = "x-amz-meta-lakehouse-sha256";
/** The object's checksums are in an object of their own, named by its mark. */
export const inParts = "in-parts";
/** Length of the pieces of which each is hashed, and of the smallest part of an upload. */
export const pieceBytes = 8 * 1024 * 1024;
