/** A line log written anew: compacted, with what is damaged set aside; or without what is to be forgotten. */
import { open, readdir, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { lineOf, linesOf, readLine, syncDirectory } from "../durable/durable.ts";
import { type LogForm, readLineLog, type Span } from "./load.ts";
import { chained, chainText, type LogState, type markOf } from "./mark.ts";
import type { LogTail } from "./tail.ts";

/** Pieces in which a log is written anew, in characters. */
const pieceBytes = 1024 * 1024;

interface Open {
  mark: Pick<ReturnType<typeof markOf>, "announce">;
  tail: Pick<LogTail, "replace">;
  /** Damaged lines that still stand in it. */
  aside: Uint8Array[];
  reached: (state: LogState) => void;
  /** What was acknowledged of it. */
  bytes: () => number;
}

/** Each may only run while nothing is appended. */
export function createRewriting<T>(form: LogForm<T>, { mark, tail, aside, reached, bytes }: Open) {
  const { path } = form;
  const replace = async (records: Iterable<T>, replaced?: () => void) => {
    const fresh = logAnew(form, records);
    await tail.replace(fresh.texts, {
      announce: () => mark.announce(fresh.state()),
      replaced: () => {
        reached(fresh.state());
        replaced?.();
      },
    });
  };
  const forget = async (records: Iterable<T>, replaced?: () => void) => {
    await removeCopies(path);
    aside.splice(0);
    await replace(records, replaced);
  };
  return {
    rewrite: async (records: Iterable<T>) => {
      const damaged = aside.splice(0);
      if (damaged.length > 0) await appendAside(`${path}.damaged`, damaged);
      await replace(records);
    },
    forget,
    amend: async (change: (record: T) => T | undefined, place: (record: T, at: Span) => void) => {
      const records: T[] = [];
      for await (const record of readLineLog<T>(path, { end: bytes() })) {
        const kept = change(record);
        if (kept !== undefined) records.push(kept);
      }
      await forget(records);
      for await (const { line, offset, bytes: own } of linesOf(path, bytes()))
        if (line > 1) place(readLine(own).value as T, { offset, bytes: own.length });
    },
  };
}

/** The text of a whole new log, piece by piece, and its state when all pieces were taken. */
export function logAnew<T>({ format, version }: LogForm<T>, records: Iterable<T>) {
  const log_id = crypto.randomUUID();
  let bytes = 0;
  let chain = 0n;
  const taken = (line: string) => {
    bytes += Buffer.byteLength(line);
    chain = chained(chain, line);
    return line;
  };
  function* texts(): Generator<string> {
    let text = taken(lineOf({ format, version, log_id }));
    for (const record of records) {
      text += taken(lineOf(record));
      if (text.length < pieceBytes) continue;
      yield text;
      text = "";
    }
    yield text;
  }
  return { texts: texts(), state: (): LogState => ({ log_id, bytes, chain: chainText(chain) }) };
}

/** What a compaction or an operator's acceptance has set aside of a log: parts and copies of it, with what it held then. */
export async function copiesOf(path: string): Promise<string[]> {
  const [directory, name] = [dirname(path), basename(path)];
  const isCopy = (each: string) => each === `${name}.damaged` || each.startsWith(`${name}.adopted-`);
  return (await readdir(directory)).filter(isCopy).map((each) => join(directory, each));
}

async function removeCopies(path: string): Promise<void> {
  const copies = await copiesOf(path);
  for (const copy of copies) await rm(copy, { force: true });
  if (copies.length > 0) await syncDirectory(dirname(path));
}

async function appendAside(path: string, lines: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, "a");
  try {
    await file.appendFile(Buffer.concat(lines));
    await file.datasync();
  } finally {
    await file.close();
  }
}
