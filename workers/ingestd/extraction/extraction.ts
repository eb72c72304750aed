/**
 * Text out of files of strangers, in disposable processes (ADR 0160): bounded in memory and time, without network, killed
 * when they are late. What a file does to one of them is that file's error.
 */
import { availableParallelism } from "node:os";
import { createChildPool, stopped } from "../../../runtime/child/child.ts";
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import { type Clock, createLimiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Log, Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { type Division, type Extracted, type Extractor, extractor, type Taken } from "./child.ts";

export type { Chunk, Division, Extracted, Facts, Taken, Unpacked } from "./child.ts";

interface File {
  path: string;
  /** As the client calls it. */
  name: string;
  mediaType: string;
}

type Unpacking = ReplyOf<Extractor["endpoints"]["unpack"]>;

export type Taking = InputOf<Extractor["endpoints"]["take"]>;

export interface Extraction {
  /** Throws what is wrong with the file, `timeout` and `resource_exhausted` among it, or the signal's reason. */
  extract: (file: File, division: Division, signal: AbortSignal) => Promise<Extracted>;
  /** The files of an archive; null for what is none. */
  unpack: (
    file: File,
    into: { folder: string; filesMax: number; bytesMax: number; fileBytesMax?: number },
    signal: AbortSignal,
  ) => Promise<Unpacking>;
  /** The rows of a file that holds a table, as lines of JSON in `into`. It ends by the signal alone. */
  take: (asked: Taking, signal: AbortSignal) => Promise<Taken>;
  /** How many files are worked on at once. */
  atOnce: number;
  /** Why no document can be read now. */
  problems: () => string[];
  stop: () => Promise<void>;
}

interface ExtractionOptions {
  /** The files that are read, and the folders that archives are unpacked into. */
  workDirectory: string;
  /** Of all children together, in bytes. */
  memoryBytesMax: number;
  fileBytesMax: number;
  /** Of one file. */
  timeoutMs: number;
  /** The longest that any work takes. */
  longestMs: number;
  directory: string;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

const atOnceMax = 4;
/** A child that does not end by itself when its work was given up. */
const graceMs = 1000;
/** Longest text of a document: a thousand books' pages of it are rows that nobody reads. */
const textMax = 32 * 1024 * 1024;

export function openExtraction(options: ExtractionOptions): Extraction {
  const {
    workDirectory,
    memoryBytesMax,
    fileBytesMax,
    timeoutMs,
    longestMs,
    directory,
    clock,
    log,
    metrics,
  } = options;
  const atOnce = Math.min(atOnceMax, availableParallelism());
  const pool = createChildPool({
    contract: extractor,
    entry: program("workers/ingestd/extraction/main.ts"),
    init: {},
    scratch: directory,
    readable: [workDirectory],
    writable: async () => [workDirectory],
    openFilesMax: 256,
    // The deadline of a file ends its call first.
    callTimeoutMs: longestMs,
    graceMs,
    memoryBytesMax,
    // Documents come seldom: none is kept for them, so that idle the product is as small as without.
    idleMin: 0,
    called: "extraction_process",
    clock,
    log,
    metrics,
  });
  const limiter = createLimiter(atOnce);
  const stopping = new AbortController();
  type Verbs = Awaited<ReturnType<typeof pool.lease>>["verbs"];
  const within = async <T>(
    given: AbortSignal,
    work: (verbs: Verbs) => Promise<T>,
    isTimed = true,
  ): Promise<T> => {
    const signal = AbortSignal.any([given, stopping.signal]);
    const free = await limiter.take(signal);
    try {
      const child = await pool.lease(signal);
      const end = () => child.kill(signal.reason instanceof ServiceError ? signal.reason : stopped());
      signal.addEventListener("abort", end, { once: true });
      const late = () => child.kill(tooLate(timeoutMs));
      const forget = isTimed ? clock.after(timeoutMs, late) : () => {};
      try {
        return await work(child.verbs);
      } finally {
        forget();
        signal.removeEventListener("abort", end);
        child.release();
      }
    } finally {
      free();
    }
  };
  return {
    atOnce,
    problems: pool.problems,
    extract: ({ path, name, mediaType }, division, signal) =>
      within(signal, (verbs) => verbs.extract({ path, name, mediaType, division, textMax })),
    unpack: ({ path, name }, { folder, ...limits }, signal) =>
      within(signal, (verbs) => verbs.unpack({ path, name, into: folder, fileBytesMax, ...limits })),
    // The time that a table may take grows with its file: it is the ingest's.
    take: (asked, signal) => within(signal, (verbs) => verbs.take(asked), false),
    stop: () => {
      stopping.abort(stopped());
      return pool.stop();
    },
  };
}

const tooLate = (ms: number) =>
  fail("timeout", `the file was not read within ${ms} ms, which ingestd.document_timeout_ms sets`);
