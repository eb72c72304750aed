/**
 * Cooperative scheduling: long work on a thread that others share gives the thread up after so many steps. Steps are
 * counted, not timed, so that the same work always gives it up at the same places.
 */

/**
 * Counts steps of work, of about ten nanoseconds each: a byte that is looked at is one. Gives a promise when the slice is
 * used up, to be awaited before the next step; it rejects with the signal's reason when nobody wants the work any more.
 */
export type Slices = (steps: number) => Promise<void> | undefined;

/** About twenty milliseconds of a processor that nobody else wants. */
const stepsMax = 2_000_000;

/** Lets everything else of the thread run: requests, timers, answers of others. */
const othersRan = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Slices of one piece of work; `rest` is what happens between two of them. */
export function createSlices(signal: AbortSignal, rest: () => Promise<void> = othersRan): Slices {
  let left = stepsMax;
  const next = async () => {
    left = stepsMax;
    await rest();
    signal.throwIfAborted();
  };
  return (steps) => {
    left -= steps;
    return left > 0 ? undefined : next();
  };
}

/** Work in steps, to its end in one go: each value given is a number of steps. */
export function inOneGo<T>(work: Generator<number, T>): T {
  let step = work.next();
  while (!step.done) step = work.next();
  return step.value;
}

/** The same in slices. */
export async function inSlices<T>(work: Generator<number, T>, slices: Slices): Promise<T> {
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    const rest = slices(step.value);
    if (rest) await rest;
  }
}
