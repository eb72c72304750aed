/** What each provider took today (UTC), kept over restarts so that a budget means a day and not a process. */

import { join } from "node:path";
import { type Durable, holdFiles, readOrNull, writeAtomic } from "../../../runtime/durable/durable.ts";
import { damage, type MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import { acceptance } from "../../../runtime/marks/marks.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";

export interface Spent {
  usd: number;
  tokens: number;
}

export interface SpendBook {
  /** Today's. */
  spent: (provider: string) => Spent;
  add: (provider: string, amount: Spent) => void;
  /** Today's, as it is to be kept, and as the file has it now. */
  durable: Durable;
  /** Why today's sums may be too small, for readiness. */
  problems: () => string[];
  /** Writes what is not yet written. */
  close: () => Promise<void>;
}

/** What `kill -9` may forget, in milliseconds: money is counted, not accounted. */
const saveEveryMs = 1000;
/** Wait before a write that failed is tried again, in milliseconds: a full disk need not fill the log as well. */
const retryMs = 10_000;
const formatVersion = 1;
/** Days whose sums are kept, the latest that were counted on. */
const daysMax = 4;
const fileName = "spend.json";

/**
 * Opens `spend.json`. Its sums count; damage or loss is reported in the log, and for the rest of the
 * day by readiness, because a budget of that day may be exceeded.
 */
export async function openSpendBook(
  directory: string,
  { clock, log, marks, adopted }: MarkKeeping & { clock: Pick<Clock, "now" | "after">; log: Log },
): Promise<SpendBook> {
  const path = join(directory, fileName);
  const mark = marks.get(fileName) as SpendMark | undefined;
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);
  /** By day: one that comes again, as when the clock is set back, continues with its sums. */
  const read = contentOf(await readOrNull(path));
  const days = daysOf(read);
  const found = faultAtStart(read, { marks, adopted });
  if (found !== undefined)
    log.error("spend.json is damaged: what was taken that day is not all known", { path, problem: found });
  /** The day whose sums may be too small, and why. */
  let doubt = found === undefined ? undefined : { day: mark?.day ?? today(), problem: found };
  let revision = Math.max(mark?.revision ?? 0, (read !== "damaged" && read?.revision) || 0);

  const spentToday = (): Map<string, Spent> => {
    const day = today();
    const spent = days.get(day) ?? new Map<string, Spent>();
    days.delete(day);
    days.set(day, spent);
    const [oldest = day] = days.keys();
    if (days.size > daysMax) days.delete(oldest);
    return spent;
  };
  let stopTimer: (() => void) | undefined;
  let saving = Promise.resolve();
  let closed = false;
  const save = () => {
    stopTimer?.();
    stopTimer = undefined;
    spentToday();
    const day = [...days.keys()].at(-1) ?? today();
    if (doubt?.day !== day) doubt = undefined;
    const next: SpendMark = { revision: ++revision, day, ...(doubt && { problem: doubt.problem }) };
    const line = textOf(next, days);
    saving = saving
      .then(() => writeAtomic(path, line))
      .then(() => marks.set(fileName, { ...next }))
      .catch((cause) => {
        log.error("spend.json cannot be written; it is tried again", describe(cause));
        if (!closed) stopTimer ??= clock.after(retryMs, save);
      });
  };

  return {
    spent: (provider) => spentToday().get(provider) ?? { usd: 0, tokens: 0 },
    add: (provider, { usd, tokens }) => {
      const spent = spentToday();
      const before = spent.get(provider) ?? { usd: 0, tokens: 0 };
      spent.set(provider, { usd: before.usd + usd, tokens: before.tokens + tokens });
      stopTimer ??= clock.after(saveEveryMs, save);
    },
    durable: {
      snapshot: async () => {
        if (stopTimer) save();
        await saving;
        return holdFiles(directory, [fileName]);
      },
      inspect: async function* () {
        await saving;
        // The mark first: a file that is written meanwhile is newer than it, and that is no problem.
        const problem = problemOf(marks.get(fileName) as SpendMark | undefined, await readOrNull(path));
        yield { progress: { done: 1, total: 1, of: place } };
        if (problem !== undefined) yield damage(place, problem, remedy);
      },
    },
    problems: () =>
      doubt?.day === today()
        ? [`${place}: ${doubt.problem}: today's budgets may be passed; ${acceptance(place)}`]
        : [],
    close: async () => {
      closed = true;
      if (stopTimer) save();
      await saving;
    },
  };
}

const remedy =
  "nothing to mend: the next call that is counted writes it anew from memory; after a start a provider may be used up to one more budget of the day";
const place = `chatd/${fileName}`;

/** As `faultOf`; one that the operator accepts is none any more. */
function faultAtStart(
  read: ReturnType<typeof contentOf>,
  { marks, adopted }: MarkKeeping,
): string | undefined {
  const fault = faultOf(marks.get(fileName) as SpendMark | undefined, read);
  if (fault === undefined || !adopted(place, fault)) return fault;
  marks.remove(fileName);
  return undefined;
}

function daysOf(read: Content | "damaged" | undefined): Map<string, Map<string, Spent>> {
  if (read === undefined || read === "damaged") return new Map();
  const sums = Object.entries({ ...read.others, [read.day]: read.spent });
  return new Map(sums.map(([day, spent]) => [day, new Map(Object.entries(spent))]));
}

function textOf({ revision, day }: SpendMark, days: ReadonlyMap<string, Map<string, Spent>>): string {
  const { [day]: spent = {}, ...others } = Object.fromEntries(
    [...days].map(([each, sums]) => [each, Object.fromEntries(sums)]),
  );
  const body = JSON.stringify({ version: formatVersion, revision, day, spent, others });
  return JSON.stringify({ crc32: Bun.hash.crc32(body), body });
}

/** What was written last, kept apart from the file. */
interface SpendMark {
  revision: number;
  day: string;
  /** Why the sums of that day may be too small. */
  problem?: string;
}

/** Why what was read is less than what was counted; undefined when it is all. */
function faultOf(mark: SpendMark | undefined, read: Content | "damaged" | undefined): string | undefined {
  if (read === "damaged") return "its checksum does not hold";
  if (mark === undefined || mark.revision === undefined) return undefined;
  if (mark.problem !== undefined) return mark.problem;
  if (read === undefined) return "the file is gone";
  const { revision = 0 } = read;
  return revision < mark.revision
    ? `it is an older copy: revision ${revision}, and ${mark.revision} was written`
    : undefined;
}

interface Content {
  /** Counts the writes; absent in a file of before there were marks. */
  revision?: number;
  day: string;
  spent: Record<string, Spent>;
  /** Days before it. */
  others?: Record<string, Record<string, Spent>>;
}

function contentOf(bytes: Uint8Array | null): Content | "damaged" | undefined {
  if (bytes === null) return undefined;
  try {
    const { crc32, body } = JSON.parse(new TextDecoder().decode(bytes)) as { crc32: number; body: string };
    if (Bun.hash.crc32(body) !== crc32) return "damaged";
    const content = JSON.parse(body) as Content & { version: number };
    if (content.version > formatVersion)
      throw new Error(`spend.json has format ${content.version}; this release knows ${formatVersion}`);
    return content;
  } catch (cause) {
    if (cause instanceof Error && cause.message.startsWith("spend.json has format")) throw cause;
    return "damaged";
  }
}

function problemOf(mark: SpendMark | undefined, bytes: Uint8Array | null): string | undefined {
  try {
    const fault = faultOf(mark, contentOf(bytes));
    return fault && `${fault}: after a start, what providers took today would be counted anew`;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
