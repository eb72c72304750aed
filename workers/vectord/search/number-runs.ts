/**
 * Numbers and the rows they stand in, sorted: 12 bytes a value whatever their number. New values become a short run,
 * and runs of similar length are merged, so that adding costs O(log n) a value and no step is long.
 */
import type { Bound } from "../../../runtime/filter/filter.ts";

interface Run {
  values: Float64Array;
  rows: Uint32Array;
}

interface NumberRuns {
  add: (values: readonly number[], rows: readonly number[]) => void;
  /** Rows whose value lies between the bounds. */
  visit: (bounds: { above?: Bound<number>; below?: Bound<number> }, found: (row: number) => void) => void;
}

export function createNumberRuns(): NumberRuns {
  const runs: Run[] = [];
  return {
    add: (values, rows) => {
      if (values.length === 0) return;
      runs.push(sorted(values, rows));
      for (;;) {
        const [longer, shorter] = [runs.at(-2), runs.at(-1)];
        if (!longer || !shorter || longer.values.length > shorter.values.length * 2) return;
        runs.splice(-2, 2, merged(longer, shorter));
      }
    },
    visit: ({ above, below }, found) => {
      for (const { values, rows } of runs) {
        const from = above === undefined ? 0 : position(values, above.value, !above.inclusive);
        const to = below === undefined ? values.length : position(values, below.value, below.inclusive);
        for (let at = from; at < to; at++) found(rows[at] ?? 0);
      }
    },
  };
}

function sorted(values: readonly number[], rows: readonly number[]): Run {
  const order = Uint32Array.from(values, (_, at) => at).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0));
  return {
    values: Float64Array.from(order, (at) => values[at] ?? 0),
    rows: Uint32Array.from(order, (at) => rows[at] ?? 0),
  };
}

function merged(left: Run, right: Run): Run {
  const length = left.values.length + right.values.length;
  const run = { values: new Float64Array(length), rows: new Uint32Array(length) };
  for (let at = 0, l = 0, r = 0; at < length; at++) {
    const value = l < left.values.length ? (left.values[l] ?? 0) : Number.POSITIVE_INFINITY;
    const fromRight = r < right.values.length && (right.values[r] ?? 0) < value;
    const isLeft = !fromRight && l < left.values.length;
    run.values[at] = isLeft ? value : (right.values[r] ?? 0);
    run.rows[at] = (isLeft ? left.rows[l++] : right.rows[r++]) ?? 0;
  }
  return run;
}

/** Where values above `value` begin, or with `past` false where those at or above it do. */
function position(values: Float64Array, value: number, past: boolean): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const at = values[middle] ?? 0;
    if (past ? at > value : at >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}
