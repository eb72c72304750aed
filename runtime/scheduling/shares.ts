/** Divides something among those who work at the moment: each is given a share of the whole, smaller as they become more. */

interface Shares {
  /**
   * `report` is called with the number of parts of which the holder may use one: now, when it is not `before`, and at each
   * change. The function returned gives the part back, and returns the last number.
   */
  take: (before: number | undefined, report: (parts: number) => void) => () => number;
}

/**
 * A part for one, two for two, five for sixteen: most need little, and one that needs much must not fail because of
 * many that need nothing. All together they may so use more than the whole, which others must watch. A change of a few
 * among many changes nothing for most.
 */
const partsFor = (holders: number): number => 1 + Math.ceil(Math.log2(Math.max(1, holders)));

export function createShares(): Shares {
  const holders = new Map<(parts: number) => void, number | undefined>();
  const reportAll = () => {
    const parts = partsFor(holders.size);
    for (const [report, reported] of holders) {
      if (reported === parts) continue;
      holders.set(report, parts);
      report(parts);
    }
  };
  return {
    take: (before, report) => {
      holders.set(report, before);
      reportAll();
      return () => {
        const last = holders.get(report) ?? 1;
        if (holders.delete(report)) reportAll();
        return last;
      };
    },
  };
}
