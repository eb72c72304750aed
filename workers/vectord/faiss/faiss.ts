/** When an index of FAISS is trained, and what happens when that fails. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { type FaissPlan, trainingRows } from "../engine/engine.ts";
import {
  createFaissTraining,
  type FaissTraining,
  type TrainingOptions,
  type TrainingTask,
} from "./learning.ts";

export type FaissOptions = TrainingOptions;

export interface FaissIndexes {
  /** Throws `bad_request` for a type that FAISS does not make at this dimension. */
  probe: FaissTraining["probe"];
  trainer: (options: TrainerOptions) => Trainer;
  stop: () => Promise<void>;
}

/** Starts nothing before the first index of FAISS. */
export function openFaissIndexes(options: FaissOptions): FaissIndexes {
  const training = createFaissTraining(options);
  return {
    probe: training.probe,
    trainer: (one) => createTrainer(training, options.log, one),
    stop: training.stop,
  };
}

export interface Trainer {
  /** Resolves when the index needs no training, has too few rows, is trained, or could not be: see `problem`. */
  train: (rows: number, signal?: AbortSignal) => Promise<void>;
  /** Why it is not trained although there are rows enough. */
  problem: () => string | undefined;
  /** Resolves when nothing is under way. */
  ended: () => Promise<void>;
}

interface TrainerOptions extends Omit<TrainingTask, "plan" | "rows"> {
  /** Undefined: it needs no training. */
  plan: FaissPlan | undefined;
  /** Hands the index that was made to its engine. */
  begin: (start: string) => Promise<unknown>;
}

/** Calls that come during a training wait for the same one. What failed for so many rows is tried again with twice as many. */
function createTrainer(training: FaissTraining, log: Log, { plan, begin, ...task }: TrainerOptions): Trainer {
  let enough = plan === undefined ? Number.POSITIVE_INFINITY : trainingRows(plan);
  let running: Promise<void> | undefined;
  let problem: string | undefined;

  const trainFrom = async (rows: number) => {
    try {
      await training.train({ ...task, plan: plan as FaissPlan, rows }, begin);
      [enough, problem] = [Number.POSITIVE_INFINITY, undefined];
    } catch (cause) {
      const passes = task.signal.aborted || (cause instanceof ServiceError && cause.type === "unavailable");
      if (passes) throw cause;
      enough = rows * 2;
      const why = cause instanceof ServiceError ? `${cause.type}: ${cause.message}` : "internal";
      problem = `FAISS could not train type '${task.spec.type}' on ${rows} rows (${why}): rows are compared one by one; it tries again at ${enough} rows`;
      log.error("an index could not be trained", { problem, ...describe(cause) });
    }
  };
  return {
    train: async (rows, signal) => {
      if (rows < enough) return;
      running ??= trainFrom(rows).finally(() => {
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
