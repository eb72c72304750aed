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
