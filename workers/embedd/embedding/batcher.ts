/**
 * The queue before the providers. It holds texts, not requests: requests for the same text share one fetch, waiting texts of
 * one model are batched, and a text that no request waits for any more is not fetched.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import {
  keyOf,
  type Model,
  type Provider,
  type ProviderLimits,
  TextTooLong,
} from "../providers/providers.ts";

export interface QueuedText {
  /** Identifies model and text. */
  key: string;
  text: string;
}

interface Fetched {
  vector: Float32Array;
  /** This text's share of the tokens of its call. */
  tokens: number;
}

/** One call for texts that fit the provider's limits. */
export type FetchBatch = (
  model: Model,
  texts: readonly QueuedText[],
  signal: AbortSignal,
) => Promise<Fetched[]>;

interface Batcher {
  /**
   * The vectors of texts with different keys, in their order. Throws `too_many_requests` when the queue is full,
   * TextFailure when one of the texts does not fit the model, the provider's error, or the signal's reason.
   */
  fetch: (model: Model, texts: readonly QueuedText[], signal: AbortSignal) => Promise<Fetched[]>;
  /** Texts that are queued or being fetched. */
  waiting: () => number;
  /** Rejects all waiting and later requests, and aborts the calls. */
  stop: (reason: Error) => void;
}

/** A text that is too long for the model, named by its key. */
export class TextFailure extends Error {
  readonly key: string;

  constructor(key: string, cause: TextTooLong) {
    super(cause.message, { cause });
    this.key = key;
  }
}

interface Entry extends QueuedText {
  /** The texts of its request that are still queued. */
  request: Set<Entry>;
  bytes: number;
  waiters: number;
  settled: boolean;
  done: PromiseWithResolvers<Fetched>;
  batch?: Batch;
}

interface Batch {
  entries: Entry[];
  controller: AbortController;
}

/** The queue of one provider: requests by model, served round robin. */
interface ProviderQueue {
  running: number;
  queues: Map<string, { model: Model; requests: Set<Set<Entry>> }>;
}

export function createBatcher(fetchBatch: FetchBatch, waitingMax: number): Batcher {
  const pending = new Map<string, Entry>();
  const queuesByProvider = new Map<Provider, ProviderQueue>();
  let stopped: Error | undefined;

  const { settle, run } = createDelivery(fetchBatch, pending);

  const startBatches = (provider: Provider, own: ProviderQueue) => {
    while (own.running < provider.limits.calls) {
      const next = nextBatch(provider, own);
      if (!next) return;
      own.running += 1;
      void run(next.model, next.batch.entries, next.batch.controller.signal).finally(() => {
        own.running -= 1;
        startBatches(provider, own);
      });
    }
  };

  const enqueue = (model: Model, wanted: readonly QueuedText[]) => {
    const { provider } = model;
    const own = queuesByProvider.get(provider) ?? { running: 0, queues: new Map() };
    queuesByProvider.set(provider, own);
    const key = keyOf(model);
    const queue = own.queues.get(key) ?? { model, requests: new Set() };
    own.queues.set(key, queue);
    const request = new Set<Entry>();
    queue.requests.add(request);
    for (const text of wanted) {
      const entry = newEntry(text, request);
      pending.set(entry.key, entry);
      request.add(entry);
    }
    // Not at once, so that texts requested in the same tick share a batch.
    queueMicrotask(() => startBatches(provider, own));
  };

  /** Drops an entry without waiters from the queue, or aborts its batch when no entry of it has waiters. */
  const drop = (entry: Entry) => {
    if (!entry.batch) {
      pending.delete(entry.key);
      entry.request.delete(entry);
      return;
    }
    if (entry.batch.entries.some(({ waiters, settled }) => waiters > 0 && !settled)) return;
    for (const { key } of entry.batch.entries)
      if (pending.get(key)?.batch === entry.batch) pending.delete(key);
    entry.batch.controller.abort(fail("client_closed", "nobody waits for these texts any more"));
  };

  const fetch: Batcher["fetch"] = async (model, texts, signal) => {
    signal.throwIfAborted();
    if (stopped) throw stopped;
    const fresh = texts.filter(({ key }) => !pending.has(key));
    if (pending.size + fresh.length > waitingMax) throw full(pending.size, fresh.length, waitingMax);
    if (fresh.length > 0) enqueue(model, fresh);
    const entries = texts.map(({ key }) => pending.get(key) as Entry);
    for (const entry of entries) entry.waiters += 1;
    try {
      return await unlessAborted(Promise.all(entries.map(({ done }) => done.promise)), signal);
    } finally {
      for (const entry of entries) entry.waiters -= 1;
      for (const entry of entries) if (entry.waiters === 0 && !entry.settled) drop(entry);
    }
  };

  const stop = (reason: Error) => {
    stopped = reason;
    for (const { queues } of queuesByProvider.values()) queues.clear();
    for (const entry of [...pending.values()]) {
      settle(entry, ({ reject }) => reject(reason));
      entry.batch?.controller.abort(reason);
    }
  };

  return { fetch, waiting: () => pending.size, stop };
}

