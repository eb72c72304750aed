/** The rows of one corpus that are nearest to a vector: live, inside of the set asked for, and as many as there are. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { charactersRead } from "../../../runtime/ranking/ranking.ts";
import type { Vectord } from "../../vectord/contract.ts";
import type { LiveCorpus } from "../corpora/corpora.ts";
import type { CorpusRow } from "../lexicon/lexicon.ts";
import { rowField } from "../schemas/schemas.ts";
import { filterAmong, planAmong, type RowSet } from "./row-set.ts";

interface VectorSearch {
  vector: Float32Array;
  k: number;
  filter: Record<string, unknown> | undefined;
  /** Only these rows. */
  among: RowSet | undefined;
  ef: number | undefined;
  signal: AbortSignal;
}

interface ScoredRow {
  row: CorpusRow;
  /** Cosine. */
  score: number;
}

/** vectord's bound on the results of one search. */
const askedMax = 10_000;

/**
 * At most k rows, nearest first. Rows that the index still holds but the corpus does not call live are dropped, and
 * more are asked for in their place. Throws `invalid_field` when the vector does not have the corpus's dimension.
 */
export async function searchVectors(
  vectord: Peer<Vectord>,
  live: LiveCorpus,
  ask: VectorSearch,
): Promise<ScoredRow[]> {
  const { vector, k, among } = ask;
  if (vector.length !== live.dimension)
    throw invalidField(
      "query_vector",
      `the corpus holds vectors of ${live.dimension} numbers (model ${live.model}), got ${vector.length}`,
    );
  if (among?.numbers.length === 0) return [];
  const plan = among && planAmong(among.numbers.length, live.rows, k, askedMax);
  let asked = plan?.kind === "overfetch" ? plan.ask : k;
  let listed = plan?.kind === "filter";
  for (;;) {
    const filter = among && listed ? filterAmong(among, rowField, ask.filter) : ask.filter;
    const hits = await searchIndex(vectord, live, { ...ask, filter, k: asked });
    const inside = among && !listed ? hits.filter(({ number }) => among.has(number)) : hits;
    const found = await readLive(live, inside);
    if (found.length >= k || hits.length < asked) return found.slice(0, k);
    if (among && !listed && asked * 2 > askedMax) {
      listed = true;
      asked = k;
    } else if (asked === askedMax) return found;
    else asked = Math.min(askedMax, asked * 2);
  }
}

/** The cosine of these rows, for those of them that match the filter; rows that do not are not in it. */
export async function scoresOf(
  vectord: Peer<Vectord>,
  live: LiveCorpus,
  {
    vector,
    among,
    filter,
    signal,
  }: { vector: Float32Array; among: RowSet; filter: VectorSearch["filter"]; signal: AbortSignal },
): Promise<Map<number, number>> {
  if (among.numbers.length === 0) return new Map();
  const hits = await searchIndex(vectord, live, {
    vector,
    k: among.numbers.length,
    filter: filterAmong(among, rowField, filter),
    signal,
  });
  return new Map(hits.map(({ number, score }) => [number, score]));
}

interface Found {
  number: number;
  score: number;
}

async function searchIndex(
  vectord: Peer<Vectord>,
  live: LiveCorpus,
  ask: {
    vector: Float32Array;
    k: number;
    filter: VectorSearch["filter"];
    ef?: number | undefined;
    signal: AbortSignal;
  },
): Promise<Found[]> {
  const { results } = await vectord.verbs.searchVectors(
    {
      name: live.index,
      vectors: new Uint8Array(ask.vector.slice().buffer),
      k: ask.k,
      include: [],
      ...(ask.filter && { filter: ask.filter }),
      ...(ask.ef !== undefined && { ef: ask.ef }),
    },
    { signal: ask.signal },
  );
  return (results[0] ?? []).map(({ id, score }) => ({ number: Number(id), score }));
}

/** In the order of the hits, those that are live. */
async function readLive(live: LiveCorpus, hits: readonly Found[]): Promise<ScoredRow[]> {
  const rows = await live.read(
    hits.map(({ number }) => number),
    { text: charactersRead },
  );
  const scores = new Map(hits.map(({ number, score }) => [number, score]));
  return rows.map((row) => ({ row, score: scores.get(row.number) ?? 0 }));
}
