/** The log on disk and the table it makes; what was found damaged in it. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../../../runtime/config/config.ts";
import { check } from "../../../runtime/contract/contract.ts";
import {
  type LineLog,
  type LogReport,
  type MarkKeeping,
  openLineLog,
} from "../../../runtime/line-log/line-log.ts";
import type { MemoryBudget } from "../../../runtime/memory/memory.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  type Change,
  countOf,
  describeRanges,
  type Erased,
  LogRecord,
  linesOf,
  logFormat,
  type TraceTable,
} from "../traces/traces.ts";

export const logName = "traces.log";

export interface Store {
  /** Resolves when the changes are on stable storage: all of them, or none when it rejects. */
  append: (changes: readonly Change[]) => Promise<void>;
  /** Writes the log anew from the table. Nothing may be appended meanwhile. */
  compact: () => Promise<{ bytes_before: number; bytes_after: number; log_records: number }>;
  /** Writes the log anew with these in place of the traces they are named by, and without anything that was set aside. */
  erase: (erased: ReadonlyMap<string, Erased>) => Promise<void>;
  bytes: () => number;
  records: () => number;
  /** Damaged lines that still stand in the log. */
  damagedLines: () => number;
  /** Reasons for not being ready: damage that nobody has dealt with. */
  damage: () => string[];
  /** All problems, present and past. */
  problems: () => string[];
  /** Runs the work between two writes. */
  atRest: LineLog<LogRecord>["atRest"];
  close: () => Promise<void>;
}

/**
 * Memory of a byte of the log: 3.6 resident after 8,000 short traces were read, less where they are long. A compaction
 * drops lines of replays alone, which take none: so the log may only be thought too large.
 */
export const memoryPerByte = 4;

/** Damaged lines named in a message; the rest are counted. */
const linesShown = 10;

/**
 * Opens the log, applies every record to the table. Throws `corrupt` for a newer version, and for a log that is not what
 * was acknowledged.
 */
export async function openStore(
  directory: string,
  table: TraceTable,
  {
    kept,
    budget,
    onRecord,
  }: { kept: MarkKeeping; budget?: MemoryBudget; onRecord?: (record: LogRecord) => void },
): Promise<Store> {
  await removeUnfinished(directory);
  const log = await openLineLog<LogRecord>({
    path: join(directory, logName),
    ...logFormat,
    kept,
    replay: (record) => {
      table.apply(check(LogRecord, record, "a record"));
      onRecord?.(record);
    },
    ...(budget && { memory: { budget, perByte: memoryPerByte } }),
  });
  let records = log.report.records;
  let damaged = log.report.damagedCount;
  let setAside = 0;
  const damage = () => {
    const missing = table.missing();
    const found = damaged > 0 ? [damagedText(log.report)] : [];
    if (missing.length > 0)
      found.push(`${logName}: ${countOf(missing)} changes are lost (sequence ${describeRanges(missing)})`);
    return found.map(
      (text) => `${text}; the rest is served. POST /pathway/compact takes note and sets the lines aside`,
    );
  };
  return {
    append: async (changes) => {
      const written = changes.flatMap((change) =>
        // The writer has looked whether they fit: all of them or none.
        Array.from({ length: linesOf(change) }, () => log.append(change, { always: true })),
      );
      // Asked for together they are one write: they succeed or fail together.
      await Promise.all(written);
      records += written.length;
    },
    compact: async () => {
      const bytes_before = log.bytes();
      let count = 0;
      await log.rewrite(counted(table.records(), () => ++count));
      table.rewritten();
      records = count;
      setAside += damaged;
      damaged = 0;
      return { bytes_before, bytes_after: log.bytes(), log_records: records };
    },
    erase: async (erased) => {
      let count = 0;
      await log.forget(
        counted(table.recordsWithout(erased), () => ++count),
        () => {
          table.erase(erased);
          table.rewritten();
          records = count;
          setAside = 0;
          damaged = 0;
        },
      );
    },
    bytes: log.bytes,
    records: () => records,
    damagedLines: () => damaged,
    damage,
    problems: () => [...damage(), ...past(log, table, setAside)],
    atRest: log.atRest,
    close: log.close,
  };
}

