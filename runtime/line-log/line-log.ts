/** An append-only log of JSON lines: a checksum a line, group commit, and damage that is named and set aside. */
import { basename } from "node:path";
import { Mutex } from "async-mutex";
import { lineOf, sizeOf, writeAtomic } from "../durable/durable.ts";
import type { MemoryBudget } from "../memory/memory.ts";
import { endLastLine, type Loaded, type LogForm, type LogReport, loadLineLog, type Span } from "./load.ts";
import { chained, chainText, type LogState, type MarkKeeping, markOf } from "./mark.ts";
import { createRewriting, logAnew } from "./rewriting.ts";
import { openLogTail } from "./tail.ts";

export { closedLog, damage, inspectLineLog, openToInspect } from "./inspect.ts";
export { type LogReport, readLineLog, readRecord, type Span } from "./load.ts";
export { damagedLog, type LogDamage, type LogState, logDamageOf, type MarkKeeping, placeOf } from "./mark.ts";
export { copiesOf } from "./rewriting.ts";
export { checkSealedLog } from "./sealed.ts";

// An append-only log of JSON lines, one record a line with a CRC-32 of its text: `{"crc32":"1a2b3c4d","record":{…}}`.
// The first record says what the log is. Appends that come together share one fsync (group commit, as in PostgreSQL's
// WAL). A line that was never finished at the end is dropped, a damaged line is skipped and kept aside; both are reported.
// How far the log has come is marked apart from it: one that has less, or is another, is refused.

export interface LineLog<T> {
  report: LogReport;
  /**
   * Resolves when the record is on stable storage, with its place until the log is written anew. Records are
   * kept in the order of the calls. Rejects with `memory_full` when there is no memory for it, unless it is taken `always`: what frees memory must be.
   */
  append: (record: T, options?: { always?: boolean }) => Promise<Span>;
  /** Size of the file, in bytes. */
  bytes: () => number;
  /** Runs the work while nothing is written: the state is exactly what was acknowledged. */
  atRest: <R>(work: (state: LogState) => Promise<R>) => Promise<R>;
  /** Replaces all records, atomically; what is appended meanwhile comes after them. Damaged lines go to `<path>.damaged`. */
  rewrite: (records: Iterable<T>) => Promise<void>;
  /**
   * Writes it anew so that nothing of what the records leave out is kept: damaged lines, and copies that were set aside
   * earlier, go first. `replaced` is called in the moment in which the new one counts.
   */
  forget: (records: Iterable<T>, replaced?: () => void) => Promise<void>;
  /** As `forget`, of the log's own records, each as `change` has it or left out; `place` says where each stands now. */
  amend: (change: (record: T) => T | undefined, place: (record: T, at: Span) => void) => Promise<void>;
  /** Waits for what is being appended. */
  close: () => Promise<void>;
}

interface LineLogOptions<T> extends LogForm<T> {
  /** Where it is marked how far the log has come. */
  kept: MarkKeeping;
  /** Set where all records are held in memory: of which budget, and how much a byte of the file takes. */
  memory?: { budget: MemoryBudget; perByte: number };
}

/**
 * Opens the log, makes it when there was none, and replays it. Throws `corrupt` for another format or a newer version
 * and, with what `logDamageOf` gives, for a log that is not what was acknowledged: what was replayed is to be forgotten
 * then. Throws `memory_full` before anything is read of a log that does not fit.
 */
export async function openLineLog<T>(options: LineLogOptions<T>): Promise<LineLog<T>> {
  const { path, memory, kept } = options;
  const size = await sizeOf(path);
  const room = memory?.budget.take(
    (size ?? 0) * memory.perByte,
    `${basename(path)} stays closed: to be read it`,
  );
  const mark = markOf(path, kept);
  const { report, aside, ...loaded } = await loadChecked(options, mark, size).catch((cause) => {
    room?.give();
    throw cause;
  });
  let state: LogState = { ...loaded.state, bytes: report.bytes };
  if (report.bytes === 0) {
    const fresh = logAnew(options, []);
    await writeAtomic(path, fresh.texts, () => mark.announce(fresh.state()));
    state = fresh.state();
  }
  mark.set(state);
  const tail = await openLogTail(path);
  const mutex = new Mutex();
  let waiting: { text: string; resolve: (at: Span) => void; reject: (cause: unknown) => void }[] = [];
  const counted = () => room?.resize(tail.bytes() * (memory?.perByte ?? 0));
  const reached = (next: LogState) => {
    state = next;
    mark.set(state);
    counted();
  };

  const anewBy = createRewriting(options, { mark, tail, aside, reached, bytes: () => state.bytes });
  const flush = async () => {
    const batch = waiting;
    waiting = [];
    const offset = tail.bytes();
    try {
      await tail.append(batch.map(({ text }) => text).join(""));
      const chain = batch.reduce((before, { text }) => chained(before, text), BigInt(`0x${state.chain}`));
      reached({ ...state, bytes: tail.bytes(), chain: chainText(chain) });
      resolveAll(batch, offset);
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  };
  return {
    report,
    append: async (record, { always = false } = {}) => {
      const text = lineOf(record);
      const stored = () =>
        new Promise<Span>((resolve, reject) => {
          waiting.push({ text, resolve, reject });
          if (waiting.length === 1) void mutex.runExclusive(flush);
        });
      if (always || !memory) return stored();
      return await memory.budget.during(
        text.length * memory.perByte,
        `${basename(path)} takes no more: it`,
        stored,
      );
    },
    bytes: tail.bytes,
    atRest: (work) => mutex.runExclusive(() => work(state)),
    rewrite: (records) => mutex.runExclusive(() => anewBy.rewrite(records)),
    forget: (records, replaced) => mutex.runExclusive(() => anewBy.forget(records, replaced)),
    amend: (change, place) => mutex.runExclusive(() => anewBy.amend(change, place)),
    close: () => mutex.runExclusive(tail.close),
  };
}

/** Resolves each with the place of its line, the first at the offset. */
function resolveAll(batch: readonly { text: string; resolve: (at: Span) => void }[], offset: number): void {
  let at = offset;
  for (const { text, resolve } of batch) {
    const bytes = Buffer.byteLength(text);
    resolve({ offset: at, bytes });
    at += bytes;
  }
}

async function loadChecked<T>(
  options: LineLogOptions<T>,
  mark: ReturnType<typeof markOf>,
  size: number | undefined,
): Promise<Loaded> {
  const loaded = await loadLineLog(options, mark);
  const acknowledged = await mark.check({ ...loaded.found, size });
  await endLastLine(options.path, loaded, acknowledged);
  return loaded;
}
