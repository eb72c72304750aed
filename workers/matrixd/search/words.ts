/** The rows of one corpus that have the query's words, best first. */

import { charactersRead } from "../../../runtime/ranking/ranking.ts";
import type { LiveCorpus } from "../corpora/corpora.ts";
import type { CorpusRow } from "../lexicon/lexicon.ts";
import { termsOf } from "../ranking/ranking.ts";
import { planAmong, type RowSet } from "./row-set.ts";

interface WordSearch {
  text: string;
  k: number;
  filter: Record<string, unknown> | undefined;
  /** Only these rows. */
  among: RowSet | undefined;
  signal: AbortSignal;
}

/** More rows than this are not read only to be dropped: the set is handed over instead. */
const askedMax = 10_000;

/** At most k rows with their texts and BM25 scores; fewer only when no more have any of the words. */
export async function searchWords(
  live: LiveCorpus,
  ask: WordSearch,
): Promise<{ row: CorpusRow; score: number; share: number }[]> {
  const found = new Map((await find(live, ask)).map((one) => [one.number, one]));
  const rows = await live.read([...found.keys()], { text: charactersRead });
  return rows.map((row) => ({ score: 0, share: 0, ...found.get(row.number), row }));
}

/** Function words stand in nearly every row: looking for them costs much and ranks badly (ADR 0208). */
async function find(live: LiveCorpus, { text: query, k, filter, among, signal }: WordSearch) {
  const text = termsOf(query).join(" ") || query;
  const ask = { text, k, signal, ...(filter && { filter }) };
  if (among === undefined) return live.lexical(ask);
  if (among.numbers.length === 0) return [];
  const plan = planAmong(among.numbers.length, live.rows, k, askedMax);
  if (plan.kind === "overfetch") {
    const more = await live.lexical({ ...ask, k: plan.ask });
    const inside = more.filter(({ number }) => among.has(number));
    if (inside.length >= k || more.length < plan.ask) return inside.slice(0, k);
  }
  return live.lexical({ ...ask, among: among.numbers });
}
