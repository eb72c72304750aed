/**
 * The line before the providers. Texts wait in it, not requests: who asks for a text that is on its way shares it,
 * texts of one model that wait together travel together, and a text nobody waits for any more is not fetched.
 */
import { fail } from "../../runtime/errors.ts";
import { keyOf, type Model } from "./model-id.ts";
import { type Provider, type ProviderLimits, TextTooLong } from "./provider.ts";

export interface Wanted {
  /** Of model and text; what makes two texts the same. */
  key: string;
  text: string;
}

export interface Fetched {
  vector: Float32Array;
  /** This text's share of the tokens of its call. */
  tokens: number;
}

/** One call for texts that fit the provider's limits. */
export type FetchBatch = (model: Model, texts: readonly Wanted[], signal: AbortSignal) => Promise<Fetched[]>;

export interface Batcher {
  /**
   * The vectors of texts with different keys, in their order. Throws `too_many_requests` when the line is full,
   * TextFailure when one of the texts does not fit the model, the provider's error, or the signal's reason.
   */
  fetch: (model: Model, texts: readonly Wanted[], signal: AbortSignal) => Promise<Fetched[]>;
  /** Texts that wait or are on their way. */
  waiting: () => number;
  /** Refuses everybody in line and whoever comes later, and ends the calls. */
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

interface Entry extends Wanted {
  /** What its request still has in line. */
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

/** The line of one provider: a queue for each model, in it the requests, both served in turn. */
interface Lane {
  running: number;
  queues: Map<string, { model: Model; requests: Set<Set<Entry>> }>;
}

export function createBatcher(fetchBatch: FetchBatch, waitingMax: number): Batcher {
  const open = new Map<string, Entry>();
  const lanes = new Map<Provider, Lane>();
  let stopped: Error | undefined;

  const { settle, run } = createDelivery(fetchBatch, open);

  const pump = (provider: Provider, lane: Lane) => {
    while (lane.running < provider.limits.calls) {
      const next = nextBatch(provider, lane);
      if (!next) return;
      lane.running += 1;
      void run(next.model, next.batch.entries, next.batch.controller.signal).finally(() => {
        lane.running -= 1;
        pump(provider, lane);
      });
    }
  };

  const enqueue = (model: Model, wanted: readonly Wanted[]) => {
    const { provider } = model;
    const lane = lanes.get(provider) ?? { running: 0, queues: new Map() };
    lanes.set(provider, lane);
    const key = keyOf(model);
    const queue = lane.queues.get(key) ?? { model, requests: new Set() };
    lane.queues.set(key, queue);
    const request = new Set<Entry>();
    queue.requests.add(request);
    for (const text of wanted) {
      const entry = newEntry(text, request);
      open.set(entry.key, entry);
      request.add(entry);
    }
    // Later in this turn, so that what is asked for at once travels at once.
    queueMicrotask(() => pump(provider, lane));
  };

  /** Called when nobody waits for the entry: it leaves the line, or ends its batch when that is alone too. */
  const abandon = (entry: Entry) => {
    if (!entry.batch) {
      open.delete(entry.key);
      entry.request.delete(entry);
      return;
    }
    if (entry.batch.entries.some(({ waiters, settled }) => waiters > 0 && !settled)) return;
    for (const { key } of entry.batch.entries) if (open.get(key)?.batch === entry.batch) open.delete(key);
    entry.batch.controller.abort(fail("client_closed", "nobody waits for these texts any more"));
  };

  const fetch: Batcher["fetch"] = async (model, texts, signal) => {
    signal.throwIfAborted();
    if (stopped) throw stopped;
    const fresh = texts.filter(({ key }) => !open.has(key));
    if (open.size + fresh.length > waitingMax) throw full(open.size, fresh.length, waitingMax);
    if (fresh.length > 0) enqueue(model, fresh);
    const entries = texts.map(({ key }) => open.get(key) as Entry);
    for (const entry of entries) entry.waiters += 1;
    try {
      return await unlessAborted(Promise.all(entries.map(({ done }) => done.promise)), signal);
    } finally {
      for (const entry of entries) entry.waiters -= 1;
      for (const entry of entries) if (entry.waiters === 0 && !entry.settled) abandon(entry);
    }
  };

  const stop = (reason: Error) => {
    stopped = reason;
    for (const { queues } of lanes.values()) queues.clear();
    for (const entry of [...open.values()]) {
      settle(entry, ({ reject }) => reject(reason));
      entry.batch?.controller.abort(reason);
    }
  };

  return { fetch, waiting: () => open.size, stop };
}

/** How entries get their answer or refusal, and leave `open`. */
function createDelivery(fetchBatch: FetchBatch, open: Map<string, Entry>) {
  const settle = (entry: Entry, outcome: (done: Entry["done"]) => void) => {
    entry.settled = true;
    if (open.get(entry.key) === entry) open.delete(entry.key);
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

function newEntry({ key, text }: Wanted, request: Set<Entry>): Entry {
  const done = Promise.withResolvers<Fetched>();
  // Whoever waits hears of a failure; an entry that nobody waits for may fail unheard.
  done.promise.catch(() => {});
  return { key, text, request, bytes: Buffer.byteLength(text), waiters: 0, settled: false, done };
}

/** Takes texts of the model whose turn it is, as many as one call may have. */
function nextBatch({ limits }: Provider, lane: Lane): { model: Model; batch: Batch } | undefined {
  for (const [key, queue] of lane.queues) {
    // Behind the others, so that one model's long list does not hold up theirs.
    lane.queues.delete(key);
    const entries = takeInTurn(queue.requests, limits);
    if (queue.requests.size > 0) lane.queues.set(key, queue);
    if (entries.length === 0) continue;
    const batch: Batch = { entries, controller: new AbortController() };
    for (const entry of entries) entry.batch = batch;
    return { model: queue.model, batch };
  }
  return undefined;
}

/** One text of each request in turn, so that a single one beside a long list is in the next batch. */
function takeInTurn(requests: Set<Set<Entry>>, limits: ProviderLimits): Entry[] {
  const taken: Entry[] = [];
  let bytes = 0;
  for (const request of requests) {
    const [entry] = request;
    const isFull = taken.length >= limits.texts || bytes + (entry?.bytes ?? 0) > limits.bytes;
    // It stays where it is, and is the first of the next batch.
    if (entry && isFull && taken.length > 0) break;
    requests.delete(request);
    if (!entry) continue;
    request.delete(entry);
    taken.push(entry);
    bytes += entry.bytes;
    // At the end, where this loop comes by again.
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
