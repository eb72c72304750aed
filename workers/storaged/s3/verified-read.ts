/** Reads objects of an S3 bucket: no byte counts as read before it is known to be what was stored (ADR 0145). */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import {
  type Corruptions,
  collect,
  noSuchObject,
  type ObjectInfo,
  type OpenObject,
  type RangeRequest,
  resolveRange,
  type Span,
} from "../bucket/bucket.ts";
import { refusal, type S3Answer, textOf } from "../s3-client/s3-client.ts";
import { type Check, md5Check, md5OfPartsCheck, sha256Check } from "./checks.ts";
import { readChecksums } from "./checksums.ts";
import {
  hashHeader,
  headOf,
  infoOf,
  inParts,
  lengthOf,
  markHeader,
  pieceBytes,
  type S3Objects,
} from "./object.ts";
import { verifiedBody, verifiedSpan } from "./verified-body.ts";

interface ReaderDeps extends S3Objects {
  corruptions: Corruptions;
  /** Whether the server's etags are the MD5 of the bytes. */
  etagsAreMd5: () => Promise<boolean>;
}

/** Tries when an object is replaced between two requests. */
const openTries = 3;
/** Objects up to this size are read before the answer begins; one that arrives damaged is asked for once more. */
const heldBytesMax = 1024 * 1024;

const mismatch = "its bytes do not match the checksum they were stored with";

interface Asked {
  key: string;
  range?: RangeRequest | undefined;
}

/** Opens the object, or a part of it. The body errors with `corrupt` before its end when it is not what was stored. */
export async function openVerified(
  reader: ReaderDeps,
  { key, range }: Asked,
  signal: AbortSignal,
): Promise<OpenObject> {
  for (let tried = 1; ; tried++) {
    try {
      const opened = await (range
        ? openSpan(reader, { key, range }, signal)
        : openWhole(reader, key, signal));
      if (opened) return opened;
    } catch (error) {
      if (error instanceof ServiceError && error.type === "not_found") reader.corruptions.cleared(key);
      if (!(error instanceof LostChecksums)) throw error;
      // They go when the object is replaced: the next look shows another one.
      if (tried === openTries) throw reader.corruptions.found(key, error.message);
    }
    if (tried < openTries) continue;
    const text = `bucket '${reader.name}': the server did not give what was asked for of '${key}'`;
    throw fail("bad_gateway", text);
  }
}

async function openWhole(
  reader: ReaderDeps,
  key: string,
  signal: AbortSignal,
  isSecondTime = false,
): Promise<OpenObject> {
  const answer = await getObject(reader, { key, headers: {} }, signal);
  const info = infoOf(key, answer, lengthOf(answer));
  const expected = await expectedOf(reader, { answer, info }, signal);
  if (!expected) return { info, body: answer.body };
  const checked = verifiedBody(answer.body, {
    bytes: info.bytes,
    check: expected.whole(),
    right: () => reader.corruptions.cleared(key),
    wrong: () => verdict(reader, { key, etag: info.etag, isSecondTime }, signal),
  });
  const sha256 = expected.sha256 !== undefined ? { sha256: expected.sha256 } : {};
  if (info.bytes > heldBytesMax) return { info, ...sha256, body: checked };
  try {
    const bytes = await collect(checked);
    return { info, ...sha256, body: new Blob([bytes]).stream() };
  } catch (error) {
    const arrivedDamaged = error instanceof ServiceError && error.type === "bad_gateway";
    if (isSecondTime || !arrivedDamaged) throw error;
    return openWhole(reader, key, signal, true);
  }
}

/** Undefined when the object was replaced between the two requests. */
async function openSpan(
  reader: ReaderDeps,
  { key, range }: Required<Asked>,
  signal: AbortSignal,
): Promise<OpenObject | undefined> {
  const head = await headOf(reader, key, signal);
  const info = infoOf(key, head, lengthOf(head));
  const span = resolveRange(range as RangeRequest, info.bytes);
  const expected = await expectationOf(reader, { info, headers: head.headers }, signal);
  const fetched = expected?.pieces ? wholePieces(span, expected.pieces.bytes, info.bytes) : span;
  const headers = { range: `bytes=${fetched.first}-${fetched.last}` };
  const answer = await getObject(reader, { key, headers }, signal);
  const isSame = infoOf(key, answer, info.bytes).etag === info.etag;
  const isAsked =
    answer.headers.get("content-range") === `bytes ${fetched.first}-${fetched.last}/${info.bytes}`;
  if (!isSame || !isAsked) {
    await answer.body.cancel();
    return undefined;
  }
  if (!expected?.pieces) return { info, span, body: answer.body };
  const { bytes: pieceBytes, checkOf } = expected.pieces;
  const firstPiece = fetched.first / pieceBytes;
  const body = verifiedSpan(answer.body, {
    span: { first: span.first - fetched.first, last: span.last - fetched.first },
    bytes: fetched.last + 1 - fetched.first,
    pieceBytes,
    checkOf: (piece) => checkOf(firstPiece + piece),
    wrong: () => verdict(reader, { key, etag: info.etag }, signal),
  });
  return { info, span, body };
}

