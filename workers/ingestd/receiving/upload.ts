/** The body of a request as the bytes of one file: unwrapped, decompressed, counted, and never held as a whole. */

import { bodyOf } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type Chunks, type Compression, compressionOf, decompress } from "./decompress.ts";
import { type FormFile, formFiles } from "./multipart.ts";

export interface UploadRules {
  bytesMax: number;
  idleTimeoutMs: number;
  signal: AbortSignal;
  clock: Pick<Clock, "sleep" | "elapsed">;
  /** Called for each piece of the body. */
  onBytes: (bytes: number) => void;
  /** Told when the client is waited for and when no longer, and of the file's bytes, decompressed. */
  deadline: { waits: () => void; goesOn: () => void; more: (bytes: number) => void };
  /** Of a body that is the file itself. */
  filename?: string;
  /** Given the bytes of the file as they were sent, for a fingerprint. */
  onFile?: (bytes: Uint8Array) => void;
}

export interface Upload {
  /** As the client calls the file, when it says. */
  filename?: string;
  /** Of the file itself: of the part of a form, else of the body. Empty when the client does not say. */
  mediaType: string;
  /** Decompressed, in pieces small enough to be scanned in a few milliseconds. */
  chunks: Chunks;
  /** Of a form: what follows comes when it has been read to its end. */
  isPart?: true;
}

/** Envelope of a multipart body, beside the file: boundaries and headers of a part. */
const envelopeBytesMax = 64 * 1024;

/**
 * The files of a request as their bytes, one after the other: the fields `file` of a form, or the body itself. Throws
 * `too_large` before reading where the length is known, and while reading where it is not; decompressed bytes of all files
 * count against the same limit, so that a small bomb is as harmless as a large file.
 */
export async function* openUploads(request: HttpRequest, rules: UploadRules): AsyncGenerator<Upload> {
  const { plain, mediaType, wrapped } = openBody(request, rules);
  const within = sharedLimit(rules.bytesMax);
  if (!wrapped)
    return yield await opened(
      { chunks: plain, filename: rules.filename, contentType: mediaType },
      rules,
      within,
    );
  for await (const file of formFiles(plain, mediaType))
    yield { ...(await opened(file, rules, within)), isPart: true };
}

async function opened(
  { chunks: sent, filename, contentType }: Pick<FormFile, "filename" | "contentType"> & { chunks: Chunks },
  { onFile, deadline }: Pick<UploadRules, "onFile" | "deadline">,
  within: (chunks: Chunks) => Chunks,
): Promise<Upload> {
  const seen = onFile === undefined ? sent : watched(sent, onFile);
  const { head, all } = await peek(seen, magicBytes);
  const compression = compressionOf(head);
  return {
    chunks: inPieces(within(compression === undefined ? all : decompress(all, compression)), deadline.more),
    ...(filename !== undefined && { filename }),
    mediaType: contentType,
  };
}

/** A file on this machine, such as one out of an archive, as if it had been sent. */
export async function openFile(
  path: string,
  filename: string,
  rules: Pick<UploadRules, "bytesMax" | "deadline">,
): Promise<Upload> {
  const chunks = Bun.file(path).stream() as unknown as Chunks;
  return opened({ chunks, filename, contentType: "" }, rules, sharedLimit(rules.bytesMax));
}

/** A bound of bytes for several streams together. */
function sharedLimit(bytesMax: number): (chunks: Chunks) => Chunks {
  let bytes = 0;
  return async function* (chunks) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw tooLarge(bytesMax);
      yield chunk;
    }
  };
}

interface Body {
  /** Decompressed, and bounded. */
  plain: Chunks;
  mediaType: string;
  /** It is a form. */
  wrapped: boolean;
}

function openBody(request: HttpRequest, rules: UploadRules): Body {
  const { bytesMax } = rules;
  const length = Number(request.headers.get("content-length") ?? 0);
  const mediaType = request.headers.get("content-type") ?? "";
  const wrapped = /^multipart\/form-data\b/i.test(mediaType);
  if (length > bytesMax + (wrapped ? envelopeBytesMax : 0)) throw tooLarge(bytesMax);
  const encoding = contentEncoding(request.headers.get("content-encoding"));
  const envelope = wrapped ? envelopeBytesMax : 0;
  const within = (chunks: Chunks) => limited(chunks, bytesMax + envelope, bytesMax);
  const sent = bodyOf(request);
  if (sent === null) throw fail("bad_request", "the request has no body: send a file");
  const body = within(readBody(sent, rules));
  const plain = encoding === undefined ? body : within(decompress(body, encoding));
  return { plain, mediaType, wrapped };
}

/**
 * The files of a request, as they are, one after the other: the fields `file` of a form, or the body itself under a name.
 * Throws as `openUploads` does; a body that is no form needs the name.
 */
