/**
 * The append-only journal of failed operations: JSON lines, each with a checksum, in numbered files of which the last two
 * are kept. It is no line log (`runtime/line-log`): that is replayed at a start, fsynced and marked, and this is read a
 * page at a time, newest first, acknowledges nothing, and gives way on a full disk.
 */

import { type FileHandle, open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { Mutex } from "async-mutex";
import { opened, unlessAbsent, writeAtomic } from "../../../runtime/durable/durable.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import type { JournalEntry as JournalEntrySchema } from "../contract.ts";

export type JournalEntry = Static<typeof JournalEntrySchema>;

interface JournalPage {
  errors: JournalEntry[];
  next_page_token?: string;
}

export interface ErrorJournal {
  /** Resolves when the line is in the file. Not fsynced: it records failures, and acknowledges no write. */
  append: (entry: JournalEntry) => Promise<void>;
  /** Newest first; of one bucket when given. Lines that are torn or damaged are passed over. */
  read: (query: {
    bucket?: string | undefined;
    pageSize: number;
    pageToken?: string | undefined;
  }) => Promise<JournalPage>;
  /** Lines that are told so, and those that cannot be read, go from the files; or they are only counted. */
  erase: (isMeant: (entry: JournalEntry) => boolean, dryRun: boolean) => Promise<number>;
  close: () => Promise<void>;
}

/** Longest text kept of a field. */
const fieldCharsMax = 2000;

const checksum = (text: string): string => Bun.hash.xxHash64(text).toString(16).padStart(16, "0");
const encode = (entry: JournalEntry): string => {
  const cut = Object.fromEntries(
    Object.entries(entry).map(([name, text]) => [name, text.slice(0, fieldCharsMax)]),
  );
  return `${JSON.stringify({ ...cut, checksum: checksum(JSON.stringify(cut)) })}\n`;
};

/** The entry of a line, or undefined when the line is damaged. */
export function decodeLine(line: string): JournalEntry | undefined {
  try {
    const { checksum: expected, ...entry } = JSON.parse(line);
    return checksum(JSON.stringify(entry)) === expected ? entry : undefined;
  } catch {
    return undefined;
  }
}

const nameOf = (number: number): string => `errors.${number}.jsonl`;
const numberOf = (name: string): number => Number(/^errors\.(\d+)\.jsonl$/.exec(name)?.[1] ?? Number.NaN);

interface Current {
  number: number;
  handle: FileHandle;
  bytes: number;
}

/** Opens the journal in the directory. `fileBytesMax` bounds each of the two files. */
export async function openErrorJournal(directory: string, fileBytesMax: number): Promise<ErrorJournal> {
  const numbers = (await readdir(directory)).map(numberOf).filter(Number.isInteger);
  let current = await openFile(directory, Math.max(1, ...numbers));
  const mutex = new Mutex();
  /** Whether a write failed: part of a line may follow the valid bytes. */
  let isTorn = false;

  const rotate = async () => {
    const old = current;
    // The oldest file goes first: on a full disk it makes room for the new one.
    await rm(join(directory, nameOf(old.number - 1)), { force: true });
    current = await openFile(directory, old.number + 1);
    isTorn = false;
    await old.handle.close();
  };
  const write = async (line: string) => {
    const bytes = Buffer.byteLength(line);
    if (current.bytes > 0 && current.bytes + bytes > fileBytesMax) await rotate();
    // A partial line would damage the next one.
    if (isTorn) await current.handle.truncate(current.bytes);
    isTorn = true;
    await current.handle.appendFile(line);
    isTorn = false;
    current.bytes += bytes;
  };

  return {
    append: (entry) => mutex.runExclusive(() => write(encode(entry))),
    read: async ({ bucket, pageSize, pageToken: token }) => {
      const start =
        token === undefined
          ? await mutex.runExclusive(async () => ({ file: current.number, end: current.bytes }))
          : positionOf(token);
      return readPage(directory, start, { bucket, pageSize });
    },
    erase: (isMeant, dryRun) =>
      mutex.runExclusive(async () => {
        let count = 0;
        for (const number of [current.number - 1, current.number]) {
          const path = join(directory, nameOf(number));
          const text = await readFile(path, "utf8").catch(unlessAbsent);
          const lines = (text ?? "").split("\n").filter((line) => line !== "");
          const isKept = (line: string) => {
            const entry = decodeLine(line);
            return entry !== undefined && !isMeant(entry);
          };
          const kept = lines.filter(isKept);
          count += lines.length - kept.length;
          if (dryRun || kept.length === lines.length) continue;
          await writeAtomic(path, kept.map((line) => `${line}\n`).join(""));
          if (number !== current.number) continue;
          await current.handle.close();
          current = await openFile(directory, number);
          isTorn = false;
        }
        return count;
      }),
    close: () => mutex.runExclusive(() => current.handle.close()),
  };
}

async function openFile(directory: string, number: number): Promise<Current> {
  return opened(join(directory, nameOf(number)), "a+", async (handle) => {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    const isTorn = size > 0 && last.toString() !== "\n";
    // A line that a crash cut short is ended, so that it does not damage the next one.
    if (isTorn) await handle.appendFile("\n");
    return { number, handle, bytes: isTorn ? size + 1 : size };
  });
}

/** Where reading goes on: before the byte `end` of the file with this number, then in the one before. */
interface Position {
  file: number;
  end: number;
}

function positionOf(token: string): Position {
  const [file, end] = readPageToken(token, /^(\d{1,15}):(\d{1,15})$/);
  return { file: Number(file), end: Number(end) };
}

async function readPage(
  directory: string,
  start: Position,
  { bucket, pageSize }: { bucket: string | undefined; pageSize: number },
): Promise<JournalPage> {
  const errors: JournalEntry[] = [];
  for (const file of [start.file, start.file - 1]) {
    const end = file === start.file ? start.end : Number.POSITIVE_INFINITY;
    for await (const { text, start: at } of linesBackwards(join(directory, nameOf(file)), end)) {
      const entry = decodeLine(text);
      if (!entry || (bucket !== undefined && entry.bucket !== bucket)) continue;
      errors.push(entry);
      if (errors.length === pageSize) return { errors, next_page_token: pageToken(`${file}:${at}`) };
    }
  }
  return { errors };
}

// The lines of a file from its end to its beginning, in blocks.

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