/** The pieces that hold the span. */
function wholePieces({ first, last }: Span, pieceBytes: number, bytes: number): Span {
  const end = Math.ceil((last + 1) / pieceBytes) * pieceBytes;
  return { first: Math.floor(first / pieceBytes) * pieceBytes, last: Math.min(end, bytes) - 1 };
}

async function expectedOf(
  reader: ReaderDeps,
  { answer, info }: { answer: S3Answer; info: ObjectInfo },
  signal: AbortSignal,
): Promise<Expectation | undefined> {
  try {
    return await expectationOf(reader, { info, headers: answer.headers }, signal);
  } catch (error) {
    await answer.body.cancel();
    throw error;
  }
}

/**
 * The error for bytes that are not what was stored. The object is read once more: `corrupt` says that the server's own
 * copy is wrong, and `bad_gateway` that its bytes were changed on their way.
 */
async function verdict(
  reader: ReaderDeps,
  { key, etag, isSecondTime = false }: { key: string; etag: string; isSecondTime?: boolean },
  signal: AbortSignal,
): Promise<ServiceError> {
  const isWhole = !isSecondTime && (await readsWhole(reader, { key, etag }, signal));
  if (!isWhole) return reader.corruptions.found(key, mismatch);
  const text = `bucket '${reader.name}': '${key}' was changed on its way from ${reader.connection.address.endpoint}; read it again`;
  return fail("bad_gateway", text, { details: { bucket: reader.name } });
}

/** True also of an object that was replaced meanwhile: what is there now is read by whoever asks for it. */
async function readsWhole(
  reader: ReaderDeps,
  { key, etag }: { key: string; etag: string },
  signal: AbortSignal,
): Promise<boolean> {
  const answer = await getObject(reader, { key, headers: {} }, signal);
  const info = infoOf(key, answer, lengthOf(answer));
  const check = (await expectedOf(reader, { answer, info }, signal))?.whole();
  if (info.etag !== etag || !check) {
    await answer.body.cancel();
    return true;
  }
  for await (const chunk of answer.body) check.update(chunk);
  return check.holds();
}

async function getObject(
  { name, connection }: ReaderDeps,
  { key, headers }: { key: string; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<S3Answer> {
  const request = { method: "GET", key, headers, streamed: true, signal } as const;
  const answer = await connection.expect(request, 200, 206, 404, 416);
  if (answer.status === 200 || answer.status === 206) return answer;
  if (textOf(answer.text, "Code") === "NoSuchKey") throw noSuchObject(name, key);
  throw refusal(connection.address, answer);
}

// The expected checksum of an object in S3: stored with it or, for lack of that, its etag.

interface Expectation {
  /** Of all bytes, where it was stored. */
  sha256?: string;
  whole: () => Check;
  /** Pieces that can be checked each by itself. */
  pieces?: { bytes: number; checkOf: (piece: number) => Check };
}

/** The object cannot be checked as it was stored; the checksums may have gone with the object itself. */
class LostChecksums extends Error {}

interface Headers {
  info: ObjectInfo;
  headers: globalThis.Headers;
}

/** What others stored is known by its etag, where the server makes etags as Amazon's does. Undefined: by nothing. */
export async function expectationOf(
  { connection, etagsAreMd5 }: S3Objects & { etagsAreMd5: () => Promise<boolean> },
  { info, headers }: Headers,
  signal: AbortSignal,
): Promise<Expectation | undefined> {
  const stored = headers.get(hashHeader);
  const mark = headers.get(markHeader);
  if (stored === inParts && mark !== null) {
    const sums = await readChecksums(connection, mark, signal);
    if (typeof sums === "string") throw new LostChecksums(`its checksums are ${sums}`);
    const { sha256, piece_bytes, pieces } = sums;
    return {
      sha256,
      whole: () => sha256Check(sha256),
      pieces: { bytes: piece_bytes, checkOf: (piece) => sha256Check(pieces[piece] ?? "") },
    };
  }
  if (stored !== null) return { sha256: stored, ...inOne(info, () => sha256Check(stored)) };
  if (!isPlain(headers) || !(await etagsAreMd5())) return undefined;
  const { etag } = info;
  if (/^[0-9a-f]{32}$/.test(etag)) return inOne(info, () => md5Check(etag));
  // Of objects in parts only our own tell how long the parts are.
  const isOurs = mark !== null && etag.endsWith(`-${Math.ceil(info.bytes / pieceBytes)}`);
  return isOurs ? { whole: () => md5OfPartsCheck(etag, pieceBytes) } : undefined;
}

/** An object of one piece, if it is short enough to be held. */
const inOne = ({ bytes }: ObjectInfo, whole: () => Check): Expectation => ({
  whole,
  ...(bytes <= pieceBytes && { pieces: { bytes: Math.max(bytes, 1), checkOf: whole } }),
});

/** Etags of objects that the server encrypts with keys of its callers are of no bytes that can be read. */
const isPlain = (headers: globalThis.Headers): boolean => {
  const encryption = headers.get("x-amz-server-side-encryption");
  return encryption === null || encryption === "AES256";
};
