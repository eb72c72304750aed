/**
 * How a search is done: through the engine's graph, or by comparing with every row that may be in the answer.
 *
 * A graph search that must skip dead or filtered rows asks for more candidates, as many more as rows are skipped on
 * average, and what is found is right as far as the candidates reach: the nearest matching rows are among them or
 * are further away than all of them. Where the candidates hold too few (the matching rows lie far from the query),
 * twice as many are asked for, until that costs more than comparing with each matching row, which finds all.
 */

/** Results of a graph are best at the near end of its candidates: so many for each result, up to so many in all. */
const candidatesPerResult = 3;
const candidatesForResultsMax = 500;

/**
 * The candidates of a search that names no `ef`: those of the index, or more where many results are asked for. Among
 * 12,000 random vectors of 48 numbers, the worst there is, 100 candidates hold 0.86 of the 100 nearest, 300 hold 0.98.
 */
export const defaultEf = (k: number, efSearch: number): number =>
  Math.max(efSearch, Math.min(k * candidatesPerResult, candidatesForResultsMax));

/** Rows that must remain when dead and filtered ones were taken out of the candidates: fewer, and wider is asked. */
export const remainingMin = (wanted: number, matching: number): number =>
  Math.min(matching, Math.ceil(wanted * 1.5));

export interface Situation {
  k: number;
  /** Candidates of an unfiltered search. */
  ef: number;
  /** Rows the engine covers. */
  covered: number;
  /** Rows among those that may be in the answer. */
  matching: number;
  /** Whether these are all rows there are, which an exact search reads in order instead of one by one. */
  isWhole: boolean;
  /** Most candidates that the engine gives. */
  candidatesMax?: number;
  /** The engine looks at the rows that may be in the answer alone. */
  filters?: boolean;
}

export type Plan = { kind: "exact" } | { kind: "graph"; candidates: number };

/**
 * A candidate of a graph search costs about as much as so many rows of an exact one: it means reading its links and
 * comparing with those not seen yet, wherever they lie. Measured on 50,000 rows (ADR 0066): chosen rows, which are
 * gathered first, 4 with 768 dimensions and 9 with 64; rows in order 30 and 40.
 */
const rowsPerCandidate = { chosen: 5, whole: 32 };

/**
 * Rows that are compared exactly though their engine filters. Rows that lie together, far from what is looked for, differ from
 * it in as many bits, nearly: where they are few, none is left out.
 */
const comparedMax = 2048;

/** The first step for a query. */
export function planSearch(situation: Situation): Plan {
  const { k, ef, covered, matching, filters = false } = situation;
  if (filters && matching < covered)
    return matching > comparedMax ? { kind: "graph", candidates: k } : { kind: "exact" };
  const skips = matching < covered;
  const candidates = Math.min(covered, skips ? Math.ceil((Math.max(k, ef) * covered) / matching) : k);
  return isAffordable(Math.max(candidates, ef), situation)
    ? { kind: "graph", candidates }
    : { kind: "exact" };
}

/** The next step when so many candidates held too few rows. */
export function planWider(candidates: number, situation: Situation): Plan {
  if (situation.filters && situation.matching < situation.covered) return { kind: "exact" };
  const wider = Math.min(situation.covered, candidates * 2);
  const isWider = wider > candidates;
  return isWider && isAffordable(wider, situation) ? { kind: "graph", candidates: wider } : { kind: "exact" };
}

const isAffordable = (
  candidates: number,
  { matching, isWhole, candidatesMax = Number.POSITIVE_INFINITY }: Situation,
): boolean =>
  candidates <= candidatesMax && candidates * rowsPerCandidate[isWhole ? "whole" : "chosen"] < matching;
