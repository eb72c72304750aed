/** Lines of text, out of files and across their chunks. */
import { fail } from "../../../runtime/errors/errors.ts";
import { type FileContext, type Part, readParts } from "../tables/tables.ts";

const lineFeed = 10;

/** The lines of the parts, many at once, each with its offset. A line longer than `rowBytesMax` is `unprocessable`. */
export async function* lineBatches(
  parts: readonly Part[],
  { rowBytesMax, signal }: FileContext,
): AsyncGenerator<{ lines: Buffer[]; offsets: number[] }> {
  /** A line that has not ended: its pieces are put together once, however many there are. */
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let offset = 0;
  const ended = (): Buffer => {
    const buffer = begun.length === 1 ? (begun[0] as Buffer) : Buffer.concat(begun);
    begun = [];
    begunBytes = 0;
    return buffer;
  };
  for await (const chunk of readParts(parts)) {
    signal.throwIfAborted();
    begun.push(chunk);
    begunBytes += chunk.length;
    const lines: Buffer[] = [];
    const offsets: number[] = [];
    if (chunk.includes(lineFeed)) {
      const buffer = ended();
      let at = 0;
      for (let end = buffer.indexOf(lineFeed); end >= 0; end = buffer.indexOf(lineFeed, at)) {
        lines.push(buffer.subarray(at, buffer[end - 1] === 13 && end > at ? end - 1 : end));
        offsets.push(offset + at);
        at = end + 1;
      }
      offset += at;
      begun = [buffer.subarray(at)];
      begunBytes = buffer.length - at;
    }
    if (begunBytes > rowBytesMax || lines.some(({ length }) => length > rowBytesMax)) {
      throw fail(
        "unprocessable",
        `a line is longer than ${rowBytesMax} bytes, which ingestd.max_row_bytes sets`,
      );
    }
    yield { lines, offsets };
  }
  if (begunBytes > 0) yield { lines: [ended()], offsets: [offset] };
}

/** The line that begins at this offset. */
export async function lineAt(parts: readonly Part[], from: number): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const chunk of readParts(parts, from)) {
    const end = chunk.indexOf(lineFeed);
    pieces.push(end < 0 ? chunk : chunk.subarray(0, end));
    if (end >= 0) break;
  }
  return Buffer.concat(pieces).toString("utf8");
}
