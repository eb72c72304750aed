/** Ingests under way and the latest that ended. */
import type { Static } from "@sinclair/typebox";
import { fail, type ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Ingested, Job } from "../contract.ts";

export type JobState = Static<typeof Job>["state"];
export type JobFacts = Static<typeof Job>;

export interface RunningJob {
  id: string;
  /** Aborted when the client goes away, the job is cancelled or stopped, or the service stops. */
  signal: AbortSignal;
  stop: (reason: ServiceError) => void;
  enter: (state: JobState) => void;
  /** From now on a version may have been made. */
  commits: () => void;
  hasCommitted: () => boolean;
  received: (bytes: number) => void;
  bytesIn: () => number;
  elapsedMs: () => number;
  /** Where the share of the present state is asked for. */
  measure: (progress: () => number | undefined) => void;
  done: (result: Static<typeof Ingested>) => void;
  failed: (error: unknown) => void;
}

export interface Jobs {
  /** Throws `conflict` when the chosen id is taken. */
  start: (request: {
    id: string;
    name: string;
    bytesExpected: number | undefined;
    signal: AbortSignal;
  }) => RunningJob;
  /** Throws `not_found`. */
  get: (id: string) => JobFacts;
  /** Newest first. */
  list: () => JobFacts[];
  /** Aborts a running job and resolves when it has ended. */
  cancel: (id: string) => Promise<JobFacts>;
  /** Resolves when the job has changed, or after `ms`. */
  changed: (id: string, ms: number) => Promise<void>;
  /** Aborts all and resolves when all have ended. */
  stop: () => Promise<void>;
}

interface Entry {
  id: string;
  name: string;
  state: JobState;
  bytesIn: number;
  bytesExpected: number | undefined;
  startedAt: string;
  started: number;
  ended?: number;
  error?: { type: string; message: string };
  result?: Static<typeof Ingested>;
  progress: () => number | undefined;
  abort: AbortController;
  wake: Set<() => void>;
}

export const isOver = ({ state }: { state: JobState }): boolean => state === "done" || state === "failed";

export function createJobs(clock: Clock, keptMax: number): Jobs {
  const entries = new Map<string, Entry>();
  const entryOf = (id: string): Entry => {
    const entry = entries.get(id);
    if (!entry)
      throw fail("not_found", `there is no ingest job '${id}'; ended jobs are forgotten after a while`);
    return entry;
  };
  const forget = () => {
    const over = [...entries.values()].filter(isOver);
    for (const entry of over.slice(0, Math.max(0, over.length - keptMax))) entries.delete(entry.id);
  };
  const ended = async (entry: Entry) => {
    while (!isOver(entry)) await nextChange(entry);
  };
  const abort = async (entry: Entry, reason: ServiceError) => {
    if (!isOver(entry)) entry.abort.abort(reason);
    await ended(entry);
  };

  return {
    start: ({ id, name, bytesExpected, signal }) => {
      if (entries.has(id)) throw fail("conflict", `there is an ingest job '${id}' already`);
      const entry: Entry = {
        id,
        name,
        state: "waiting",
        bytesIn: 0,
        bytesExpected,
        startedAt: timestamp(clock),
        started: clock.elapsed(),
        progress: () => undefined,
        abort: new AbortController(),
        wake: new Set(),
      };
      entries.set(id, entry);
      return handleOf(entry, signal, clock, forget);
    },
    get: (id) => factsOf(entryOf(id), clock),
    list: () => [...entries.values()].reverse().map((entry) => factsOf(entry, clock)),
    cancel: async (id) => {
      const entry = entryOf(id);
      await abort(
        entry,
        fail(
          "client_closed",
          `the ingest was cancelled by DELETE /ingest/jobs/${id}; nothing was registered`,
        ),
      );
      return factsOf(entry, clock);
    },
    changed: async (id, ms) => {
      const entry = entryOf(id);
      const stop = new AbortController();
      const wake = () => stop.abort();
      entry.wake.add(wake);
      await clock.sleep(ms, stop.signal).catch(() => undefined);
      entry.wake.delete(wake);
    },
    stop: async () => {
      const reason = fail("unavailable", "ingestd is stopping; nothing was registered", {
        retryAfterSeconds: 1,
      });
      await Promise.all([...entries.values()].map((entry) => abort(entry, reason)));
    },
  };
}

const nextChange = (entry: Entry): Promise<void> => new Promise((resolve) => entry.wake.add(resolve));

function handleOf(entry: Entry, client: AbortSignal, clock: Clock, forget: () => void): RunningJob {
  const gone = () => entry.abort.abort(fail("client_closed", "the client went away; nothing was registered"));
  const wake = () => {
    for (const resolve of entry.wake) resolve();
    entry.wake.clear();
  };
  const end = (state: JobState) => {
    client.removeEventListener("abort", gone);
    entry.state = state;
    entry.ended = clock.elapsed();
    entry.progress = () => undefined;
    wake();
    forget();
  };
  if (client.aborted) gone();
  else client.addEventListener("abort", gone, { once: true });
  let hasCommitted = false;
  return {
    id: entry.id,
    signal: entry.abort.signal,
    commits: () => {
      hasCommitted = true;
    },
    hasCommitted: () => hasCommitted,
    stop: (reason) => entry.abort.abort(reason),
    enter: (state) => {
      entry.state = state;
      entry.progress = () => undefined;
      wake();
    },
    received: (bytes) => {
      entry.bytesIn += bytes;
    },
    bytesIn: () => entry.bytesIn,
    elapsedMs: () => Math.round(clock.elapsed() - entry.started),
    measure: (progress) => {
      entry.progress = progress;
    },
    done: (result) => {
      entry.result = result;
      end("done");
    },
    failed: (error) => {
      const { type, message } = toWire(error);
      entry.error = { type, message };
      end("failed");
    },
  };
}

function factsOf(entry: Entry, clock: Clock): JobFacts {
  const { id, name, state, bytesIn, bytesExpected, startedAt, started, ended, error, result } = entry;
  const received = bytesExpected ? Math.min(1, bytesIn / bytesExpected) : undefined;
  const progress = state === "receiving" ? received : entry.progress();
  return {
    job_id: id,
    name,
    state,
    bytes_in: bytesIn,
    ...(bytesExpected !== undefined && { bytes_expected: bytesExpected }),
    ...(progress !== undefined && { progress }),
    started_at: startedAt,
    elapsed_ms: Math.round((ended ?? clock.elapsed()) - started),
    ...(error && { error }),
    ...(result && { result }),
  };
}