/** Settles entries with their vectors or an error, and removes them from `pending`. */
function createDelivery(fetchBatch: FetchBatch, pending: Map<string, Entry>) {
  const settle = (entry: Entry, outcome: (done: Entry["done"]) => void) => {
    entry.settled = true;
    if (pending.get(entry.key) === entry) pending.delete(entry.key);
    outcome(entry.done);
  };

  /** Fetches the entries; when one is too long, halves them until it is alone, so that only it fails. */
  const run = async (model: Model, entries: Entry[], signal: AbortSignal): Promise<void> => {
    try {
      const fetched = await fetchBatch(model, entries, signal);
      for (const [at, entry] of entries.entries())
        settle(entry, ({ resolve }) => resolve(fetched[at] as Fetched));
    } catch (cause) {
      if (cause instanceof TextTooLong && entries.length > 1) {
        const half = Math.ceil(entries.length / 2);
        await run(model, entries.slice(0, half), signal);
        return run(model, entries.slice(half), signal);
      }
      for (const entry of entries) {
        const reason = cause instanceof TextTooLong ? new TextFailure(entry.key, cause) : cause;
        settle(entry, ({ reject }) => reject(reason));
      }
    }
  };

  return { settle, run };
}

function newEntry({ key, text }: QueuedText, request: Set<Entry>): Entry {
  const done = Promise.withResolvers<Fetched>();
  // Waiters get the rejection; one without waiters is not an unhandled rejection.
  done.promise.catch(() => {});
  return { key, text, request, bytes: Buffer.byteLength(text), waiters: 0, settled: false, done };
}

/** Takes the next batch: texts of one model, as many as one call may have. */
function nextBatch(
  { limits }: Provider,
  { queues }: ProviderQueue,
): { model: Model; batch: Batch } | undefined {
  for (const [key, queue] of queues) {
    // To the end, so that a long list of one model does not delay the other models.
    queues.delete(key);
    const entries = takeRoundRobin(queue.requests, limits);
    if (queue.requests.size > 0) queues.set(key, queue);
    if (entries.length === 0) continue;
    const batch: Batch = { entries, controller: new AbortController() };
    for (const entry of entries) entry.batch = batch;
    return { model: queue.model, batch };
  }
  return undefined;
}

/** One text of each request round robin, so that a single text beside a long list is in the next batch. */
function takeRoundRobin(requests: Set<Set<Entry>>, limits: ProviderLimits): Entry[] {
  const taken: Entry[] = [];
  let bytes = 0;
  for (const request of requests) {
    const [entry] = request;
    const isFull = taken.length >= limits.texts || bytes + (entry?.bytes ?? 0) > limits.bytes;
    // It stays queued, as the first of the next batch.
    if (entry && isFull && taken.length > 0) break;
    requests.delete(request);
    if (!entry) continue;
    request.delete(entry);
    taken.push(entry);
    bytes += entry.bytes;
    // Re-added at the end, where this loop reaches it again.
    if (request.size > 0) requests.add(request);
  }
  return taken;
}

const full = (waiting: number, asked: number, most: number) =>
  fail(
    "too_many_requests",
    `${waiting} texts wait for a provider and ${asked} more were asked for; max_waiting allows ${most}`,
    { retryAfterSeconds: 1 },
  );

/** Rejects with the signal's reason as soon as it aborts. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = () => reject(signal.reason);
  signal.addEventListener("abort", stop, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", stop));
}
