/** Builds and refreshes: those that wait, run, and the latest that ended. Job states are persisted. */
import type { Subject } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import type { MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import {
  type Clock,
  createLimiter,
  type Limiter,
  timestamp,
} from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type JobFacts, type JobsLog, openJobsLog } from "./log.ts";

export type { JobFacts };

type Counts = Pick<
  JobFacts,
  "rows_read" | "rows_total" | "embedded" | "unchanged" | "removed" | "without_text"
>;

export interface RunningJob {
  id: string;
  /** Aborted when the job is cancelled or the service stops; its reason is a ServiceError. */
  signal: AbortSignal;
  step: (name: string) => void;
  /** Sets some counts. */
  count: (counts: Partial<Counts>) => void;
  facts: () => JobFacts;
}

export interface Jobs {
  /** Takes a job, durably. Throws `conflict` while the corpus has another, `too_many_requests` when too many wait. */
  submit: (
    corpus: string,
    refresh: boolean,
    work: (job: RunningJob) => Promise<void>,
    id?: string,
  ) => Promise<JobFacts>;
  /** Throws `not_found`. */
  get: (id: string) => JobFacts;
  /** Newest first. */
  list: () => JobFacts[];
  /** The job of a corpus that waits or runs. */
  of: (corpus: string) => JobFacts | undefined;
  /** Aborts a job and resolves when it has ended. */
  cancel: (id: string) => Promise<JobFacts>;
  /** Resolves when the job has changed, or after `ms`. */
  changed: (id: string, ms: number) => Promise<void>;
  /** Runs the work between two writes of the log. */
  atRest: JobsLog["atRest"];
  /** Errors that name a subject are forgotten, or only counted; gives how many. */
  erase: (subject: Pick<Subject, "isIn">, dryRun: boolean) => Promise<number>;
  /** Why no job can be taken, for readiness. */
  problems: JobsLog["problems"];
  /** Aborts all and resolves when all have ended. */
  stop: () => Promise<void>;
}

interface Entry {
  facts: JobFacts;
  abort: AbortController;
  wake: Set<() => void>;
}

/** Ended jobs that can still be asked about. */
const keptMax = 200;
/** Jobs that run at once: they share the machine's cores with the searches. */
const atOnceMax = 2;
const waitingMax = 64;

export const isOver = ({ state }: Pick<JobFacts, "state">): boolean =>
  state !== "queued" && state !== "running";

/** Opens the jobs' log. Jobs that an earlier run did not end have failed: `interrupted`. */
export async function openJobs(
  path: string,
  given: MarkKeeping & { clock: Clock; log: Log; newId: () => string },
): Promise<Jobs> {
  const { clock, log, newId } = given;
  const entries = new Map<string, Entry>();
  const file = await openJobsLog(path, given, () => [...entries.values()].map(({ facts }) => facts));
  for (const known of file.known) {
    const facts = isOver(known) ? known : ended(known, clock, "failed", interrupted);
    entries.set(facts.job_id, { facts, abort: new AbortController(), wake: new Set() });
    // If this write fails, the next start makes it again.
    if (facts !== known)
      await file.write(facts).catch((cause) => log.error("a job's end was not recorded", describe(cause)));
  }
  forget(entries);

  const limiter = createLimiter(atOnceMax);
  const entryOf = (id: string): Entry => {
    const entry = entries.get(id);
    if (!entry) file.check();
    if (!entry) throw fail("not_found", `there is no job '${id}'; ended jobs are forgotten after a while`);
    return entry;
  };
  const of = (corpus: string) =>
    [...entries.values()].find((entry) => entry.facts.corpus === corpus && !isOver(entry.facts))?.facts;
  const end = async (entry: Entry, failure: unknown) => {
    const facts = finished(entry, clock, failure);
    // Visible when it is durable; a log that cannot be written costs the record, not the job.
    await file.write(facts).catch((cause) => log.error("a job's end was not recorded", describe(cause)));
    entry.facts = facts;
    wake(entry);
    forget(entries);
  };

  return {
    submit: async (corpus, refresh, work, id) => {
      const other = of(corpus);
      if (other)
        throw fail(
          "conflict",
          `corpus '${corpus}' is being worked on by job ${other.job_id}; wait or cancel it`,
        );
      if (limiter.waiting() >= waitingMax)
        throw fail("too_many_requests", `${waitingMax} jobs wait already`, { retryAfterSeconds: 10 });
      const entry = newEntry({ id: id ?? newId(), corpus, refresh, clock });
      const { facts } = entry;
      entries.set(facts.job_id, entry);
      await file.write(facts).catch((cause) => {
        entries.delete(facts.job_id);
        throw cause;
      });
      void inTurn(limiter, entry, () => run(entry, work, log)).then((failure) => end(entry, failure));
      return facts;
    },
    get: (id) => entryOf(id).facts,
    list: () => {
      file.check();
      return [...entries.values()].reverse().map(({ facts }) => facts);
    },
    of,
    cancel: async (id) => {
      const entry = entryOf(id);
      const reason = `the job was cancelled by DELETE /matrix/jobs/${id}; the corpus is as it was`;
      await abort(entry, fail("client_closed", reason));
      return entryOf(id).facts;
    },
    changed: (id, ms) => change(entryOf(id), ms, clock),
    atRest: file.atRest,
    erase: (subject, dryRun) => eraseErrors(entries, file, subject, dryRun),
    problems: file.problems,
    stop: async () => {
      const reason = fail("unavailable", interrupted.message);
      await Promise.all([...entries.values()].map((entry) => abort(entry, reason)));
      await file.close();
    },
  };
}

