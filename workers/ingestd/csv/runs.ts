/**
 * Runs of parts: each becomes one object. The first run is short, so that writing begins early while the rest is still
 * received; later ones are longer, so that objects stay few. Like the parts, runs follow from the rows alone.
 */
import type { Cut } from "./scan.ts";

export interface RunOfParts {
  /** Parts by index, from the first to before the last. */
  from: number;
  to: number;
  rows: number;
}

export interface Runs {
  /** To be called for each part that ended; gives the run that ended with it. */
  endPart: (cut: Pick<Cut, "rows" | "bytes">) => RunOfParts[];
  /** All runs of so many parts and rows. There is always one. */
  end: (parts: number, rows: number) => RunOfParts[];
}

/** Text in the first run, and at most in a later one. */
const firstBytes = 48_000_000;
const mostBytes = 384_000_000;
/** So many runs in a row have one length: as many are written at once on the smallest machine. */
const alike = 2;

const lengthOf = (index: number): number => Math.min(mostBytes, firstBytes * 2 ** Math.floor(index / alike));

export function createRuns(): Runs {
  const runs: RunOfParts[] = [];
  let parts = 0;
  let from = { part: 0, rows: 0, bytes: 0 };
  return {
    endPart: ({ rows, bytes }) => {
      parts += 1;
      if (bytes - from.bytes < lengthOf(runs.length)) return [];
      const run = { from: from.part, to: parts, rows: rows - from.rows };
      from = { part: parts, rows, bytes };
      runs.push(run);
      return [run];
    },
    end: (all, rows) =>
      from.part < all || runs.length === 0
        ? [...runs, { from: from.part, to: all, rows: rows - from.rows }]
        : runs,
  };
}
