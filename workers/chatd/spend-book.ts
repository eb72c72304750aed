/** What each provider took today (UTC), kept over restarts so that a budget means a day and not a process. */

import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { dropOldest } from "../../runtime/drop-oldest.ts";
import type { Durable } from "../../runtime/durable.ts";
import { readOrNull, writeAtomic } from "../../runtime/files.ts";
import { holdFiles } from "../../runtime/held-files.ts";
import { damage } from "../../runtime/inspect-line-log.ts";
import { describe, type Log } from "../../runtime/log.ts";

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

/** Opens `spend.json`. One that is damaged is told in the log, and counting starts anew. */
export async function openSpendBook(
  directory: string,
  { clock, log }: { clock: Pick<Clock, "now" | "after">; log: Log },
): Promise<SpendBook> {
  const path = join(directory, fileName);
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);
  /** By day: one that comes again, as by a clock that is set forward and back, goes on with what it had. */
  const days = new Map<string, Map<string, Spent>>();
  const read = contentOf(await readOrNull(path));
  if (read === "damaged") log.error("spend.json is damaged: today's spending is counted anew", { path });
  else if (read)
    for (const [day, spent] of Object.entries({ ...read.others, [read.day]: read.spent }))
      days.set(day, new Map(Object.entries(spent)));

  const spentToday = (): Map<string, Spent> => {
    const day = today();
    const spent = days.get(day) ?? new Map<string, Spent>();
    days.delete(day);
    days.set(day, spent);
    dropOldest(days, daysMax);
    return spent;
  };
  let stopTimer: (() => void) | undefined;
  let saving = Promise.resolve();
  let closed = false;
  const save = () => {
    stopTimer?.();
    stopTimer = undefined;
    const spent = Object.fromEntries(spentToday());
    const kept = [...days].map(([day, sums]) => [day, Object.fromEntries(sums)] as const);
    const [day] = kept.at(-1) ?? [today()];
    const others = Object.fromEntries(kept.slice(0, -1));
    const body = JSON.stringify({ version: formatVersion, day, spent, others });
    const line = JSON.stringify({ crc32: Bun.hash.crc32(body), body });
    saving = saving
      .then(() => writeAtomic(path, line))
      .catch((cause) => {
        log.error("spend.json cannot be written; it is tried again", describe(cause));
        if (!closed) stopTimer ??= clock.after(retryMs, save);
      });
  };

  return {
    spent: (provider) => {
      return spentToday().get(provider) ?? { usd: 0, tokens: 0 };
    },
    add: (provider, { usd, tokens }) => {
      const spent = spentToday();
      const before = spent.get(provider) ?? { usd: 0, tokens: 0 };
      spent.set(provider, { usd: before.usd + usd, tokens: before.tokens + tokens });
      stopTimer ??= clock.after(saveEveryMs, save);
    },
    durable: {
      point: async () => {
        if (stopTimer) save();
        await saving;
        return holdFiles(directory, [fileName]);
      },
      inspect: async function* () {
        const problem = problemOf(await readOrNull(path));
        yield { progress: { done: 1, total: 1, of: `chatd/${fileName}` } };
        if (problem !== undefined) yield damage(`chatd/${fileName}`, problem, remedy);
      },
    },
    close: async () => {
      closed = true;
      if (stopTimer) save();
      await saving;
    },
  };
}

const remedy =
  "nothing to mend: the next call that is counted writes it anew from memory; after a start a provider may be used up to one more budget of the day";

interface Content {
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

function problemOf(bytes: Uint8Array | null): string | undefined {
  try {
    return contentOf(bytes) === "damaged"
      ? "its checksum does not hold: after a start, what providers took today would be counted anew"
      : undefined;
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
