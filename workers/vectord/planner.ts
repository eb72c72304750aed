/**
 * How a search is done: through the engine's graph, or by comparing with every row that may be in the answer. Pure.
 *
 * A graph search that must skip dead or filtered rows asks for more candidates, as many more as rows are skipped on
 * average, and what is found is right as far as the candidates reach: the nearest matching rows are among them or
 * are further away than all of them. Where the candidates hold too few (the matching rows lie far from the query),
 * twice as many are asked for, until that costs more than comparing with each matching row, which finds all.
 */

export interface Situation {
  k: number;
  /** Candidates of an unfiltered search. */
  ef: number;
  /** Rows the engine covers. */
  covered: number;
  /** Rows among those that may be in the answer. */
  matching: number;
}

export type Plan = { kind: "exact" } | { kind: "graph"; candidates: number };

/**
 * A candidate of a graph search costs about as much as so many rows of an exact one. A candidate means reading its
 * links and comparing with those not yet seen, wherever they lie in memory; an exact search reads rows in order.
 */
export const rowsPerCandidate = 16;

/** The first step for a query. */
export function planSearch({ k, ef, covered, matching }: Situation): Plan {
  const selectivity = matching / covered;
  const skips = matching < covered;
  const candidates = Math.min(covered, skips ? Math.ceil(Math.max(k, ef) / selectivity) : k);
  return affordable(Math.max(candidates, ef), matching) ? { kind: "graph", candidates } : { kind: "exact" };
}

/** The next step when so many candidates held too few rows. */
export function planWider(candidates: number, { covered, matching }: Situation): Plan {
  const wider = Math.min(covered, candidates * 2);
  const isWider = wider > candidates;
  return isWider && affordable(wider, matching) ? { kind: "graph", candidates: wider } : { kind: "exact" };
}

const affordable = (candidates: number, matching: number): boolean =>
  candidates * rowsPerCandidate < matching;
