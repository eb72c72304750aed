/** Divides something among those who work at the moment: each hears which part of the whole it may use. */

export interface Shares {
  /**
   * `tell` hears of how many parts it has one: now, when that is not `before`, and at each change. The function returned
   * gives the part back, and says of how many it was.
   */
  take: (before: number | undefined, tell: (parts: number) => void) => () => number;
}

/**
 * A part for one, two for two, five for sixteen: most need little, and one that needs much must not fail because of
 * many that need nothing. All together they may so use more than the whole, which others must watch. A change of a few
 * among many changes nothing for most.
 */
const partsFor = (holders: number): number => 1 + Math.ceil(Math.log2(Math.max(1, holders)));

export function createShares(): Shares {
  const holders = new Map<(parts: number) => void, number | undefined>();
  const tellAll = () => {
    const parts = partsFor(holders.size);
    for (const [tell, told] of holders) {
      if (told === parts) continue;
      holders.set(tell, parts);
      tell(parts);
    }
  };
  return {
    take: (before, tell) => {
      holders.set(tell, before);
      tellAll();
      return () => {
        const told = holders.get(tell) ?? 1;
        if (holders.delete(tell)) tellAll();
        return told;
      };
    },
  };
}
