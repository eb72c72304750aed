/** Ingests under way and the latest that ended. */
import type { Static } from "@sinclair/typebox";
import { fail, type ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Ingested, Job } from "../contract.ts";

type JobState = Static<typeof Job>["state"];
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
  /** Of a request with documents. */
  files: (counts: NonNullable<JobFacts["files"]>) => void;
  bytesIn: () => number;
  elapsedMs: () => number;
  /** Sets where the progress of the present state is read from. */
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
  facts: Omit<JobFacts, "progress" | "elapsed_ms">;
  begun: number;
  /** Set when it has ended. */
  elapsedMs?: number;
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
    const over = [...entries.values()].filter(({ facts }) => isOver(facts));
    for (const { facts } of over.slice(0, Math.max(0, over.length - keptMax))) entries.delete(facts.job_id);
  };
  const abort = async (entry: Entry, reason: ServiceError) => {
    if (!isOver(entry.facts)) entry.abort.abort(reason);
    while (!isOver(entry.facts)) await new Promise<void>((resolve) => entry.wake.add(resolve));
  };

  return {
    start: ({ id, name, bytesExpected, signal }) => {
      if (entries.has(id)) throw fail("conflict", `there is an ingest job '${id}' already`);
      const entry: Entry = {
        facts: {
          job_id: id,
          name,
          state: "waiting",
          bytes_in: 0,
          ...(bytesExpected !== undefined && { bytes_expected: bytesExpected }),
          started_at: timestamp(clock),
        },
        begun: clock.elapsed(),
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
      const reason = `the ingest was cancelled by DELETE /ingest/jobs/${id}; nothing was registered`;
      await abort(entry, fail("client_closed", reason));
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

function handleOf(entry: Entry, client: AbortSignal, clock: Clock, forget: () => void): RunningJob {
  const { facts, abort } = entry;
  const gone = () => abort.abort(fail("client_closed", "the client went away; nothing was registered"));
  if (client.aborted) gone();
  else client.addEventListener("abort", gone, { once: true });
  const elapsedMs = () => Math.round(clock.elapsed() - entry.begun);
  const enter = (state: JobState) => {
    facts.state = state;
    entry.progress = () => undefined;
    for (const wake of entry.wake) wake();
    entry.wake.clear();
  };
  const end = (state: JobState) => {
    client.removeEventListener("abort", gone);
    entry.elapsedMs = elapsedMs();
    enter(state);
    forget();
  };
  let hasCommitted = false;
  return {
    id: facts.job_id,
    signal: abort.signal,
    commits: () => {
      hasCommitted = true;
    },
    hasCommitted: () => hasCommitted,
    stop: (reason) => abort.abort(reason),
    enter,
    received: (bytes) => {
      facts.bytes_in += bytes;
    },
    files: (counts) => {
      facts.files = counts;
      for (const wake of entry.wake) wake();
    },
    bytesIn: () => facts.bytes_in,
    elapsedMs,
    measure: (progress) => {
      entry.progress = progress;
    },
    done: (result) => {
      facts.result = result;
      end("done");
    },
    failed: (error) => {
      const { type, message } = toWire(error);
      facts.error = { type, message };
      end("failed");
    },
  };
}

function factsOf({ facts, begun, elapsedMs, progress }: Entry, clock: Clock): JobFacts {
  const { state, bytes_in: bytesIn, bytes_expected: bytesExpected } = facts;
  const received = bytesExpected ? Math.min(1, bytesIn / bytesExpected) : undefined;
  const share = state === "receiving" ? received : progress();
  return {
    ...facts,
    ...(share !== undefined && { progress: share }),
    elapsed_ms: elapsedMs ?? Math.round(clock.elapsed() - begun),
  };
}
