/**
 * How far a log has come, in its service's marks: which log it is, its length, and a hash of its lines' checksums, each
 * chained to the one before. By it a log is known that is shorter than what was acknowledged, or another one than it should be.
 */
import { copyFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { checksumIn, syncFile } from "../durable/durable.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import { acceptance, type Mark, type Marks, restored } from "../marks/marks.ts";
import type { Adopted } from "../store/store.ts";

/** What a service gives each of its logs, of what it was given itself. */
export interface MarkKeeping {
  marks: Marks;
  /** Whether the operator accepts what is at the place as it stands. */
  adopted: Adopted;
}

/** A log at one moment. */
export interface LogState {
  /** As its head says; absent in a log of before there were marks, until it is written anew. */
  log_id?: string;
  bytes: number;
  /** Of the checksums of all its lines. */
  chain: string;
}

/** What is in the marks under the log's name. */
interface LogMark extends Partial<LogState> {
  /** A log that is about to take this one's place. */
  next?: LogState;
}

/** The chain's value behind one more line: of its checksum alone, which costs a tenth of the whole line. */
export const chained = (before: bigint, line: string | Uint8Array): bigint =>
  Bun.hash.xxHash64(checksumIn(line), before);
export const chainText = (chain: bigint): string => chain.toString(16).padStart(16, "0");

/** What reading a log found. */
export interface FoundLog {
  /** Of the file; undefined when there is none. */
  size: number | undefined;
  /** Undefined when there is none, null when the head cannot be read. */
  logId: string | undefined | null;
  damagedLines: number;
  /** Where its last line without an end begins. */
  unfinishedAt?: number;
  /** The chain behind so many bytes, where a line ends there; absent where the lines were not read. */
  chainAt?: ReadonlyMap<number, string>;
}

/** Why what was found is not the log that was acknowledged; undefined when it is. */
export function faultOf(mark: Mark | undefined, found: FoundLog): string | undefined {
  const { size, logId } = found;
  if (mark === undefined)
    return logId ? "nothing says how long it was: its mark is gone, and it may be an older copy" : undefined;
  if (mark.restored === restored.restored)
    return size === undefined ? "the file is gone, which a restore had put here" : undefined;
  const { next, ...current } = mark as LogMark;
  const candidates = [current, next].filter((each) => each?.bytes !== undefined) as LogState[];
  // It was to be made, and a kill came first.
  if (current.bytes === undefined && (size ?? 0) === 0) return undefined;
  const longest = candidates[0]?.bytes ?? 0;
  if (size === undefined) return `the file is gone; ${longest} bytes of it were acknowledged`;
  if (size === 0 && longest > 0) return `the file is empty; ${longest} bytes of it were acknowledged`;
  const same = candidates.filter((each) => logId === null || each.log_id === (logId ?? undefined));
  if (same.length === 0) return "it is another log than the one that was acknowledged, as an older copy is";
  const faults = same.map((state) => differenceOf(state, size, found));
  return faults.includes(undefined) ? undefined : faults[0];
}

function differenceOf(
  { bytes, chain }: LogState,
  size: number,
  { damagedLines, unfinishedAt, chainAt }: FoundLog,
): string | undefined {
  if (size < bytes) return `it has ${size} bytes; ${bytes} were acknowledged`;
  // A line that is damaged, its end too, is reported as that, and the chain cannot be compared then.
  if (damagedLines > 0 || (unfinishedAt ?? bytes) < bytes || !chainAt || chainAt.get(bytes) === chain)
    return undefined;
  return `its first ${bytes} bytes are other lines than those that were acknowledged`;
}

/** How messages and `--adopt` name a log: `pathwayd/traces.log`. */
export const placeOf = (path: string): string => `${basename(dirname(path))}/${basename(path)}`;

/** The mark of one log. */
export function markOf(path: string, { marks, adopted }: MarkKeeping) {
  const name = basename(path);
  const place = placeOf(path);
  const { next, ...current } = (marks.get(name) ?? {}) as LogMark;
  let now: Partial<LogState> = current;
  return {
    /** Of the log at hand, as far as the marks know. */
    log_id: current.log_id,
    /** Lengths at which the chain is to be looked at. */
    lengths: [current.bytes, next?.bytes].filter((bytes) => bytes !== undefined),
    /**
     * The bytes of what was found that were acknowledged, at least. Throws `corrupt` for a log that is not what was
     * acknowledged, unless it was accepted: a copy is set aside then, and nothing of it counts as acknowledged.
     */
    check: async (found: FoundLog): Promise<number> => {
      const fault = faultOf(marks.get(name), found);
      const same = [next, current].find((each) => each?.log_id === found.logId) ?? current;
      if (fault === undefined) return same.bytes ?? 0;
      if (!adopted(place, fault)) throw damagedLog({ place, problem: fault });
      if (found.size === undefined) return 0;
      const copy = `${path}.adopted-${new Date().toISOString().replaceAll(":", "")}`;
      await copyFile(path, copy);
      await syncFile(copy);
      return 0;
    },
    /** The log as it is now on stable storage. */
    set: (state: LogState): void => {
      now = state;
      marks.set(name, { ...state });
    },
    /** Before a file takes the log's place that nothing else explains. */
    announce: async (state: LogState): Promise<void> => {
      marks.set(name, { ...now, next: state });
      await marks.settle();
    },
  };
}

export interface LogDamage {
  /** As `pathwayd/traces.log`. */
  place: string;
  problem: string;
}

/** A log that may lack what was acknowledged, or have again what was taken back: nothing of it is served. */
export const damagedLog = ({ place, problem }: LogDamage): ServiceError =>
  fail("corrupt", `${place}: ${problem}. Nothing of it is served: ${acceptance(place)}`, {
    details: { place, problem } satisfies LogDamage,
  });

/** What `openLineLog` refused a log for; undefined for any other failure. */
export function logDamageOf(cause: unknown): LogDamage | undefined {
  if (!(cause instanceof ServiceError) || cause.type !== "corrupt") return undefined;
  const { place, problem } = (cause.details ?? {}) as Partial<LogDamage>;
  return place !== undefined && problem !== undefined ? { place, problem } : undefined;
}
