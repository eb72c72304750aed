/** Long work in slices, so that other requests of the thread get a turn. */
import type { Clock } from "../../runtime/clock.ts";

/** A turn goes to others after so many milliseconds. */
const turnMs = 8;
/** Playbooks between two looks at the clock: less than a millisecond at 768 numbers and two wordings. */
const sliceItems = 256;

interface Pace {
  clock: Pick<Clock, "elapsed">;
  signal: AbortSignal;
}

/** `pass` gives others a turn when ours was long enough; rejects with the signal's reason. */
export function createTurn({ clock, signal }: Pace): { pass: () => Promise<void> } {
  let began = clock.elapsed();
  return {
    pass: async () => {
      if (clock.elapsed() - began <= turnMs) return;
      await new Promise<void>((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      began = clock.elapsed();
    },
  };
}

/** Work on every item. */
export async function inSlices<T>(items: readonly T[], pace: Pace, work: (item: T) => void): Promise<void> {
  const turn = createTurn(pace);
  for (let from = 0; from < items.length; from += sliceItems) {
    for (const item of items.slice(from, from + sliceItems)) work(item);
    await turn.pass();
  }
}
