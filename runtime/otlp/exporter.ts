/** The queue before an OTLP endpoint. Who adds to it never waits: what it cannot hold is dropped and counted. */
import type { Clock } from "../scheduling/scheduling.ts";
import type { Log } from "../telemetry/telemetry.ts";
import { inTrace, newTrace } from "../trace-context/trace-context.ts";
import { sendBatch } from "./send.ts";

export interface Exporter<T> {
  add: (item: T) => void;
  /** How many wait. */
  waiting: () => number;
  /** Sends what waits, for a moment, and ends. */
  stop: () => Promise<void>;
}

interface ExporterOptions<T> {
  /** A user and password in it are the key, and leave it. */
  url: string;
  key: string | undefined;
  timeoutMs: number;
  retries: number;
  intervalMs: number;
  queueMax: number;
  batchMax: number;
  /** The request's body. */
  bodyOf: (batch: readonly T[]) => string;
  /** What is sent, as `operations`: for the log. */
  what: string;
  /** Counts by outcome: `sent`, `dropped_…`. */
  count: (amount: number, outcome: string) => void;
  clock: Clock;
  log: Log;
}

/** How long stopping may wait for the last batches, in milliseconds. */
const lastWordsMs = 2000;

/** Langfuse takes batches up to 3.5 MB; a span is a little larger than what it is made of. */
const batchCharsMax = 2 * 1024 * 1024;

export function createExporter<T>(options: ExporterOptions<T>): Exporter<T> {
  const { what, count, clock, log, queueMax, batchMax, intervalMs, bodyOf, timeoutMs, retries } = options;
  const queue: T[] = [];
  const endpoint = {
    ...{ ...addressOf(options.url, options.key), timeoutMs, retries, clock },
    onRetry: (why: string, waitMs: number) => log.debug("an export is tried again", { why, wait_ms: waitMs }),
  };
  const ended = new AbortController();
  let stopping = false;
  let filled = Promise.withResolvers<void>();

  const sendNext = async (): Promise<void> => {
    const batch = nextBatch(queue, batchMax);
    // Nothing of an export is recorded: the endpoint may be a product that exports to itself.
    const sent = await inTrace({ ...newTrace(), sampled: false }, () =>
      sendBatch(bodyOf(batch), endpoint, ended.signal),
    );
    queue.splice(0, batch.length);
    if (sent.outcome !== "sent") {
      count(batch.length, `dropped_${sent.outcome}`);
      log.warn(`${what} could not be exported`, { dropped: batch.length, why: sent.why });
      return;
    }
    count(Math.max(0, batch.length - sent.rejected), "sent");
    if (sent.rejected === 0) return;
    count(sent.rejected, "dropped_rejected");
    log.warn("the OTLP endpoint rejected spans", { rejected: sent.rejected, message: sent.message });
  };

  const run = async (): Promise<void> => {
    while (!stopping || queue.length > 0) {
      if (!stopping && queue.length < batchMax) {
        const cancel = clock.after(intervalMs, () => filled.resolve());
        await filled.promise;
        cancel();
      }
      filled = Promise.withResolvers();
      if (stopping) filled.resolve();
      if (queue.length > 0) await sendNext();
    }
  };
  const running = run().catch((cause) => {
    if (!ended.signal.aborted) log.error("the export ended", { error: cause });
  });

  return {
    add: (item) => {
      if (stopping) return;
      if (queue.length >= queueMax) return count(1, "dropped_full");
      queue.push(item);
      if (queue.length >= batchMax) filled.resolve();
    },
    waiting: () => queue.length,
    stop: async () => {
      stopping = true;
      filled.resolve();
      const cancel = clock.after(lastWordsMs, () => ended.abort());
      await running;
      cancel();
      if (queue.length === 0) return;
      count(queue.length, "dropped_stopped");
      log.warn(`${what} were not exported before the end`, { dropped: queue.length });
    },
  };
}

/** The oldest, as many as one request may hold; always one. */
function nextBatch<T>(queue: readonly T[], batchMax: number): T[] {
  let chars = 0;
  const end = queue.slice(0, batchMax).findIndex((item) => {
    chars += JSON.stringify(item).length;
    return chars > batchCharsMax;
  });
  return queue.slice(0, end < 0 ? batchMax : Math.max(1, end));
}

/** A user and password in the URL are a key like any other, and leave the URL. */
function addressOf(url: string, key: string | undefined): { url: string; key: string | undefined } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (username === "") return { url, key };
  parsed.username = "";
  parsed.password = "";
  return { url: parsed.href, key: key ?? `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
}
