/** The files of the log: their names, and how one is read without being opened for writing. */
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Line } from "./operations-line.ts";

export const segmentFormat = { format: "lakehouse.operations", version: 1 } as const;

const digits = 8;
/** `operations-00000012.log`. */
export const segmentPath = (directory: string, number: number): string =>
  join(directory, `operations-${String(number).padStart(digits, "0")}.log`);

/** The numbers of the files there are, ascending. */
export async function segmentNumbers(directory: string): Promise<number[]> {
  const names = await readdir(directory);
  return names
    .map((name) => Number(/^operations-(\d{8})\.log$/.exec(name)?.[1] ?? Number.NaN))
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

const prefix = '{"crc32":"';
const head = prefix.length + 8 + '","record":'.length;

/**
 * The lines of the first `end` bytes (all of them unless given), in order; the head and an unfinished last line are
 * passed over. `onDamaged` is told the number, from 1, of each line that is not what was written.
 */
export async function* segmentLines(
  path: string,
  { end, onDamaged }: { end?: number; onDamaged: (line: number) => void },
): AsyncGenerator<Line> {
  if (end === 0) return;
  const stream = createReadStream(path, end === undefined ? {} : { end: end - 1 });
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  for await (const piece of stream) {
    let text: Buffer = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10)) {
      number += 1;
      const line = lineOf(text.subarray(0, at));
      if (!line) onDamaged(number);
      else if (number > 1) yield line;
      text = text.subarray(at + 1);
    }
    rest = text;
  }
}

/** The record of a line as `runtime/line-log.ts` writes it, or undefined when its checksum does not hold. */
function lineOf(bytes: Buffer): Line | undefined {
  const record = bytes.subarray(head, -1);
  const expected = bytes.toString("latin1", prefix.length, prefix.length + 8);
  const actual = Bun.hash.crc32(record).toString(16).padStart(8, "0");
  return bytes.length > head && expected === actual ? JSON.parse(record.toString()) : undefined;
}

/** Whether the file begins with all that stands before it. */
export async function hasBase(path: string): Promise<boolean> {
  let damaged = false;
  const onDamaged = () => {
    damaged = true;
  };
  for await (const line of segmentLines(path, { onDamaged })) return !damaged && line.base !== undefined;
  return false;
}
