/** What each provider took today (UTC), kept over restarts so that a budget means a day and not a process. */
import { join } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import { readOrNull, writeAtomic } from "../../runtime/files.ts";
import { describe, type Log } from "../../runtime/log.ts";

export interface Spent {
  usd: number;
  tokens: number;
}

export interface SpendBook {
  /** Today's. */
  spent: (provider: string) => Spent;
  add: (provider: string, amount: Spent) => void;
  /** Writes what is not yet written. */
  close: () => Promise<void>;
}

/** What `kill -9` may forget, in milliseconds: money is counted, not accounted. */
const saveEveryMs = 1000;
/** Wait before a write that failed is tried again, in milliseconds: a full disk need not fill the log as well. */
const retryMs = 10_000;
const formatVersion = 1;

/** Opens `spend.json`. One that is damaged is told in the log, and counting starts anew. */
export async function openSpendBook(
  directory: string,
  { clock, log }: { clock: Pick<Clock, "now" | "after">; log: Log },
): Promise<SpendBook> {
  const path = join(directory, "spend.json");
  const today = () => new Date(clock.now()).toISOString().slice(0, 10);
  let day = today();
  let spent = new Map<string, Spent>();
  const read = contentOf(await readOrNull(path));
  if (read === "damaged") log.error("spend.json is damaged: today's spending is counted anew", { path });
  else if (read?.day === day) spent = new Map(Object.entries(read.spent));

  const turn = () => {
    if (day === today()) return;
    day = today();
    spent = new Map();
  };
  let stopTimer: (() => void) | undefined;
  let saving = Promise.resolve();
  let closed = false;
  const save = () => {
    stopTimer?.();
    stopTimer = undefined;
    const body = JSON.stringify({ version: formatVersion, day, spent: Object.fromEntries(spent) });
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
      turn();
      return spent.get(provider) ?? { usd: 0, tokens: 0 };
    },
    add: (provider, { usd, tokens }) => {
      turn();
      const before = spent.get(provider) ?? { usd: 0, tokens: 0 };
      spent.set(provider, { usd: before.usd + usd, tokens: before.tokens + tokens });
      stopTimer ??= clock.after(saveEveryMs, save);
    },
    close: async () => {
      closed = true;
      if (stopTimer) save();
      await saving;
    },
  };
}

interface Content {
  day: string;
  spent: Record<string, Spent>;
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
