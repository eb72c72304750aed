/** Bodies on their way into S3: small ones in one request, larger ones in parts, held in two buffers at most. */
import { fail } from "../../runtime/errors.ts";
import { describe, type Log } from "../../runtime/log.ts";
import { counted } from "./body-stream.ts";
import type { ReceiveOptions } from "./bucket.ts";
import type { S3Connection } from "./s3-connection.ts";
import { refusal } from "./s3-error.ts";
import { escapeXml, textOf } from "./s3-xml.ts";
import type { OpenUpload, UploadLedger } from "./upload-ledger.ts";

/** Size of a part. S3 takes 5 MiB at least; larger ones cost memory: two for each PUT under way. */
const partBytesMin = 8 * 1024 * 1024;
/** S3 takes no more parts than this. */
const partsMax = 10_000;
/** Our mark on an object: it tells, after a lost answer, whether it was this request that wrote it. */
export const markHeader = "x-amz-meta-lakehouse-put";

/** A body that has arrived at the server, or is small and still here. */
export interface Arrived {
  bytes: number;
  sha256: string;
  mark: string;
  /** Makes it the object. Returns its etag, or undefined when the server says that a condition did not hold. */
  finish: (
    headers: Record<string, string>,
    signal: AbortSignal,
  ) => Promise<{ etag: string; sent: number } | undefined>;
  /** Leaves nothing at the server. */
  abandon: () => Promise<void>;
}

export interface UploadDeps {
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
  const partBytes = Math.max(
    partBytesMin,
    Math.ceil(Math.min(options.bytesMax, options.bytes ?? Infinity) / partsMax),
  );
  const parts = createParts(deps, { key, headers, signal: options.signal });
  let bytes = 0;
  let last: Uint8Array<ArrayBuffer> = new Uint8Array();
  try {
    for await (const { part, isLast } of inParts(counted(body, options), partBytes)) {
      hasher.update(part);
      bytes += part.length;
      if (isLast) last = part;
      else await parts.add(part);
    }
    if (parts.count() > 0) await parts.add(last);
    await parts.settled();
  } catch (error) {
    await parts.abandon();
    throw error;
  }
  const whole = (conditions: Record<string, string>, signal: AbortSignal) =>
    putWhole(deps.connection, { key, headers: { ...headers, ...conditions }, body: last, signal });
  const sha256 = hasher.digest("hex");
  return parts.count() > 0
    ? { bytes, sha256, mark, finish: parts.complete, abandon: parts.abandon }
    : { bytes, sha256, mark, finish: whole, abandon: async () => {} };
}

async function putWhole(
  connection: S3Connection,
  request: {
    key: string;
    headers: Record<string, string>;
    body: Uint8Array<ArrayBuffer>;
    signal: AbortSignal;
  },
) {
  const answer = await connection.expect({ method: "PUT", ...request }, 200, 412);
  return answer.status === 412 ? undefined : { etag: bare(answer.headers.get("etag")), sent: answer.sent };
}

const bare = (etag: string | null | undefined): string => (etag ?? "").replaceAll('"', "");

/** The body in pieces of exactly `partBytes`, the last one shorter or empty. Two buffers take turns. */
async function* inParts(body: AsyncIterable<Uint8Array>, partBytes: number) {
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
      throw fail("bad_gateway", `${connection.place.endpoint} began no multipart upload`);
    }
    const begun = { bucket: connection.place.bucket, key, uploadId };
    await ledger.begun(begun);
    return begun;
  };
  const send = async (uploadId: string, number: number, body: Uint8Array<ArrayBuffer>) => {
    const query = { partNumber: String(number), uploadId };
    const answer = await connection.expect({ method: "PUT", key, query, body, signal }, 200);
    etags[number - 1] = bare(answer.headers.get("etag"));
  };
  let count = 0;

  return {
    count: () => count,
    add: async (body: Uint8Array<ArrayBuffer>) => {
      upload ??= await begin();
      await travelling;
      count += 1;
      travelling = send(upload.uploadId, count, body);
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
      if (answer.status !== 200 || text.includes("<Error>")) throw refusal(connection.place, answer);
      if (upload) await ledger.ended(upload);
      return { etag: bare(textOf(text, "ETag")), sent: answer.sent };
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
