/** While the files of the log change hands nothing is appended; what waits goes on afterwards. */

export interface Pause {
  isOn: () => boolean;
  /** Nothing is appended until the work has ended; gives its outcome. */
  during: <R>(work: Promise<R>) => Promise<R>;
  /** Resolves in a moment in which there is none. */
  over: () => Promise<void>;
}

export function createPause(): Pause {
  let turning: Promise<void> | undefined;
  return {
    isOn: () => turning !== undefined,
    during: (work) => {
      const end = () => {
        turning = undefined;
      };
      turning = work.then(end, end);
      return work;
    },
    over: async () => {
      while (turning) await turning;
    },
  };
}
