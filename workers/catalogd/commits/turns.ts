/**
 * Turns of tables that a caller holds from one request to another. Who decides on a version in other places than this one,
 * and more slowly than others commit, would be overtaken for ever: in the turn nobody else makes a version.
 */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

export interface Turns {
  /** Resolves when the caller has the turn of the table, which ends by itself after so long; 0 ends it. */
  hold: (turn: { name: string; id: string }, ms: number) => Promise<void>;
  /** Does the work in the turn that is held, and ends that; in a turn of its own where none is held. */
  use: <T>(name: string, id: string | undefined, work: () => Promise<T>) => Promise<T>;
}

type InTurn = <T>(names: readonly string[], work: () => Promise<T>) => Promise<T>;

export function createTurns(inTurn: InTurn, { after }: Pick<Clock, "after">): Turns {
  const held = new Map<string, { name: string; end: () => void; stay: () => void }>();

  const take = (name: string, id: string, ms: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const holding = inTurn([name], () => {
        const { promise, resolve: over } = Promise.withResolvers<void>();
        const end = () => {
          stay();
          held.delete(id);
          over();
        };
        const stay = after(ms, end);
        held.set(id, { name, end, stay });
        resolve();
        return promise;
      });
      holding.catch(reject);
    });
  return {
    hold: async ({ name, id }, ms) => (ms > 0 ? take(name, id, ms) : held.get(id)?.end()),
    use: async (name, id, work) => {
      const turn = id === undefined ? undefined : held.get(id);
      if (turn?.name !== name) return inTurn([name], work);
      // What has begun is not cut off in its midst.
      turn.stay();
      try {
        return await work();
      } finally {
        turn.end();
      }
    },
  };
}
