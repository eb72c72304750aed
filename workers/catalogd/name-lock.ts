/** Writers of one name take turns, in the order they came; other names and readers do not wait. */
import { fail } from "../../runtime/errors.ts";

/** Runs `work` after all earlier work on the name has ended. Throws `overloaded` when too many wait. */
export type NameLock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Makes a lock that lets at most `waitingMax` wait for one name. */
export function createNameLock(waitingMax: number): NameLock {
  const lanes = new Map<string, { tail: Promise<unknown>; length: number }>();
  return async (name, work) => {
    const lane = lanes.get(name) ?? { tail: Promise.resolve(), length: 0 };
    if (lane.length > waitingMax) {
      throw fail("overloaded", `${waitingMax} changes of '${name}' are waiting already`, {
        retryAfterSeconds: 1,
      });
    }
    lane.length += 1;
    lanes.set(name, lane);
    const run = lane.tail.then(work);
    lane.tail = run.catch(() => {});
    try {
      return await run;
    } finally {
      lane.length -= 1;
      if (lane.length === 0) lanes.delete(name);
    }
  };
}
