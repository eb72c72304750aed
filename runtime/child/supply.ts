/** Things that take time to make, given to the longest waiting caller: those given back, and new ones made as needed. */

interface Supply<T> {
  /** Of those at hand one that suits, else the last. Rejects as making does, or with the signal's reason. */
  take: (signal: AbortSignal, suits?: (thing: T) => boolean) => Promise<T>;
  give: (thing: T) => void;
  /** Makes one in the background when none is at hand. */
  prepare: (onFailure: (cause: unknown) => void) => void;
  /** How many are idle. */
  spare: () => number;
  /** Takes the one out that was given longest ago. */
  drop: () => T | undefined;
  /** Removes one that has ended. */
  remove: (thing: T) => void;
  /** Rejects everybody who waits. */
  refuse: (cause: unknown) => void;
  /** Resolves when none is being made. */
  started: () => Promise<void>;
}

interface Waiter<T> {
  resolve: (thing: T) => void;
  reject: (cause: unknown) => void;
}

/** At most `makingMax` are made at once. */
export function createSupply<T>(make: () => Promise<T>, makingMax: number): Supply<T> {
  const idle: T[] = [];
  const waiters = new Set<Waiter<T>>();
  const making = new Set<Promise<unknown>>();

  const next = (): Waiter<T> | undefined => {
    const [first] = waiters;
    if (first) waiters.delete(first);
    return first;
  };
  const give = (thing: T) => {
    const waiter = next();
    if (waiter) waiter.resolve(thing);
    else idle.push(thing);
  };
  const begin = (onFailure: (cause: unknown) => void) => {
    const made = make().then(give, onFailure);
    making.add(made);
    void made.finally(() => {
      making.delete(made);
      makeMore();
    });
  };
  const makeMore = () => {
    while (making.size < Math.min(makingMax, waiters.size)) begin((cause) => next()?.reject(cause));
  };
  return {
    give,
    take: (signal, suits = () => true) => {
      if (signal.aborted) return Promise.reject(signal.reason);
      // At -1, when none suits, stands the last.
      const [ready] = idle.splice(idle.findLastIndex(suits), 1);
      if (ready !== undefined) return Promise.resolve(ready);
      const { promise, resolve, reject } = Promise.withResolvers<T>();
      const waiter = { resolve, reject };
      const leave = () => {
        if (waiters.delete(waiter)) reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      waiters.add(waiter);
      makeMore();
      return promise.finally(() => signal.removeEventListener("abort", leave));
    },
    prepare: (onFailure) => {
      if (idle.length === 0 && making.size === 0) begin(onFailure);
    },
    spare: () => idle.length,
    drop: () => idle.shift(),
    remove: (thing) => {
      const at = idle.indexOf(thing);
      if (at >= 0) idle.splice(at, 1);
    },
    refuse: (cause) => {
      for (let waiter = next(); waiter; waiter = next()) waiter.reject(cause);
    },
    started: async () => {
      await Promise.all(making);
    },
  };
}
