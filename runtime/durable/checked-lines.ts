/** Lines of JSON, each with a CRC-32 of its text: `{"crc32":"1a2b3c4d","record":{…}}`. What line logs and marks are made of. */
import { type FileHandle, open } from "node:fs/promises";
import { unlessAbsent } from "./files.ts";

/** Pieces in which a file is read, in bytes. */
const pieceBytes = 1024 * 1024;
const prefix = '{"crc32":"';
const middle = '","record":';
const head = prefix.length + 8 + middle.length;
const newline = 0x0a;

/** CRC-32 in hex. */
export const checksum = (text: string | Uint8Array): string =>
  Bun.hash.crc32(text).toString(16).padStart(8, "0");

/** The record as a line, with its line end. */
export function lineOf(record: unknown): string {
  const text = JSON.stringify(record);
  return `${prefix}${checksum(text)}${middle}${text}}\n`;
}

/** The checksum that a line says it has. */
export const checksumIn = <L extends string | Uint8Array>(line: L): L =>
  line.slice(prefix.length, prefix.length + 8) as L;

/** Why a line cannot be read. */
export type LineFault = "checksum" | "form";

/** The record of a line that ends with its line end, or why it is none. */
export function readLine(line: Buffer): { reason?: LineFault; value?: unknown } {
  const record = line.subarray(head, -2);
  const isFormed =
    line.length > head + 2 &&
    line.at(-2) === 0x7d &&
    line.toString("latin1", 0, prefix.length) === prefix &&
    line.toString("latin1", prefix.length + 8, head) === middle;
  if (!isFormed) return { reason: "form" };
  if (checksum(record) !== line.toString("latin1", prefix.length, prefix.length + 8))
    return { reason: "checksum" };
  return { value: JSON.parse(record.toString()) };
}

export interface Line {
  /** From 1. */
  line: number;
  offset: number;
  bytes: Buffer;
}

/** Whether it ends with its line end: the last line of a file may lack one. */
export const isCompleteLine = ({ bytes }: Pick<Line, "bytes">): boolean => bytes.at(-1) === newline;

/** The lines of a file, each with its line end; the last may lack one. None when there is no file. */
export async function* linesOf(path: string, end?: number): AsyncGenerator<Line> {
  const file = await open(path, "r").catch(unlessAbsent);
  if (file) yield* linesIn(file, end);
}

/** The lines in the first `end` bytes of an open file, which is closed in the end. */
export async function* linesIn(file: FileHandle, end = Number.POSITIVE_INFINITY): AsyncGenerator<Line> {
  let line = 0;
  let offset = 0;
  let rest = Buffer.alloc(0);
  try {
    for (let at = 0; at < end; ) {
      const piece = Buffer.allocUnsafe(pieceBytes);
      const { bytesRead } = await file.read(piece, 0, Math.min(pieceBytes, end - at), at);
      if (bytesRead === 0) break;
      at += bytesRead;
      rest =
        rest.length === 0
          ? piece.subarray(0, bytesRead)
          : Buffer.concat([rest, piece.subarray(0, bytesRead)]);
      for (let stop = rest.indexOf(newline) + 1; stop > 0; stop = rest.indexOf(newline) + 1) {
        yield { line: ++line, offset, bytes: rest.subarray(0, stop) };
        offset += stop;
        rest = rest.subarray(stop);
      }
    }
    if (rest.length > 0) yield { line: line + 1, offset, bytes: rest };
  } finally {
    await file.close();
  }
}

// Small JSON files with a checksum: one that was changed, cut short or emptied is refused.

/** The text of such a file. */
export function seal(value: object): string {
  const sha256 = new Bun.CryptoHasher("sha256").update(JSON.stringify(value)).digest("hex");
  return `${JSON.stringify({ is: value, sha256 }, null, 2)}\n`;
}

/** The content; undefined when it is not as it was written. */
export function unseal(bytes: Uint8Array): unknown {
  try {
    const text = new TextDecoder().decode(bytes);
    const { is } = JSON.parse(text);
    return seal(is) === text ? is : undefined;
  } catch {
    // Not JSON, or not of this form: the caller names the file.
    return undefined;
  }
}
