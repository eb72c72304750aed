/**
 * One writer for all: requests that wait are decided together, one after another, against the state as it will be;
 * their changes are appended with one fsync, then applied, then answered. While one batch is being stored the next
 * gathers. When it cannot be stored, the whole batch is refused and nothing of it was applied.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import { memoryPerByte, type Store } from "../log/log.ts";
import type { Times, TraceTable } from "../traces/traces.ts";
import { createDraft, type Draft } from "./draft.ts";

interface Work<R> {
  plan: (draft: Draft) => R;
  /** Estimated bytes it adds to the log. */
  bytes: number;
  signal: AbortSignal;
  /** Written with its changes. */
  operation?: string | undefined;
  /** Accepted even when the log or the memory is full. */
  always?: boolean;
}

export interface Writer {
  /** Resolves with what the plan gave once its changes are durable and applied. Throws what the plan throws. */
  write: <R>(work: Work<R>) => Promise<R>;
  /** Writes the log anew, when no change is under way. */
  compact: () => ReturnType<Store["compact"]>;
  /** Runs the work when no change is under way, and none begins meanwhile. */
  alone: <R>(work: () => Promise<R>) => Promise<R>;
  /** Resolves when the changes that are being stored have been applied or refused; those after get later times. */
  settled: () => Promise<void>;
  waiting: () => number;
  /** Ends what was begun; begins no more. */
  stop: () => Promise<void>;
}

interface WriterOptions {
  table: TraceTable;
  store: Store;
  times: Times;
  /** `memoryBytesMax` bounds the log, too: all of it is held. */
  limits: { waitingMax: number; logBytesMax: number; memoryBytesMax?: number };
  /** Asked after each batch: whether to write the log anew. */
  pays: () => boolean;
  /** Resolves when nobody needs the operations of changes any more: a compaction packs replays without them. */
  settled: () => Promise<void>;
  /** A compaction that nobody asked for failed: the log is as it was. */
  onFailedCompaction: (cause: unknown) => void;
}

/** Largest batch: what is lost to one failure, and about 30 ms of writing. */
const batchBytesMax = 8 * 1024 * 1024;
/** Bytes that may wait. */
const waitingBytesMax = 64 * 1024 * 1024;

interface Waiting extends Work<unknown> {
  resolve: (value: never) => void;
  reject: (cause: unknown) => void;
}

export function createWriter(options: WriterOptions): Writer {
  const { table, store, times, limits, pays, settled, onFailedCompaction } = options;
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  let stopping = false;
  let running: Promise<void> | undefined;
  let storing: Promise<void> | undefined;
  const tasks: (() => Promise<void>)[] = [];
  const compactions: PromiseWithResolvers<Awaited<ReturnType<Store["compact"]>>>[] = [];

  const takeBatch = (): Waiting[] => {
    const batch = firstOf(queue);
    for (const work of batch) queuedBytes -= work.bytes;
    return batch;
  };
  const compactNow = async () => {
    const asked = compactions.splice(0);
    try {
      await settled();
      const outcome = await store.compact();
      for (const { resolve } of asked) resolve(outcome);
    } catch (cause) {
      for (const { reject } of asked) reject(cause);
      if (asked.length === 0) onFailedCompaction(cause);
    }
  };
  const run = async () => {
    // Requests of this tick go into the first batch.
    await Promise.resolve();
    while (queue.length > 0 || compactions.length > 0 || tasks.length > 0) {
      if (queue.length > 0) {
        storing = storeBatch(takeBatch(), { table, store, times, ...limits });
        await storing;
      }
      if (compactions.length > 0 || pays()) await compactNow();
      for (const task of tasks.splice(0)) await task();
    }
    running = undefined;
  };
  const refuseWhenFull = (bytes: number) => {
    if (stopping) throw fail("unavailable", "pathwayd is stopping", { retryAfterSeconds: 1 });
    const fits = queuedBytes === 0 || queuedBytes + bytes <= waitingBytesMax;
    if (queue.length < limits.waitingMax && fits) return;
    throw fail("too_many_requests", `${queue.length} changes wait to be stored already`, {
      retryAfterSeconds: 1,
    });
  };
  return {
    write: (work) =>
      new Promise((resolve, reject) => {
        refuseWhenFull(work.bytes);
        queue.push({ ...work, resolve, reject });
        queuedBytes += work.bytes;
        running ??= run();
      }),
    compact: async () => {
      refuseWhenFull(0);
      const asked = Promise.withResolvers<Awaited<ReturnType<Store["compact"]>>>();
      compactions.push(asked);
      running ??= run();
      return asked.promise;
    },
    alone: (work) =>
      new Promise((resolve, reject) => {
        refuseWhenFull(0);
        tasks.push(() => settled().then(work).then(resolve, reject));
        running ??= run();
      }),
    settled: async () => storing,
    waiting: () => queue.length,
    stop: async () => {
      stopping = true;
      await running;
      await store.close();
    },
  };
}

/** Takes as much from the queue as fits into a batch. */
function firstOf(queue: Waiting[]): Waiting[] {
  let bytes = 0;
  const fits = queue.findIndex((work, at) => {
    bytes += work.bytes;
    return at > 0 && bytes > batchBytesMax;
  });
  return queue.splice(0, fits < 0 ? queue.length : fits);
}

async function storeBatch(
  batch: readonly Waiting[],
  {
    table,
    store,
    times,
    logBytesMax,
    memoryBytesMax = Number.POSITIVE_INFINITY,
  }: Pick<WriterOptions, "table" | "store" | "times"> & WriterOptions["limits"],
): Promise<void> {
  const draft = createDraft(table, times);
  let bytes = store.bytes();
  const answers = batch.map(
    ({ plan, bytes: more, signal, operation, always, resolve, reject }): (() => void) => {
      try {
        if (signal.aborted) throw fail("client_closed", "the caller went away");
        if (bytes + more > logBytesMax && !always) throw logFull(logBytesMax);
        const memoryBytes = (bytes + more) * memoryPerByte;
        if (memoryBytes > memoryBytesMax && !always) throw memoryFull(memoryBytes, memoryBytesMax);
        draft.operation = operation;
        const value = plan(draft);
        bytes += more;
        return () => resolve(value as never);
      } catch (cause) {
        return () => reject(cause);
      }
    },
  );
  try {
    if (draft.changes.length > 0) await store.append(draft.changes);
  } catch (cause) {
    // A refusal may rest on a change that was not stored: all get the same answer.
    for (const { reject } of batch) reject(cause);
    return;
  }
  for (const change of draft.changes) table.apply(change);
  for (const answer of answers) answer();
}

const memoryFull = (needed: number, budget: number) =>
  fail(
    "memory_full",
    `traces would take about ${needed} bytes of memory, and pathwayd.max_memory_bytes is ${budget}: raise it, or compact when there are many replays`,
    { details: { needed_bytes: needed, budget_bytes: budget } },
  );

const logFull = (logBytesMax: number) =>
  fail(
    "storage_full",
    `the log is as large as pathwayd.max_log_bytes (${logBytesMax}) allows: raise it, or compact when there are many replays`,
  );
