/**
 * Idempotency keys on disk: `idempotency-<n>.log`, the newest for writing and the one before it for reading. Memory
 * holds where each key's newest line stands; answers stay on the disk.
 */
import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { Mutex } from "async-mutex";
import { holdFiles, type Inspected, type Snapshot } from "../durable/durable.ts";
import {
  inspectLineLog,
  type LineLog,
  type MarkKeeping,
  openLineLog,
  openToInspect,
  readLineLog,
  type Span,
} from "../line-log/line-log.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import type { Log } from "../telemetry/telemetry.ts";
import { createRedaction } from "./redaction.ts";
import { createSlots, type Entry, windowMs } from "./slots.ts";

export interface KeyLog {
  /** The key's newest line, while it counts. */
  find: (key: string) => Promise<Entry | undefined>;
  /** Resolves when it is on stable storage. */
  write: (entry: Omit<Entry, "at">) => Promise<void>;
  /** The key of an operation whose outcome is not known. */
  keyOf: (operation: string) => string | undefined;
  /** Of what is told so nothing is kept but that it was done; a key that is told so itself goes. Gives how many. */
  redact: (is: (value: unknown) => boolean, dryRun?: boolean) => Promise<number>;
  inspect: (service: string, signal: AbortSignal) => AsyncIterable<Inspected>;
  snapshot: () => Promise<Snapshot>;
  /** Lines that could not be read, set aside until somebody deletes them. */
  problems: () => string[];
  close: () => Promise<void>;
}

/** A file that is larger, or whose first line is older than the window, is followed by a new one: two at most are kept. */
const fileBytesMax = 32 * 1024 * 1024;

const logFormat = { format: "lakehouse.idempotency", version: 1 } as const;
const nameOf = (number: number): string => `idempotency-${number}.log`;

interface KeyFile {
  number: number;
  path: string;
  log: LineLog<Entry>;
  /** By the monotonic clock. */
  beganMs: number;
}

interface KeyLogOptions {
  directory: string;
  kept: MarkKeeping;
  clock: Pick<Clock, "now" | "elapsed">;
  log?: Pick<Log, "warn"> | undefined;
  fileBytesMax?: number;
}

/** Opens the files in the directory. Throws `corrupt` for one that a newer version wrote. */
export async function openKeyLog(options: KeyLogOptions): Promise<KeyLog> {
  const { directory, kept, clock, log } = options;
  const slots = createSlots(clock);
  const numbers = numbersOf([
    ...(await readdir(directory)),
    ...[...kept.marks.entries()].map(([name]) => name),
  ]);
  const openFile = async (number: number): Promise<KeyFile> => {
    const path = join(directory, nameOf(number));
    const take = slots.reader(path);
    const opened = await openFileLog({ path, kept, take, log });
    if (opened.wasDamaged) damaged.add(`${path}.damaged`);
    return { number, path, log: opened.log, beganMs: take.beganMs() };
  };
  const damaged = new Set((await readdir(directory)).filter(isAside).map((name) => join(directory, name)));
  const files: KeyFile[] = [];
  for (const number of numbers.length > 0 ? numbers : [1]) files.push(await openFile(number));
  const newest = (): KeyFile => files.at(-1) as KeyFile;
  const mutex = new Mutex();

  const append = async (entry: Entry): Promise<void> => {
    const { path, log } = newest();
    slots.put(entry, path, await log.append(entry));
  };
  /** What is reserved there outlives the file; the rest has ended, or there is too much of it. */
  const dropOldest = async () => {
    for (const key of slots.openIn(files[0]?.path ?? "")) {
      const entry = await find(key);
      if (entry) await append(entry);
    }
    const gone = files.shift();
    if (!gone) return;
    slots.forget(gone.path);
    await gone.log.close();
    await rm(gone.path, { force: true });
    kept.marks.remove(nameOf(gone.number));
  };
  const isFull = ({ log: { bytes }, beganMs }: KeyFile): boolean =>
    bytes() > (options.fileBytesMax ?? fileBytesMax) ||
    (bytes() > emptyBytes && clock.elapsed() - beganMs > windowMs);
  const rotate = () =>
    mutex.runExclusive(async () => {
      if (!isFull(newest())) return;
      files.push(await openFile(newest().number + 1));
      while (files.length > 2) await dropOldest();
    });
  const redaction = createRedaction(files, slots);
  const { find } = redaction;
  while (files.length > 2) await dropOldest();

  return {
    find,
    keyOf: slots.keyOf,
    write: async (entry) => {
      if (isFull(newest())) await rotate();
      await append({ ...entry, at: clock.now() });
    },
    redact: (is, dryRun) => mutex.runExclusive(() => redaction.run(is, dryRun)),
    inspect: (service, signal) => inspectFiles(files, { directory, mutex }, { service, signal }),
    snapshot: () =>
      holdFiles(
        directory,
        files.map(({ number }) => nameOf(number)),
      ),
    problems: () => [...damaged].filter((path) => existsSync(path)).map(asideText),
    close: async () => {
      await mutex.runExclusive(async () => {
        for (const { log } of files) await log.close();
      });
    },
  };
}

/** A file that goes meanwhile is passed over: it held what is not needed any more, or stands in another one. */
async function* inspectFiles(
  files: readonly KeyFile[],
  { directory, mutex }: { directory: string; mutex: Mutex },
  about: { service: string; signal: AbortSignal },
): AsyncGenerator<Inspected> {
  for (const each of [...files]) {
    const found = await mutex.runExclusive(async () => {
      if (!files.includes(each)) return undefined;
      return { opened: await each.log.atRest((state) => openToInspect(each.path, state)) };
    });
    if (found === undefined) continue;
    yield* inspectLineLog<Entry>({
      directory,
      file: nameOf(each.number),
      ...about,
      ...logFormat,
      ...found,
      aside: "damage",
      remedy: () =>
        "nothing to mend: a request that is repeated with the key of this line runs again; the line is set aside at the next start",
    });
  }
}

const asideText = (path: string): string =>
  `${basename(path)}: damaged lines of Idempotency-Keys were set aside there: their requests would be carried out again; delete the file when you have taken note`;

/** The head alone is shorter. */
const emptyBytes = 128;

const isAside = (name: string): boolean => /^idempotency-\d+\.log\.damaged$/.test(name);

/** Those of files that are there, or of which a mark says so. */
function numbersOf(names: readonly string[]): number[] {
  const found = names.flatMap((name) => {
    const number = /^idempotency-(\d{1,15})\.log$/.exec(name)?.[1];
    return number === undefined ? [] : [Number(number)];
  });
  return [...new Set(found)].sort((a, b) => a - b);
}

/** Opens a file; lines that cannot be read are logged and set aside. */
async function openFileLog({
  path,
  kept,
  take,
  log,
}: Pick<KeyLogOptions, "kept" | "log"> & {
  path: string;
  take: (entry: Entry, at: Span) => void;
}): Promise<{ log: LineLog<Entry>; wasDamaged: boolean }> {
  const options = { path, ...logFormat, kept, replay: take };
  const opened = await openLineLog<Entry>(options);
  const { damagedCount } = opened.report;
  if (damagedCount === 0) return { log: opened, wasDamaged: false };
  log?.warn("Idempotency-Keys are lost: their lines were damaged", { path, damaged: damagedCount });
  const entries: Entry[] = [];
  for await (const entry of readLineLog<Entry>(path)) entries.push(entry);
  await opened.rewrite(entries);
  await opened.close();
  return { log: await openLineLog<Entry>(options), wasDamaged: true };
}
