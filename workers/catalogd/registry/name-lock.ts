/** A keyed mutex: writers of one name are serialized in the order they came; other names and readers do not wait. */
import { fail } from "../../../runtime/errors/errors.ts";

/** Runs `work` after all earlier work on the name has ended. Throws `overloaded` when too many wait. */
export type NameLock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Makes a lock that lets at most `waitingMax` wait for one name. */
export function createNameLock(waitingMax: number): NameLock {
  const queues = new Map<string, { tail: Promise<unknown>; length: number }>();
  return async (name, work) => {
    const queue = queues.get(name) ?? { tail: Promise.resolve(), length: 0 };
    if (queue.length > waitingMax) {
      throw fail("overloaded", `${waitingMax} changes of '${name}' are waiting already`, {
        retryAfterSeconds: 1,
      });
    }
    queue.length += 1;
    queues.set(name, queue);
    const run = queue.tail.then(work);
    queue.tail = run.catch(() => {});
    try {
      return await run;
    } finally {
      queue.length -= 1;
      if (queue.length === 0) queues.delete(name);
    }
  };
}
