/** A clock on which no limit of a minute or more runs out by itself: it does when the test lets that time pass. */
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";

export interface PatientClock extends Clock {
  /** Lets time pass until the next long wait ends, as if it had been waited for. */
  pass: () => void;
}

/** Shorter waits are real: pauses between tries and the like. */
const longMs = 60_000;

export function patientClock(): PatientClock {
  const held = new Set<{ dueAt: number; work: () => void }>();
  let passedMs = 0;
  const elapsed = () => systemClock.elapsed() + passedMs;
  const after: Clock["after"] = (ms, work) => {
    if (ms < longMs) return systemClock.after(ms, work);
    const wait = { dueAt: elapsed() + ms, work };
    held.add(wait);
    return () => void held.delete(wait);
  };
  return {
    // Servers refuse what is signed at another time than theirs.
    now: systemClock.now,
    elapsed,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const leave = () => {
          cancel();
          reject(signal?.reason);
        };
        const cancel = after(ms, () => {
          signal?.removeEventListener("abort", leave);
          resolve();
        });
        signal?.addEventListener("abort", leave, { once: true });
      }),
    pass: () => {
      const next = Math.min(...[...held].map(({ dueAt }) => dueAt));
      if (next === Number.POSITIVE_INFINITY) return;
      passedMs += Math.max(0, next - elapsed());
      for (const wait of [...held])
        if (wait.dueAt <= next) {
          held.delete(wait);
          wait.work();
        }
    },
  };
}
