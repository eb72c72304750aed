/** Uploads to S3: small bodies in one request, larger ones in parts, with two buffers at most. */
import { fail } from "../../../runtime/errors/errors.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { counted, type ReceiveOptions } from "../bucket/bucket.ts";
import { bareEtag, escapeXml, refusal, type S3Connection, textOf } from "../s3-client/s3-client.ts";
import { writeChecksums } from "./checksums.ts";
import { hashHeader, inParts, markHeader, pieceBytes } from "./object.ts";
import type { OpenUpload, UploadLedger } from "./upload-ledger.ts";

/** S3 takes no more parts than this. */
const partsMax = 10_000;

/** A received body: at the server in parts, or small and still in memory. */
export interface Arrived {
  bytes: number;
  sha256: string;
  mark: string;
  /** Its checksums are an object of their own. */
  isInParts: boolean;
  /** Makes it the object. Returns its etag, or undefined when the server says that a condition did not hold. */
  finish: (
    headers: Record<string, string>,
    signal: AbortSignal,
  ) => Promise<{ etag: string; sent: number } | undefined>;
  /** Removes what is at the server. */
  abandon: () => Promise<void>;
}

interface UploadDeps {
  connection: S3Connection;
  ledger: UploadLedger;
  newId: () => string;
  log: Log;
}

/** Receives the body. Whatever goes wrong, nothing is left at the server. */
export async function uploadBody(
  deps: UploadDeps,
  key: string,
  body: AsyncIterable<Uint8Array>,
  options: ReceiveOptions,
): Promise<Arrived> {
  const mark = deps.newId();
  const headers = {
    "content-type": options.contentType ?? "application/octet-stream",
    [markHeader]: mark,
  };
  const hasher = new Bun.CryptoHasher("sha256");
  const partBytes = partBytesFor(Math.min(options.bytesMax, options.bytes ?? Infinity));
  const inPartsHeaders = { ...headers, [hashHeader]: inParts };
  const parts = createParts(deps, { key, headers: inPartsHeaders, signal: options.signal });
  const hashes: string[] = [];
  let bytes = 0;
  let last: Uint8Array<ArrayBuffer> = new Uint8Array();
  try {
    for await (const { part, isLast } of split(counted(body, options), partBytes)) {
      hasher.update(part);
      bytes += part.length;
      // Of an object that is one piece the hash of the whole is enough.
      const pieces = isLast && bytes <= pieceBytes ? [] : hashesOf(part);
      hashes.push(...pieces);
      if (isLast) last = part;
      else await parts.add(part, pieces.length === 1 ? pieces[0] : undefined);
    }
    if (parts.count() > 0) await parts.add(last, undefined);
    await parts.settled();
  } catch (error) {
    await parts.abandon();
    throw error;
  }
  const sha256 = hasher.digest("hex");
  const isInParts = bytes > pieceBytes;
  const isUpload = parts.count() > 0;
  const whole: Arrived["finish"] = (conditions, signal) => {
    const sent = { ...headers, [hashHeader]: isInParts ? inParts : sha256, ...conditions };
    return putWhole(deps.connection, { key, headers: sent, body: last, bodySha256: sha256, signal });
  };
  const finish: Arrived["finish"] = async (conditions, signal) => {
    // First, for the object to have its checksums whenever it is there.
    const sums = { key, bytes, sha256, piece_bytes: pieceBytes, pieces: hashes };
    if (isInParts) await writeChecksums(deps.connection, { mark, sums, signal });
    return isUpload ? parts.complete(conditions, signal) : whole(conditions, signal);
  };
  return { bytes, sha256, mark, isInParts, finish, abandon: isUpload ? parts.abandon : async () => {} };
}

/** Whole pieces that are hashed each, and no more parts than S3 takes. */
const partBytesFor = (bytesMax: number): number =>
  pieceBytes * Math.max(1, Math.ceil(bytesMax / partsMax / pieceBytes));

/** SHA-256 of each piece of the part. */
function hashesOf(part: Uint8Array): string[] {
  const hashes: string[] = [];
  for (let at = 0; at < part.length; at += pieceBytes) {
    const piece = part.subarray(at, at + pieceBytes);
    hashes.push(Bun.SHA256.hash(piece, "hex"));
  }
  return hashes;
}

async function putWhole(
  connection: S3Connection,
  request: {
    key: string;
    headers: Record<string, string>;
    body: Uint8Array<ArrayBuffer>;
    bodySha256: string;
    signal: AbortSignal;
  },
) {
  const answer = await connection.expect({ method: "PUT", ...request }, 200, 412);
  return answer.status === 412
    ? undefined
    : { etag: bareEtag(answer.headers.get("etag")), sent: answer.sent };
}

