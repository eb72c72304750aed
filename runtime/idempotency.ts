/**
 * `Idempotency-Key`: the same key and request within 24 hours gets the first answer again; the same key with
 * another request is a 409. Answers are kept in a checksummed log that survives a crash.
 */
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "./clock.ts";
import type { Durable } from "./durable.ts";
import { fail } from "./errors.ts";
import { appendDurably, readOrNull, writeAtomic } from "./files.ts";
import { bothPoints, holdFiles } from "./held-files.ts";

export interface Idempotency {
  /**
   * Runs the work once for the key. `fingerprint` stands for the whole request; concurrent equal requests share
   * one run. Failures are not remembered: a retry tries again.
   */
  once: <T>(key: string, fingerprint: string, work: () => Promise<T>) => Promise<T>;
  close: () => Promise<void>;
}

interface Entry {
  key: string;
  fingerprint: string;
  at: number;
  answer: unknown;
}

/** The draft standard for Idempotency-Key leaves the window to the server; ours is promised in the README. */
const windowMs = 24 * 60 * 60 * 1000;
/** Keys kept; beyond, the oldest are forgotten first, so that the log cannot grow without bound. */
const entriesMax = 100_000;

const fileName = "idempotency.log";

const checksum = (text: string): string => Bun.hash.xxHash64(text).toString(16).padStart(16, "0");
const line = (entry: Entry): string => {
  const json = JSON.stringify(entry);
  return `${checksum(json)} ${json}\n`;
};

function parseLine(text: string): Entry | null {
  const json = text.slice(17);
  if (text[16] !== " " || checksum(json) !== text.slice(0, 16)) return null;
  return JSON.parse(json) as Entry;
}

export async function openIdempotency(directory: string, clock: Clock): Promise<Idempotency> {
  const path = join(directory, fileName);
  const entries = await load(path, clock.now());
  const running = new Map<string, { fingerprint: string; answer: Promise<unknown> }>();
  const log: FileHandle = await open(path, "a");

  const remember = async (entry: Entry) => {
    await appendDurably(log, line(entry));
    entries.set(entry.key, entry);
    for (const oldest of entries.keys()) {
      if (entries.size <= entriesMax) break;
      entries.delete(oldest);
    }
  };

  return {
    once: async <T>(key: string, fingerprint: string, work: () => Promise<T>): Promise<T> => {
      const known = entries.get(key);
      const current = known && clock.now() - known.at < windowMs ? known : undefined;
      const earlier = current ?? running.get(key);
      if (earlier && earlier.fingerprint !== fingerprint) {
        throw fail("idempotency_conflict", "this Idempotency-Key was used for another request");
      }
      if (current) return current.answer as T;
      const shared = running.get(key);
      if (shared) return shared.answer as Promise<T>;
      const answer = work();
      running.set(key, { fingerprint, answer });
      try {
        const value = await answer;
        await remember({ key, fingerprint, at: clock.now(), answer: value ?? null });
        return value;
      } finally {
        running.delete(key);
      }
    },
    close: () => log.close(),
  };
}

/** Reads the log, drops what is too old or damaged, and writes it anew when anything was dropped. */
async function load(path: string, now: number): Promise<Map<string, Entry>> {
  const { lines, torn } = await linesIn(path);
  const kept = lines.map(parseLine).filter((entry) => entry !== null && now - entry.at < windowMs) as Entry[];
  const entries = new Map(kept.slice(-entriesMax).map((entry) => [entry.key, entry]));
  if (torn || entries.size !== lines.length)
    await writeAtomic(path, [...entries.values()].map(line).join(""));
  return entries;
}

/** The lines of the log; the last one of a writer that was killed is torn, and was never acknowledged. */
async function linesIn(path: string): Promise<{ lines: string[]; torn: boolean }> {
  const bytes = await readOrNull(path);
  const lines = bytes === null ? [] : new TextDecoder().decode(bytes).split("\n");
  return { lines: lines.slice(0, -1), torn: (lines.at(-1) ?? "") !== "" };
}

/**
 * What a service keeps, with its remembered answers. They are fixed first: an answer that is in a point stands for a
 * change that is in it as well.
 */
export function withAnswers({ directory }: { directory: string }, name: string, kept?: Durable): Durable {
  const answers = () => holdFiles(directory, [fileName]);
  return {
    inspect: async function* (signal) {
      const { lines } = await linesIn(join(directory, fileName));
      for (const [at, text] of lines.entries()) {
        if (parseLine(text) !== null) continue;
        yield {
          finding: {
            severity: "damage",
            place: `${name}/${fileName} line ${at + 1}`,
            problem: "its checksum does not hold: the answer to one Idempotency-Key is lost",
            remedy:
              "nothing to mend: the line goes at the next start; a repeated request with that key runs again",
          },
        };
      }
      if (kept) yield* kept.inspect(signal);
    },
    point: kept ? () => bothPoints(answers, kept.point) : answers,
  };
}
