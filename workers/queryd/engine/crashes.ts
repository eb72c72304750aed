/** Statements that ended their process: after two of them the statement is refused for a while. */
import { LRUCache } from "lru-cache";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

const crashesMax = 2;
/** How long a crash counts, in milliseconds. */
const countedMs = 10 * 60 * 1000;
/** Statements remembered. */
const keptMax = 1000;

interface Crashes {
  add: (statement: string) => void;
  /** Throws `engine_crashed` for a statement that crashed too often lately. */
  check: (statement: string) => void;
}

export function createCrashes(clock: Pick<Clock, "elapsed">): Crashes {
  const seen = new LRUCache<string, number[]>({ max: keptMax });
  const lately = (key: string) => (seen.get(key) ?? []).filter((at) => clock.elapsed() - at < countedMs);
  return {
    add: (statement) => {
      const key = keyOf(statement);
      seen.set(key, [...lately(key), clock.elapsed()]);
    },
    check: (statement) => {
      if (seen.size === 0) return;
      const times = lately(keyOf(statement));
      const last = times.at(-1);
      if (last === undefined || times.length < crashesMax) return;
      const leftMs = countedMs - (clock.elapsed() - last);
      throw fail(
        "engine_crashed",
        `the statement crashed DuckDB ${times.length} times; it is refused for ${Math.ceil(leftMs / 60_000)} minutes more`,
      );
    },
  };
}

const keyOf = (statement: string): string =>
  new Bun.CryptoHasher("sha256").update(statement).digest("base64");
