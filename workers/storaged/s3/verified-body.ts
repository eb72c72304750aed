/** Streams verified on the way: a body that is not what was stored ends with an error. */
import type { Check } from "./checks.ts";

interface BodyChecks {
  check: Check;
  /** Called when the last byte is known to be right. */
  right: () => void;
  /** Makes the error of a body that is not right. */
  wrong: () => Promise<Error>;
}

/** The same `bytes` bytes; the last chunk is held back until all of them are known to be right. */
export function verifiedBody(
  source: ReadableStream<Uint8Array>,
  { bytes, check, right, wrong }: BodyChecks & { bytes: number },
): ReadableStream<Uint8Array> {
  return through(source, async function* (chunks) {
    const held: Uint8Array[] = [];
    let seen = 0;
    for await (const chunk of chunks) {
      check.update(chunk);
      seen += chunk.length;
      if (seen < bytes) yield chunk;
      else held.push(chunk);
    }
    if (!check.holds()) throw await wrong();
    right();
    yield* held;
  });
}

interface Span {
  first: number;
  last: number;
}

interface PieceChecks extends Pick<BodyChecks, "wrong"> {
  /** The bytes to give, counted from the source's first. */
  span: Span;
  /** Length of the source. */
  bytes: number;
  pieceBytes: number;
  checkOf: (piece: number) => Check;
}

/** The span of a source that begins with a piece and ends with one: each is held back until it is known to be right. */
export function verifiedSpan(
  source: ReadableStream<Uint8Array>,
  { span, bytes, pieceBytes, checkOf, wrong }: PieceChecks,
): ReadableStream<Uint8Array> {
  return through(source, async function* (chunks) {
    let piece = 0;
    let held: Uint8Array[] = [];
    let heldBytes = 0;
    let check = checkOf(piece);
    for await (const chunk of chunks) {
      for (let rest = chunk; rest.length > 0; ) {
        const start = piece * pieceBytes;
        const length = Math.min(pieceBytes, bytes - start);
        const taken = rest.subarray(0, length - heldBytes);
        check.update(taken);
        held.push(taken);
        heldBytes += taken.length;
        rest = rest.subarray(taken.length);
        if (heldBytes < length) break;
        if (!check.holds()) throw await wrong();
        yield* cut(held, Math.max(0, span.first - start), Math.min(length, span.last + 1 - start));
        piece += 1;
        held = [];
        heldBytes = 0;
        check = checkOf(piece);
      }
    }
    if (piece * pieceBytes < bytes) throw await wrong();
  });
}

/** The bytes from `first` up to `end` of the chunks. */
function* cut(chunks: readonly Uint8Array[], first: number, end: number): Generator<Uint8Array> {
  let at = 0;
  for (const chunk of chunks) {
    const wanted = chunk.subarray(Math.max(0, first - at), Math.max(0, end - at));
    at += chunk.length;
    if (wanted.length > 0) yield wanted;
  }
}

type Chunks = AsyncGenerator<Uint8Array, void, undefined>;

/** What the work makes of the source's chunks, as a stream. Its end is the end of the source, too. */
function through(
  source: ReadableStream<Uint8Array>,
  work: (chunks: Chunks) => Chunks,
): ReadableStream<Uint8Array> {
  const reader = source.getReader();
  let isCancelled = false;
  async function* read(): Chunks {
    for (;;) {
      const { done, value } = await reader.read();
      // A source that was let go of looks like one that has ended.
      if (isCancelled) throw new DOMException("nobody reads it any more", "AbortError");
      if (done) return;
      yield value;
    }
  }
  const made = work(read());
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        try {
          const { done, value } = await made.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: (reason) => {
        isCancelled = true;
        return reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
