/**
 * `Idempotency-Key`: the same key and request within 24 hours gets the first answer again; the same key with
 * another request is a 409. Answers are kept in a checksummed log that survives a crash.
 */
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "./clock.ts";
import type { Durable } from "./durable.ts";
import { fail, ServiceError } from "./errors.ts";
import { readOrNull, writeAtomic } from "./files.ts";
import { bothPoints, holdFiles } from "./held-files.ts";
import type { Log } from "./log.ts";
import { openLogTail } from "./log-tail.ts";
import { createTurns } from "./turns.ts";

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
  /** By the wall clock, milliseconds since the epoch: for the next start. */
  at: number;
  answer: unknown;
}

/** When it ends is told by the monotonic clock: one that is set forward or back forgets no key while we run. */
interface Kept {
  entry: Entry;
  endsMs: number;
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

/** Opens the log in the directory; damaged lines are told and left out. */
export async function openIdempotency(
  directory: string,
  clock: Clock,
  log?: Pick<Log, "warn">,
): Promise<Idempotency> {
  const path = join(directory, fileName);
  const entries = new Map<string, Kept>();
  const { kept, damaged } = await load(path, clock.now());
  if (damaged > 0)
    log?.warn("answers to Idempotency-Keys are lost: their lines were damaged", { path, damaged });
  for (const { entry, ageMs } of kept)
    entries.set(entry.key, { entry, endsMs: clock.elapsed() + windowMs - ageMs });
  const running = new Map<string, { fingerprint: string; answer: Promise<unknown> }>();
  /** Of work that is done, but could not be written down: a repeated request writes it and does nothing else. */
  const unwritten = new Set<Entry>();
  const tail = await openLogTail(path);
  const inTurn = createTurns();

  const keep = (entry: Entry) => {
    entries.delete(entry.key);
    entries.set(entry.key, { entry, endsMs: clock.elapsed() + windowMs });
    unwritten.add(entry);
    for (const [key, oldest] of entries) {
      if (entries.size <= entriesMax) break;
      entries.delete(key);
      unwritten.delete(oldest.entry);
    }
  };
  const write = (entry: Entry) =>
    inTurn(async () => {
      if (!unwritten.has(entry)) return;
      await tail.append(line(entry)).catch((cause) => {
        throw notRemembered(cause);
      });
      unwritten.delete(entry);
    });
  const run = async <T>(key: string, fingerprint: string, work: () => Promise<T>): Promise<T> => {
    const value = await work();
    const entry = { key, fingerprint, at: clock.now(), answer: value ?? null };
    keep(entry);
    await write(entry);
    return value;
  };

  return {
    once: async <T>(key: string, fingerprint: string, work: () => Promise<T>): Promise<T> => {
      const known = entries.get(key);
      const current = known && clock.elapsed() < known.endsMs ? known.entry : undefined;
      const earlier = running.get(key) ?? current;
      if (earlier && earlier.fingerprint !== fingerprint) {
        throw fail("idempotency_conflict", "this Idempotency-Key was used for another request");
      }
      const shared = running.get(key);
      if (shared) return shared.answer as Promise<T>;
      if (current) {
        await write(current);
        return current.answer as T;
      }
      const answer = run(key, fingerprint, work);
      running.set(key, { fingerprint, answer });
      try {
        return await answer;
      } finally {
        running.delete(key);
      }
    },
    close: () => inTurn(tail.close),
  };
}

/** The work is done: what the caller has to know is how to get its answer without doing it twice. */
const notRemembered = (cause: unknown): unknown =>
  cause instanceof ServiceError
    ? fail(
        cause.type,
        `this was carried out, but the answer for its Idempotency-Key could not be kept: ${cause.message}. Then send it again with the same key: it is not carried out twice`,
        { cause },
      )
    : cause;

/** Reads the log, drops what is too old or damaged, and writes it anew when anything has changed. */
async function load(
  path: string,
  now: number,
): Promise<{ kept: { entry: Entry; ageMs: number }[]; damaged: number }> {
  const { lines, whole, torn } = await linesIn(path);
  const read = lines.map(parseLine).filter((entry) => entry !== null) as Entry[];
  const latest = new Map(aged(read, now).map((each) => [each.entry.key, each]));
  const kept = [...latest.values()].filter(({ ageMs }) => ageMs < windowMs).slice(-entriesMax);
  // Needs no space, unlike writing it anew.
  if (torn) await truncate(path, whole);
  if (kept.length !== lines.length)
    await writeAtomic(path, kept.map(({ entry }) => line(entry)).join("")).catch((cause) => {
      // On a full disk the longer log does as well, until the next start.
      if (!(cause instanceof ServiceError)) throw cause;
    });
  return { kept, damaged: lines.length - read.length };
}

/**
 * The clock may have been set back or forward while they were made. None is older than one that stands before it, and
 * one from the future is new: a key may be kept for too long by that, and never ends early.
 */
function aged(entries: readonly Entry[], now: number): { entry: Entry; ageMs: number }[] {
  let latest = 0;
  return entries.map((entry) => {
    latest = Math.max(latest, entry.at);
    return { entry, ageMs: Math.max(0, now - latest) };
  });
}

/** The lines of the log; the last one of a writer that was killed is torn, and was never acknowledged. */
async function linesIn(path: string): Promise<{ lines: string[]; whole: number; torn: boolean }> {
  const bytes = (await readOrNull(path)) ?? new Uint8Array();
  const whole = bytes.lastIndexOf(0x0a) + 1;
  const lines = new TextDecoder().decode(bytes.subarray(0, whole)).split("\n");
  return { lines: lines.slice(0, -1), whole, torn: whole < bytes.length };
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
