/** The lines of a file from its end to its beginning, in blocks. */
import { type FileHandle, open } from "node:fs/promises";
import { unlessAbsent } from "../../../runtime/durable/durable.ts";

interface Line {
  /** Without its newline. */
  text: string;
  /** Offset of its first byte. */
  start: number;
}

const blockBytes = 64 * 1024;
const newline = 10;

/** Yields the lines that end at or before `end`, last first; none when there is no such file. */
export async function* linesBackwards(path: string, end: number): AsyncGenerator<Line> {
  const handle = await open(path, "r").catch(unlessAbsent);
  if (!handle) return;
  try {
    const { size } = await handle.stat();
    let at = Math.min(end, size);
    let rest: Buffer = Buffer.alloc(0);
    while (at > 0) {
      const block = Buffer.alloc(Math.min(blockBytes, at));
      await readFully(handle, block, at - block.length);
      at -= block.length;
      rest = Buffer.concat([block, rest]);
      // What comes before the first newline may have begun in an earlier block.
      const first = at === 0 ? -1 : rest.indexOf(newline);
      if (at > 0 && first < 0) continue;
      yield* linesOf(rest.subarray(first + 1), at + first + 1);
      rest = rest.subarray(0, first + 1);
    }
  } finally {
    await handle.close();
  }
}

function* linesOf(bytes: Buffer, offset: number): Generator<Line> {
  let end = bytes.length;
  while (end > 0) {
    const start = end < 2 ? 0 : bytes.lastIndexOf(newline, end - 2) + 1;
    const text = bytes.toString("utf8", start, bytes[end - 1] === newline ? end - 1 : end);
    if (text !== "") yield { text, start: offset + start };
    end = start;
  }
}

async function readFully(handle: FileHandle, into: Buffer, from: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await handle.read(into, done, into.length - done, from + done);
    if (bytesRead === 0) throw new Error("the file became shorter while it was read");
    done += bytesRead;
  }
}
