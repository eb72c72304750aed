/**
 * `Idempotency-Key`: the same key and request within 24 hours is carried out once, and answered alike; the same key with
 * another request is a 409. A key is reserved on stable storage before its work begins, with a name for the work that
 * goes into what the work leaves behind: so that a kill at any instant leaves a trace by which it is known what was done.
 */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { bothSnapshots, type Durable, isCompleteLine, linesOf } from "../durable/durable.ts";
import { fail, isNothingDone, ServiceError } from "../errors/errors.ts";
import { closedLog, damage, logDamageOf, type MarkKeeping } from "../line-log/line-log.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Log } from "../telemetry/telemetry.ts";
import { createEnds } from "./ends.ts";
import { type KeyLog, openKeyLog } from "./key-log.ts";
import { type Entry, windowMs } from "./slots.ts";

/** One piece of work under a key. */
export interface Operation {
  /** Unguessable. Whatever the work stores holds it, in the same write. */
  id: string;
  /** It may have been done already, by a run whose end was not recorded. */
  again: boolean;
  /** What was so before the first run, where the work asked for it. */
  before?: unknown;
  /** What the service found of it when it started: it was done. */
  found?: unknown;
}

/**
 * Whether work may be run again after a kill. `true`: it finds by its operation what it did before, and what it answered.
 * `again`: as much, or done twice it leaves the same behind; but the answer may be another one.
 */
export type Resumable = true | "again";

interface OnceRules {
  resumable?: Resumable | undefined;
  /** Looked up before the first run, and kept with the key: JSON. */
  before?: () => Promise<unknown>;
}

export interface Idempotency {
  /**
   * Runs the work once for the key. `fingerprint` stands for the whole request; concurrent equal requests share
   * one run. Failures by which nothing was done are not remembered: a retry tries again. Throws `outcome_unknown` where
   * an earlier run may have done it and the work cannot find out.
   */
  once: <T>(
    key: string,
    fingerprint: string,
    work: (operation: Operation) => Promise<T>,
    rules?: OnceRules,
  ) => Promise<T>;
  /** Binds the key to what it stands for, where somebody else does the work and keeps its end. */
  bind: (key: string, fingerprint: string) => Promise<void>;
  /** Whether the end of this operation is not known. */
  isOpen: (operation: string) => boolean;
  /** At a start: keeps what the service has read of an operation without a recorded end, for a repeated request. */
  found: (operation: string | undefined, what: () => unknown) => void;
  /** Resolves when the ends of all that has ended are written down. */
  settled: () => Promise<void>;
  /**
   * Forgets the answers of which `is` says so, and the keys that are told so themselves; gives how many there are. A
   * request that is repeated with such a key is not carried out again: it is a `conflict` that says why.
   */
  redact: (is: (value: unknown) => boolean, dryRun?: boolean) => Promise<number>;
  durable: (service: string) => Durable;
  problems: () => string[];
  close: () => Promise<void>;
}

/** Opens the keys in the directory; damaged lines are logged and set aside. Worse damage closes the keys, and nothing else. */
export async function openIdempotency(
  directory: string,
  clock: Pick<Clock, "now" | "elapsed">,
  { kept, log }: { kept: MarkKeeping; log?: Pick<Log, "warn" | "error"> },
): Promise<Idempotency> {
  try {
    const keys = await openKeyLog({ directory, clock, kept, log });
    const damaged = await takeFormerAnswers(directory, clock.now(), keys.write);
    if (damaged > 0)
      log?.warn("answers to Idempotency-Keys are lost: their lines were damaged", { directory, damaged });
    return createIdempotency(keys, log);
  } catch (cause) {
    if (!(cause instanceof ServiceError) || cause.type !== "corrupt") throw cause;
    log?.error("Idempotency-Keys cannot be read: requests with one are refused", describe(cause));
    return closedIdempotency(cause);
  }
}

interface Ended<T> {
  answer: T;
  /** Resolves when its end is written. */
  written?: Promise<void>;
}

function createIdempotency(keys: KeyLog, log: Pick<Log, "warn"> | undefined): Idempotency {
  const ends = createEnds(keys, log);
  const shared = createSharedRuns();
  const known = async (key: string, fingerprint: string) => {
    const found = await ends.find(key);
    if (found && found.fingerprint !== fingerprint) throw otherRequest();
    return found;
  };
  const run = async <T>(
    key: string,
    fingerprint: string,
    work: (operation: Operation) => Promise<T>,
    { resumable, before: look }: OnceRules,
  ): Promise<Ended<T>> => {
    const earlier = await known(key, fingerprint);
    if (earlier?.erased) throw erasedSince();
    if (earlier?.state === "done") return { answer: earlier.answer as T };
    if (earlier && !resumable) throw unknownOutcome();
    const id = earlier?.operation ?? crypto.randomUUID();
    const before = earlier ? earlier.before : await look?.();
    const entry = { key, fingerprint, operation: id, ...(before !== undefined && { before }) };
    if (!earlier) await keys.write({ ...entry, state: "reserved" });
    try {
      const answer = await work({ id, again: earlier !== undefined, before, ...ends.foundOf(earlier) });
      const written = ends.write({ ...entry, state: "done", answer: answer ?? null });
      // Only this line knows it then: the work cannot find out.
      if (resumable !== true) await written;
      return { answer, written };
    } catch (cause) {
      // Of an earlier run this one knows nothing.
      if (!earlier && isNothingDone(cause)) await ends.write({ ...entry, state: "free" });
      throw cause;
    }
  };

  return {
    once: (key, fingerprint, work, rules = {}) =>
      shared(key, fingerprint, () => run(key, fingerprint, work, rules)),
    bind: (key, fingerprint) =>
      shared(key, fingerprint, async () => {
        if (await known(key, fingerprint)) return { answer: undefined };
        const bound = { key, fingerprint, operation: "", state: "done" as const, answer: null };
        return { answer: undefined, written: ends.write(bound) };
      }),
    isOpen: (operation) => keys.keyOf(operation) !== undefined,
    found: ends.found,
    settled: ends.settled,
    redact: async (is, dryRun = false) => {
      await ends.settled();
      const count = await keys.redact(is, dryRun);
      if (!dryRun) ends.redact(is);
      return count;
    },
    durable: (service) => ({
      inspect: (signal) => keys.inspect(service, signal),
      snapshot: keys.snapshot,
    }),
    problems: keys.problems,
    close: async () => {
      await ends.settled();
      await keys.close();
    },
  };
}

