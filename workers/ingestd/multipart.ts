/** multipart/form-data as a stream (RFC 7578): parts in order, at constant memory, bytes passed on without copying. */
import { fail } from "../../runtime/errors.ts";

export interface Part {
  name: string;
  filename?: string;
  contentType?: string;
  /** Must be read, or is skipped, before the next part is asked for. */
  body: AsyncGenerator<Uint8Array>;
}

/** Preamble and headers of one part, in bytes; browsers and curl send a few hundred. */
const headerBytesMax = 16 * 1024;
/** RFC 2046 allows 70 characters. */
const boundaryCharactersMax = 70;
const carriageReturn = 13;
const dash = 45;
const blankLine = Buffer.from("\r\n\r\n");

/**
 * Yields the parts of a body. Throws `bad_request` when the media type has no boundary, a header is malformed or too
 * long, or the body ends before the closing boundary: a body that was cut off is never taken for a whole one.
 */
export async function* multipart(body: AsyncIterable<Uint8Array>, contentType: string): AsyncGenerator<Part> {
  const delimiter = Buffer.from(`\r\n--${boundaryOf(contentType)}`);
  const source = pull(body);
  try {
    // The first delimiter may stand at the very beginning, without the line end before it.
    source.buffer = Buffer.from("\r\n");
    await source.skipPast(delimiter, "no boundary at the beginning of the multipart body");
    while (!(await atEnd(source))) {
      await source.need(2);
      if (source.buffer[0] !== carriageReturn) throw malformed("text after a boundary");
      const head = await source.takeUntil(blankLine, "the header of a part is not ended by a blank line");
      const part = { ...describePart(head.toString("utf8")), body: partBody(source, delimiter) };
      yield part;
      for await (const _ of part.body) {
        // What the caller did not read is skipped.
      }
    }
  } finally {
    await source.end();
  }
}

const malformed = (what: string) => fail("bad_request", `malformed multipart body: ${what}`);

function boundaryOf(contentType: string): string {
  const found = /;\s*boundary=(?:"([^"]+)"|([^;\s"]+))/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  if (boundary === undefined)
    throw fail("bad_request", "multipart/form-data without a boundary in Content-Type");
  if (boundary.length > boundaryCharactersMax)
    throw fail("bad_request", "the multipart boundary is over 70 characters");
  return boundary;
}

interface Source {
  buffer: Buffer;
  /** Appends the next chunk; false at the end of the body. */
  more: () => Promise<boolean>;
  need: (bytes: number) => Promise<void>;
  takeUntil: (mark: Buffer, otherwise: string) => Promise<Buffer>;
  skipPast: (mark: Buffer, otherwise: string) => Promise<void>;
  end: () => Promise<void>;
}

const cutOff = () => malformed("it ends before the closing boundary");

function pull(body: AsyncIterable<Uint8Array>): Source {
  const chunks = body[Symbol.asyncIterator]();
  const source: Source = {
    buffer: Buffer.alloc(0),
    more: async () => {
      const { value, done } = await chunks.next();
      if (done) return false;
      const chunk = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      source.buffer = source.buffer.length === 0 ? chunk : Buffer.concat([source.buffer, chunk]);
      return true;
    },
    need: async (bytes) => {
      while (source.buffer.length < bytes) if (!(await source.more())) throw cutOff();
    },
    takeUntil: async (mark, otherwise) => {
      for (;;) {
        const at = source.buffer.indexOf(mark);
        if (at > headerBytesMax || (at < 0 && source.buffer.length > headerBytesMax))
          throw malformed(otherwise);
        if (at >= 0) {
          const taken = source.buffer.subarray(0, at);
          source.buffer = source.buffer.subarray(at + mark.length);
          return taken;
        }
        if (!(await source.more())) throw cutOff();
      }
    },
    skipPast: async (mark, otherwise) => {
      await source.takeUntil(mark, otherwise);
    },
    end: async () => {
      await chunks.return?.();
    },
  };
  return source;
}

/** Two dashes after a boundary close the body; what follows them is read and ignored, as RFC 2046 says. */
async function atEnd(source: Source): Promise<boolean> {
  await source.need(2);
  if (source.buffer[0] !== dash || source.buffer[1] !== dash) return false;
  do source.buffer = Buffer.alloc(0);
  while (await source.more());
  return true;
}

/** Where the delimiter may begin at the end of a buffer that does not hold it: its length where it does not. */
function beginOf(delimiter: Buffer, buffer: Buffer): number {
  const from = Math.max(0, buffer.length - delimiter.length + 1);
  for (let at = buffer.indexOf(carriageReturn, from); at >= 0; at = buffer.indexOf(carriageReturn, at + 1)) {
    if (delimiter.subarray(0, buffer.length - at).equals(buffer.subarray(at))) return at;
  }
  return buffer.length;
}

async function* partBody(source: Source, delimiter: Buffer): AsyncGenerator<Uint8Array> {
  for (;;) {
    const at = source.buffer.indexOf(delimiter);
    if (at >= 0) {
      const last = source.buffer.subarray(0, at);
      source.buffer = source.buffer.subarray(at + delimiter.length);
      if (last.length > 0) yield last;
      return;
    }
    const held = source.buffer.subarray(beginOf(delimiter, source.buffer));
    const piece = source.buffer.subarray(0, source.buffer.length - held.length);
    source.buffer = held;
    if (piece.length > 0) yield piece;
    if (!(await source.more())) throw cutOff();
  }
}

function describePart(head: string): { name: string; filename?: string; contentType?: string } {
  const disposition = /(?:^|\n)content-disposition:\s*form-data\s*((?:;[^\r\n]*)?)/i.exec(head)?.[1];
  if (disposition === undefined) throw malformed("a part without Content-Disposition: form-data");
  const name = parameter(disposition, "name");
  if (name === undefined) throw malformed("a part without a name");
  const filename = extendedParameter(disposition, "filename") ?? parameter(disposition, "filename");
  const contentType = /(?:^|\n)content-type:[ \t]*([^\r\n]*)/i.exec(head)?.[1];
  return {
    name,
    ...(filename !== undefined && { filename }),
    ...(contentType !== undefined && { contentType }),
  };
}

/** A quoted or bare parameter. Browsers write `"` as %22 and curl as `\"`; names of files are only hints here. */
function parameter(disposition: string, key: string): string | undefined {
  const found = new RegExp(`;\\s*${key}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s"]*))`, "i").exec(disposition);
  return found?.[1]?.replace(/\\(.)/g, "$1") ?? found?.[2];
}

/** `filename*=UTF-8''…` (RFC 5987), which some clients send beside or instead of `filename`. */
function extendedParameter(disposition: string, key: string): string | undefined {
  const found = new RegExp(`;\\s*${key}\\*=utf-8'[^']*'([^;\\s]*)`, "i").exec(disposition)?.[1];
  try {
    return found === undefined ? undefined : decodeURIComponent(found);
  } catch {
    throw malformed(`${key}* is not percent-encoded UTF-8`);
  }
}