export async function* openFiles(
  request: HttpRequest,
  rules: UploadRules & { name: string | undefined },
): AsyncGenerator<FormFile> {
  const { plain, mediaType, wrapped } = openBody(request, rules);
  const { name } = rules;
  if (wrapped && name !== undefined)
    throw invalidField("file", "no meaning with a form, whose files have names; leave it out");
  if (wrapped) return yield* formFiles(plain, mediaType);
  if (name === undefined)
    throw invalidField(
      "file",
      "expected the file's name, as file=report.pdf, where the body is the file itself",
    );
  yield { chunks: whole(plain), filename: name, contentType: mediaType };
}

async function* whole(chunks: Chunks): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

/** A small body may come as one chunk, and a few compressed bytes as a very long one. */
const pieceBytes = 256 * 1024;

async function* inPieces(chunks: Chunks, onBytes: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += pieceBytes) {
      const piece = chunk.subarray(at, at + pieceBytes);
      onBytes(piece.length);
      yield piece;
    }
}

/** Enough to recognise a compression. */
const magicBytes = 4;

const tooLarge = (bytesMax: number) =>
  fail(
    "too_large",
    `the file is larger than ${bytesMax} bytes, which ingestd.max_ingest_bytes sets; nothing was registered`,
  );

function contentEncoding(header: string | null): Compression | undefined {
  const name = header?.trim().toLowerCase() ?? "";
  if (name === "" || name === "identity") return undefined;
  if (name === "gzip" || name === "x-gzip") return "gzip";
  if (name === "zstd") return "zstd";
  throw fail(
    "unsupported_media_type",
    `Content-Encoding '${name}' is not known; expected gzip, zstd or identity`,
  );
}

async function* limited(chunks: Chunks, most: number, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) throw tooLarge(bytesMax);
    yield chunk;
  }
}

async function* watched(chunks: Chunks, watch: (bytes: Uint8Array) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    watch(chunk);
    yield chunk;
  }
}

/** The body's chunks; a client that goes away or falls silent is an error, never an end. */
async function* readBody(body: ReadableStream<Uint8Array>, rules: UploadRules): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const silence = watchSilence(rules);
  const { deadline } = rules;
  const signal = AbortSignal.any([rules.signal, silence.signal]);
  const cancel = () => void reader.cancel(signal.reason).catch(() => undefined);
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for (;;) {
      signal.throwIfAborted();
      silence.begin();
      deadline.waits();
      const { value, done } = await reader.read();
      deadline.goesOn();
      silence.end();
      signal.throwIfAborted();
      if (done) return;
      rules.onBytes(value.length);
      yield value;
    }
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause;
    throw fail("client_closed", "the upload was cut off; nothing was registered", { cause });
  } finally {
    signal.removeEventListener("abort", cancel);
    silence.stop();
    deadline.goesOn();
    await reader.cancel().catch(() => undefined);
  }
}

interface Silence {
  /** Aborts when a read has waited for `idleTimeoutMs`. */
  signal: AbortSignal;
  begin: () => void;
  end: () => void;
  stop: () => void;
}

/** One timer a body: with one a chunk, small chunks would cost more in timers than in reading. */
function watchSilence({ clock, idleTimeoutMs }: UploadRules): Silence {
  const silent = new AbortController();
  const stopping = new AbortController();
  let since: number | undefined;
  const watch = async () => {
    for (let wait = idleTimeoutMs; wait > 0; ) {
      await clock.sleep(wait, stopping.signal);
      wait = idleTimeoutMs - (since === undefined ? 0 : clock.elapsed() - since);
    }
    silent.abort(fail("timeout", `the upload was silent for ${idleTimeoutMs} ms; nothing was registered`));
  };
  watch().catch(() => undefined);
  return {
    signal: silent.signal,
    begin: () => {
      since = clock.elapsed();
    },
    end: () => {
      since = undefined;
    },
    stop: () => stopping.abort(),
  };
}

interface Peeked {
  head: Buffer;
  /** True when the head is all there is. */
  whole: boolean;
  /** Everything, the head included. */
  all: AsyncGenerator<Uint8Array>;
}

/** Reads until there are so many bytes, or the end, and gives them back with the rest. */
export async function peek(chunks: Chunks, bytes: number): Promise<Peeked> {
  const source = chunks[Symbol.asyncIterator]();
  const seen: Uint8Array[] = [];
  let length = 0;
  let whole = false;
  while (length < bytes && !whole) {
    const { value, done } = await source.next();
    if (done) whole = true;
    else {
      seen.push(value);
      length += value.length;
    }
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    try {
      yield* seen;
      if (!whole) yield* { [Symbol.asyncIterator]: () => source };
    } finally {
      await source.return?.();
    }
  };
  return { head: Buffer.concat(seen), whole, all: all() };
}
