/** Work on one name goes on one after the other, in the order of the calls; other names do not wait. */
export type Turns = <T>(name: string, work: () => Promise<T>) => Promise<T>;

export function createTurns(): Turns {
  const tails = new Map<string, Promise<unknown>>();
  return async (name, work) => {
    const turn = (tails.get(name) ?? Promise.resolve()).then(work);
    const tail = turn.catch(() => {});
    tails.set(name, tail);
    try {
      return await turn;
    } finally {
      if (tails.get(name) === tail) tails.delete(name);
    }
  };
}

/** Work that goes on one after the other, and whether any of it is under way or waits. */
export interface Lane {
  run: <T>(work: () => Promise<T>) => Promise<T>;
  isIdle: () => boolean;
}

export function createLane(): Lane {
  let tail: Promise<unknown> = Promise.resolve();
  let open = 0;
  return {
    run: (work) => {
      open += 1;
      const turn = tail.then(work).finally(() => {
        open -= 1;
      });
      tail = turn.catch(() => {});
      return turn;
    },
    isIdle: () => open === 0,
  };
}