/** One run at a time for each key; equal requests share it. */
function createSharedRuns() {
  const running = new Map<string, { fingerprint: string; answer: Promise<unknown> }>();
  return async <T>(key: string, fingerprint: string, begin: () => Promise<Ended<T>>): Promise<T> => {
    const other = running.get(key);
    if (other && other.fingerprint !== fingerprint) throw otherRequest();
    if (other) return other.answer as Promise<T>;
    const ran = begin();
    const answer = ran.then((ended) => ended.answer);
    running.set(key, { fingerprint, answer });
    // Until the end is written, this is where it is known from.
    const forget = () => void running.delete(key);
    ran.then(({ written }) => (written ? written.then(forget) : forget()), forget);
    return answer;
  };
}

/** The verb, unless the start has found that it was done: then what was found is the answer, in the verb's own form. */
export const unlessFound =
  <F, I, C extends { operation?: Operation }, R>(
    verb: (input: I, context: C) => Promise<R>,
    answer: (found: F) => R,
  ) =>
  async (input: I, context: C): Promise<R> =>
    context.operation?.found === undefined ? verb(input, context) : answer(context.operation.found as F);

const otherRequest = () => fail("idempotency_conflict", "this Idempotency-Key was used for another request");

const erasedSince = () =>
  fail(
    "conflict",
    "what the request with this Idempotency-Key was about has been erased since, and it is not carried out again: if it is meant to be, send it with another key",
  );

const unknownOutcome = () =>
  fail(
    "outcome_unknown",
    "an earlier request with this Idempotency-Key ended before its outcome was known, and it is not carried out twice: look with GET whether it was, and send it with another key if it was not",
  );

/** The keys cannot be read: what was done under them is not known. That is a finding; all else is inspected. */
export function closedIdempotency(why: ServiceError): Idempotency {
  const refuse = () => Promise.reject(why);
  return {
    once: refuse,
    bind: refuse,
    isOpen: () => false,
    found: () => {},
    settled: async () => {},
    redact: refuse,
    durable: (service) => ({
      inspect: async function* () {
        const log = logDamageOf(why);
        yield log ? closedLog(log) : damage(`${service}/`, why.message, "the problem says what to do");
      },
      snapshot: refuse,
    }),
    problems: () => [why.message],
    close: async () => {},
  };
}

/**
 * What a service keeps, with its keys. They are fixed first: an answer that is in a snapshot stands for a change that is in
 * it as well.
 */
export function withKeys(keys: Durable, kept?: Durable): Durable {
  return {
    inspect: async function* (signal) {
      yield* keys.inspect(signal);
      if (kept) yield* kept.inspect(signal);
    },
    snapshot: kept ? () => bothSnapshots(keys.snapshot, kept.snapshot) : keys.snapshot,
  };
}

// Answers as earlier versions kept them: `idempotency.log`, a line of checksum and JSON for each.

interface Former {
  key: string;
  fingerprint: string;
  at: number;
  answer: unknown;
}

/** Hands over what still counts, then deletes the file. Gives how many lines could not be read; 0 where there is no file. */
async function takeFormerAnswers(
  directory: string,
  now: number,
  keep: (entry: Omit<Entry, "at">) => Promise<void>,
): Promise<number> {
  const path = join(directory, "idempotency.log");
  let damaged = 0;
  for await (const line of linesOf(path)) {
    if (!isCompleteLine(line)) break;
    const former = parse(line.bytes.toString("utf8", 0, line.bytes.length - 1));
    if (former === undefined) damaged += 1;
    else if (now - former.at < windowMs) {
      const { key, fingerprint, answer } = former;
      await keep({ key, fingerprint, operation: crypto.randomUUID(), state: "done", answer });
    }
  }
  await rm(path, { force: true });
  return damaged;
}

function parse(text: string): Former | undefined {
  const json = text.slice(17);
  const checksum = Bun.hash.xxHash64(json).toString(16).padStart(16, "0");
  return text[16] === " " && checksum === text.slice(0, 16) ? (JSON.parse(json) as Former) : undefined;
}