function forget(entries: Map<string, Entry>): void {
  const over = [...entries.values()].filter(({ facts }) => isOver(facts));
  for (const { facts } of over.slice(0, Math.max(0, over.length - keptMax))) entries.delete(facts.job_id);
}

const interrupted = {
  type: "interrupted",
  message: "matrixd stopped before the job had ended; the corpus is as it was",
};

/** Resolves when the job has changed, or after `ms`. */
async function change(entry: Entry, ms: number, clock: Clock): Promise<void> {
  const stop = new AbortController();
  const awake = () => stop.abort();
  entry.wake.add(awake);
  await clock.sleep(ms, stop.signal).catch(() => undefined);
  entry.wake.delete(awake);
}

/** Aborts a job that is not over, and resolves when it is. */
async function abort(entry: Entry, reason: ServiceError): Promise<void> {
  if (!isOver(entry.facts)) entry.abort.abort(reason);
  while (!isOver(entry.facts)) await new Promise<void>((resolve) => entry.wake.add(resolve));
}

const wake = (entry: Entry): void => {
  for (const resolve of entry.wake) resolve();
  entry.wake.clear();
};

function newEntry(job: { id: string; corpus: string; refresh: boolean; clock: Clock }): Entry {
  const facts: JobFacts = {
    job_id: job.id,
    corpus: job.corpus,
    refresh: job.refresh,
    state: "queued",
    step: "waiting",
    rows_read: 0,
    embedded: 0,
    unchanged: 0,
    removed: 0,
    without_text: 0,
    started_at: timestamp(job.clock),
  };
  return { facts, abort: new AbortController(), wake: new Set() };
}

/** Does the work when few enough are under way; what it answers, or why the job was aborted while it waited. */
async function inTurn(limiter: Limiter, { abort }: Entry, work: () => Promise<unknown>): Promise<unknown> {
  try {
    const done = await limiter.take(abort.signal);
    return await work().finally(done);
  } catch (reason) {
    return reason;
  }
}

/** Does the work; what it threw, or undefined. */
async function run(entry: Entry, work: (job: RunningJob) => Promise<void>, log: Log): Promise<unknown> {
  const { signal } = entry.abort;
  const set = (changes: Partial<JobFacts>) => {
    entry.facts = { ...entry.facts, ...changes };
  };
  const change = (changes: Partial<JobFacts>) => {
    set(changes);
    wake(entry);
  };
  try {
    signal.throwIfAborted();
    change({ state: "running" });
    await work({
      id: entry.facts.job_id,
      signal,
      step: (step) => change({ step }),
      // Listeners poll the counts.
      count: set,
      facts: () => entry.facts,
    });
    return undefined;
  } catch (cause) {
    // An aborted job may fail in many ways: the reason of the abort is what counts.
    const failure = signal.aborted ? signal.reason : cause;
    const { job_id, corpus } = entry.facts;
    log.warn("a corpus's job failed", { job_id, corpus, error: describeFailure(failure) });
    return failure;
  }
}

const describeFailure = (failure: unknown): unknown =>
  failure instanceof ServiceError ? { type: failure.type, message: failure.message } : failure;

function finished({ facts, abort }: Entry, clock: Clock, failure: unknown): JobFacts {
  if (failure === undefined) return ended(facts, clock, "done");
  const { type, message } = toWire(failure);
  if (abort.signal.aborted && type === "unavailable") return ended(facts, clock, "failed", interrupted);
  const state = abort.signal.aborted ? "cancelled" : "failed";
  return ended(facts, clock, state, { type, message });
}

const ended = (
  facts: JobFacts,
  clock: Clock,
  state: "done" | "failed" | "cancelled",
  error?: { type: string; message: string },
): JobFacts => ({
  ...facts,
  state,
  ...(state === "done" && { step: "done" }),
  finished_at: timestamp(clock),
  ...(error && { error }),
});

/** What a job failed with may say of a row what it holds. */
async function eraseErrors(
  entries: ReadonlyMap<string, Entry>,
  file: Pick<JobsLog, "forget">,
  { isIn }: Pick<Subject, "isIn">,
  dryRun: boolean,
): Promise<number> {
  const named = [...entries.values()].filter(({ facts: { error } }) => error && isIn(error.message));
  if (dryRun) return named.length;
  for (const entry of named)
    entry.facts = { ...entry.facts, error: { type: "erased", message: "what it said was erased" } };
  await file.forget([...entries.values()].map(({ facts }) => facts));
  return named.length;
}
