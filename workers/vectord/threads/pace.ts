/** How much native work is done at once, so that nobody waits long behind it. */

/** What a search may have to wait for a build, and a build for a search. */
const sliceMs = 20;

interface Pace {
  /** Units for the next slice. */
  units: () => number;
  /** How long that many took. */
  took: (units: number, ms: number) => void;
}

/** Finds the number of units that take one slice; at most twice as many or half as few from one to the next. */
export function createPace(first: number, most: number, least = 1): Pace {
  let units = first;
  return {
    units: () => units,
    took: (done, ms) => {
      // A slice that had little to do says nothing about one that has much.
      if (done < units && ms < sliceMs) return;
      const ideal = (done * sliceMs) / Math.max(ms, 0.01);
      units = Math.round(Math.min(most, Math.max(least, Math.min(units * 2, Math.max(units / 2, ideal)))));
    },
  };
}
