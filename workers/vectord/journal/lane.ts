/** A mutex that tells whether anything is under way or waits. */
import { createTurns } from "../../../runtime/scheduling/scheduling.ts";

export interface Lane {
  run: <T>(work: () => Promise<T>) => Promise<T>;
  isIdle: () => boolean;
}

export function createLane(): Lane {
  const exclusively = createTurns();
  let open = 0;
  return {
    run: async (work) => {
      open += 1;
      try {
        return await exclusively(work);
      } finally {
        open -= 1;
      }
    },
    isIdle: () => open === 0,
  };
}
