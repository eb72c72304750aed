/** A stream of messages cut at their ends, so that rows can be counted and a failure never follows half of one. */
import { fail } from "../../../runtime/errors/errors.ts";

/** How a part of an answer ended: with all its rows, or after as many as were asked for. */
export interface Ended {
  rows: number;
  isComplete: boolean;
}

/** The rows of one statement. They are read once, from the first to the last. */
export interface Answer {
  /** RowDescription, or the response that begins a COPY; absent where there are no rows. */
  head: Uint8Array | undefined;
  /** Messages of the next rows, at most so many; 0 for all. */
  next: (rowsMax: number) => AsyncGenerator<Uint8Array, Ended>;
  /** Lets go of what is not read. */
  close: () => Promise<void>;
}

/** An error of the catalog, as its message. */
export class RawFailure extends Error {
  override name = "RawFailure";
  readonly response: Uint8Array;
  constructor(bytes: Uint8Array) {
    super("the catalog refused the statement");
    this.response = bytes;
  }
}

const headBytes = 5;
const letter = { row: 0x44, copy: 0x64, complete: 0x43, error: 0x45, description: 0x54, copyOut: 0x48 };
/** What answers Parse, Bind and Sync, and says that there are no rows: this door has its own. */
const dropped = new Set([..."12nZStIv"].map((one) => one.charCodeAt(0)));

/** Reads the first messages. Throws `RawFailure` where the answer is an error. */
export async function answerOf(chunks: AsyncIterator<Uint8Array>): Promise<Answer> {
  let held: Buffer = Buffer.alloc(0);
  let isOver = false;
  const more = async (): Promise<void> => {
    const { value, done } = await chunks.next();
    if (done) throw fail("internal", "an answer ended before its rows did");
    held =
      held.length === 0
        ? Buffer.from(value.buffer, value.byteOffset, value.length)
        : Buffer.concat([held, value]);
  };
  const sizeAt = (at: number): number =>
    at + headBytes > held.length ? Number.POSITIVE_INFINITY : held.readInt32BE(at + 1) + 1;
  const isWhole = (at: number): boolean => at + sizeAt(at) <= held.length;

  const readHead = async (): Promise<Uint8Array | undefined> => {
    for (;;) {
      while (!isWhole(0)) await more();
      const size = sizeAt(0);
      const first = held[0] as number;
      if (first === letter.error) throw new RawFailure(held.subarray(0, size));
      if (first === letter.complete) return undefined;
      const message = held.subarray(0, size);
      if (first === letter.description || first === letter.copyOut) {
        held = held.subarray(size);
        return message;
      }
      if (!dropped.has(first)) return undefined;
      held = held.subarray(size);
    }
  };
  async function* next(rowsMax: number): AsyncGenerator<Uint8Array, Ended> {
    let rows = 0;
    const mostRows = rowsMax > 0 ? rowsMax : Number.POSITIVE_INFINITY;
    while (!isOver) {
      let at = 0;
      for (; rows < mostRows && isWhole(at); at += sizeAt(at)) {
        const kind = held[at] as number;
        if (kind === letter.row || kind === letter.copy) rows += 1;
        else if (kind === letter.error) throw new RawFailure(held.subarray(at, at + sizeAt(at)));
        else if (kind === letter.complete) {
          isOver = true;
          break;
        }
      }
      if (at > 0) yield held.subarray(0, at);
      held = held.subarray(at);
      if (isOver) break;
      if (rows >= mostRows) return { rows, isComplete: false };
      await more();
    }
    return { rows, isComplete: true };
  }
  const head = await readHead();
  return { head, next, close: async () => void (await chunks.return?.()) };
}
