/** When an index of FAISS learns, and what becomes of it when that fails. */
import { ServiceError } from "../../../runtime/errors.ts";
import { describe, type Log } from "../../../runtime/log.ts";
import { type FaissPlan, trainingRows } from "../index-type.ts";
import { createFaissLearning, type FaissLearning, type LearningOptions, type Lesson } from "./learning.ts";

export type FaissOptions = LearningOptions;

export interface FaissIndexes {
  /** Throws `bad_request` for a type that FAISS does not make at this dimension. */
  probe: FaissLearning["probe"];
  learner: (options: LearnerOptions) => Learner;
  stop: () => Promise<void>;
}

/** Starts nothing before the first index of FAISS. */
export function openFaissIndexes(options: FaissOptions): FaissIndexes {
  const learning = createFaissLearning(options);
  return {
    probe: learning.probe,
    learner: (one) => createLearner(learning, options.log, one),
    stop: learning.stop,
  };
}

export interface Learner {
  /** Resolves when it need not learn, cannot yet, has learnt, or has failed for good: see `problem`. */
  learn: (rows: number, signal?: AbortSignal) => Promise<void>;
  /** Why it has learnt nothing although there are rows enough. */
  problem: () => string | undefined;
  /** Resolves when nothing is under way. */
  ended: () => Promise<void>;
}

interface LearnerOptions extends Omit<Lesson, "plan" | "rows"> {
  /** Undefined: there is nothing to learn. */
  plan: FaissPlan | undefined;
  /** Hands the index that was made to its engine. */
  begin: (start: string) => Promise<unknown>;
}

/** Calls that come while it learns wait for the same. What failed for so many rows is tried again with twice as many. */
function createLearner(
  learning: FaissLearning,
  log: Log,
  { plan, begin, ...lesson }: LearnerOptions,
): Learner {
  let enough = plan === undefined ? Number.POSITIVE_INFINITY : trainingRows(plan);
  let running: Promise<void> | undefined;
  let problem: string | undefined;

  const learnFrom = async (rows: number) => {
    try {
      await learning.learn({ ...lesson, plan: plan as FaissPlan, rows }, begin);
      [enough, problem] = [Number.POSITIVE_INFINITY, undefined];
    } catch (cause) {
      const passes = lesson.signal.aborted || (cause instanceof ServiceError && cause.type === "unavailable");
      if (passes) throw cause;
      enough = rows * 2;
      const why = cause instanceof ServiceError ? `${cause.type}: ${cause.message}` : "internal";
      problem = `FAISS could not learn type '${lesson.spec.type}' from ${rows} rows (${why}): rows are compared one by one; it tries again at ${enough} rows`;
      log.error("an index could not be learnt", { problem, ...describe(cause) });
    }
  };
  return {
    learn: async (rows, signal) => {
      if (rows < enough) return;
      running ??= learnFrom(rows).finally(() => {
        running = undefined;
      });
      await untilAborted(running, signal);
    },
    problem: () => problem,
    ended: async () => {
      await running?.catch(() => undefined);
    },
  };
}

function untilAborted(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  return Promise.race([work, aborted.promise]).finally(() => signal.removeEventListener("abort", abort));
}