function* counted<T>(items: Iterable<T>, count: () => void): Generator<T> {
  for (const item of items) {
    count();
    yield item;
  }
}

function damagedText({ damaged, damagedCount }: LogReport): string {
  const shown = damaged.slice(0, linesShown).map(({ line, reason }) => `${line} (${reason})`);
  const more = damagedCount > shown.length ? ", …" : "";
  return `pathwayd/${logName}: ${damagedCount} damaged lines were skipped: ${shown.join(", ")}${more}`;
}

/** Problems of the past that need no action. */
function past({ report }: LineLog<LogRecord>, table: TraceTable, setAside: number): string[] {
  const problems: string[] = [];
  if (report.torn)
    problems.push(
      `${logName}: a last line of ${report.torn.bytes} bytes was cut short and dropped at the start`,
    );
  if (setAside > 0) problems.push(`${setAside} damaged lines were set aside in ${logName}.damaged`);
  const noted = countOf(table.lost()) - countOf(table.missing());
  if (noted > 0) problems.push(`${noted} changes were lost to damage earlier`);
  const { orphans } = table.counts();
  if (orphans > 0) problems.push(`${orphans} changes belong to traces whose beginning was lost`);
  return problems;
}

/** Removes partial files of a compaction that was killed. */
async function removeUnfinished(directory: string): Promise<void> {
  const names = await readdir(directory);
  const parts = names.filter((name) => /^\..*\.part$/.test(name));
  for (const name of parts) await rm(join(directory, name), { force: true });
}

// What pathwayd counts: for `stats`, and for metrics.

export function statsOf(table: TraceTable, store: Store) {
  const { live, retired, superseded, erased, replays } = table.counts();
  return {
    total: table.entries.length,
    live,
    retired,
    superseded,
    erased,
    replays,
    log_bytes: store.bytes(),
    log_records: store.records(),
    damaged_lines: store.damagedLines(),
    lost_changes: countOf(table.lost()),
    problems: store.problems(),
  };
}

export function gauges(
  { metrics }: Deps,
  { table, store, writer }: { table: TraceTable; store: Store; writer: { waiting: () => number } },
): void {
  metrics.gauge("pathwayd_traces", "Traces, with those retired and superseded.", () => table.entries.length);
  metrics.gauge("pathwayd_traces_live", "Traces that may be shown.", () => table.counts().live);
  metrics.gauge("pathwayd_log_bytes", "Size of the log.", store.bytes);
  metrics.gauge("pathwayd_damaged_lines", "Lines of the log that cannot be read.", store.damagedLines);
  metrics.gauge("pathwayd_lost_changes", "Changes that no line holds any more.", () => countOf(table.lost()));
  metrics.gauge("pathwayd_waiting", "Changes that wait to be stored.", writer.waiting);
}

// When the log is compacted without being asked.

/** Length of the line of a replay with a short uid, in bytes; packed it takes about 12. */
const replayLineBytes = 100;
/** After a failure the log grows by this much before another try. */
const retryGrowth = 1.1;

export function createCompactionPolicy(deps: {
  table: Pick<TraceTable, "counts">;
  store: Pick<Store, "bytes">;
  limits: Config["pathwayd"];
  log: Log;
}) {
  const { table, store, limits, log } = deps;
  let notBelow = limits.compact_min_bytes;
  return {
    /** Whether packing the replays saves enough. */
    pays: (): boolean => {
      const bytes = store.bytes();
      const packable = table.counts().singleReplays * replayLineBytes;
      return bytes >= notBelow && packable * 100 >= bytes * limits.compact_replay_percent;
    },
    onFailedCompaction: (cause: unknown): void => {
      notBelow = Math.max(limits.compact_min_bytes, store.bytes() * retryGrowth);
      log.error("the log could not be compacted and is as it was", describe(cause));
    },
  };
}