/** The body in pieces of exactly `partBytes`, the last one shorter or empty. Two buffers take turns. */
async function* split(body: AsyncIterable<Uint8Array>, partBytes: number) {
  let turn = 0;
  const buffers: Uint8Array<ArrayBuffer>[] = [];
  let filled = 0;
  for await (let chunk of body) {
    while (chunk.length > 0) {
      if (filled === partBytes) {
        yield { part: bufferOf(buffers, turn, partBytes), isLast: false };
        turn = 1 - turn;
        filled = 0;
      }
      const taken = chunk.subarray(0, partBytes - filled);
      roomFor(buffers, turn, { filled, more: taken.length, partBytes }).set(taken, filled);
      filled += taken.length;
      chunk = chunk.subarray(taken.length);
    }
  }
  yield { part: bufferOf(buffers, turn, filled), isLast: true };
}

const bufferOf = (buffers: Uint8Array<ArrayBuffer>[], turn: number, bytes: number): Uint8Array<ArrayBuffer> =>
  (buffers[turn] ?? new Uint8Array()).subarray(0, bytes);

/** The buffer whose turn it is, grown as a small body needs and no further than one part. */
function roomFor(
  buffers: Uint8Array<ArrayBuffer>[],
  turn: number,
  { filled, more, partBytes }: { filled: number; more: number; partBytes: number },
): Uint8Array<ArrayBuffer> {
  const old = buffers[turn];
  if (old && old.length >= filled + more) return old;
  const grown = new Uint8Array(Math.min(partBytes, Math.max(filled + more, 2 * (old?.length ?? 0))));
  if (old) grown.set(old.subarray(0, filled));
  buffers[turn] = grown;
  return grown;
}

interface Part {
  body: Uint8Array<ArrayBuffer>;
  bodySha256: string | undefined;
}

interface PartsOptions {
  key: string;
  headers: Record<string, string>;
  signal: AbortSignal;
}

/** A multipart upload that begins with its first part. One part travels while the next one is filled. */
function createParts({ connection, ledger, log }: UploadDeps, { key, headers, signal }: PartsOptions) {
  const etags: string[] = [];
  let upload: OpenUpload | undefined;
  let travelling: Promise<void> = Promise.resolve();

  const begin = async (): Promise<OpenUpload> => {
    const answer = await connection.expect(
      { method: "POST", key, query: { uploads: "" }, headers, signal },
      200,
    );
    const uploadId = textOf(answer.text, "UploadId");
    if (uploadId === undefined) {
      throw fail("bad_gateway", `${connection.address.endpoint} began no multipart upload`);
    }
    const begun = { bucket: connection.address.bucket, key, uploadId };
    await ledger.begun(begun);
    return begun;
  };
  const send = async (uploadId: string, number: number, { body, bodySha256 }: Part) => {
    const query = { partNumber: String(number), uploadId };
    const known = bodySha256 === undefined ? {} : { bodySha256 };
    const answer = await connection.expect({ method: "PUT", key, query, body, ...known, signal }, 200);
    etags[number - 1] = bareEtag(answer.headers.get("etag"));
  };
  let count = 0;

  return {
    count: () => count,
    add: async (body: Uint8Array<ArrayBuffer>, bodySha256: string | undefined) => {
      upload ??= await begin();
      await travelling;
      count += 1;
      travelling = send(upload.uploadId, count, { body, bodySha256 });
      // Its failure is met at the next `add` or at `settled`; until then it must not count as unhandled.
      travelling.catch(() => undefined);
    },
    settled: () => travelling,
    complete: async (conditions: Record<string, string>, late: AbortSignal) => {
      const query = { uploadId: upload?.uploadId ?? "" };
      const request = {
        method: "POST",
        key,
        query,
        headers: conditions,
        body: completion(etags),
        signal: late,
      } as const;
      const answer = await connection.expect(request, 200, 412, 404);
      const { text } = answer;
      if (answer.status === 412) return undefined;
      // 404: an earlier try was carried out and its answer lost; the caller finds out by the mark.
      if (answer.status === 404 && answer.sent > 1) return undefined;
      // S3 answers 200 before it knows, and puts an error into the body.
      if (answer.status !== 200 || text.includes("<Error>")) throw refusal(connection.address, answer);
      if (upload) await ledger.ended(upload);
      return { etag: bareEtag(textOf(text, "ETag")), sent: answer.sent };
    },
    abandon: async () => {
      await travelling.catch(() => undefined);
      if (!upload) return;
      try {
        await abortUpload({ connection, ledger }, upload, new AbortController().signal);
      } catch (error) {
        log.warn("a multipart upload could not be aborted", { ...upload, ...describe(error) });
      }
    },
  };
}

/** Gives an upload up, with the parts the server holds. One that is over already is no error. */
export async function abortUpload(
  { connection, ledger }: Pick<UploadDeps, "connection" | "ledger">,
  upload: OpenUpload,
  signal: AbortSignal,
): Promise<void> {
  const { key, uploadId } = upload;
  await connection.expect({ method: "DELETE", key, query: { uploadId }, signal }, 204, 404);
  await ledger.ended(upload);
}

const completion = (etags: readonly string[]): Uint8Array<ArrayBuffer> => {
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(`"${etag}"`)}</ETag></Part>`,
  );
  const xml = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`;
  return new TextEncoder().encode(xml);
};
