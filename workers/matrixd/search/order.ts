/** From the candidates of all corpora to one order. */
import { fuse, type Ranking, worthOf } from "../ranking/ranking.ts";
import type { Candidate, CorpusAnswer } from "./corpus.ts";
import type { SearchPlan } from "./plan.ts";
import { boostOfAll, type Reasons } from "./playbooks.ts";

export interface Ranked {
  candidate: Candidate;
  fused: number;
  /** What playbooks add. */
  boost: number;
  score: number;
}

/**
 * All corpora compete in the same lists: one by BM25, and one by cosine for each embedding model, since cosines of
 * different models cannot be compared. So a corpus with nothing to say does not get its best row to the front, as it
 * would if each corpus were fused for itself and the results taken in turn (ADR 0094).
 */
export function rankAll(
  corpora: readonly CorpusAnswer[],
  { mode, weights, candidates: asked }: Pick<SearchPlan, "mode" | "weights" | "candidates">,
  reasons: ReadonlyMap<Candidate, Reasons>,
): Ranked[] {
  const all = corpora.flatMap(({ candidates }) => [...candidates.values()]);
  const byVector: Ranking<Candidate> = {
    weight: mode === "hybrid" ? weights.vector : 1,
    lists: [...Map.groupBy(corpora, ({ live }) => live.model).values()].map((group) =>
      group.flatMap(({ candidates }) => scored([...candidates.values()], "vector")),
    ),
  };
  const byWords: Ranking<Candidate> = {
    weight: mode === "hybrid" ? weights.lexical : 1,
    lists: [scored(all, "lexical")],
  };
  const fused = fuse(mode === "hybrid" ? [byVector, byWords] : [mode === "vector" ? byVector : byWords]);
  const places = new Map(corpora.map(({ name }, at) => [name, at]));
  return all
    .map((candidate) => {
      // A row that no list has stands behind all that were asked for: where a longer list would first have it.
      const own = fused.get(candidate) ?? worthOf(asked + 1);
      const boost = boostOfAll(reasons.get(candidate));
      return { candidate, fused: own, boost, score: own + boost };
    })
    .sort((a, b) => b.score - a.score || inOrder(a.candidate, b.candidate, places));
}

const scored = (candidates: readonly Candidate[], part: "vector" | "lexical") =>
  candidates.flatMap((item) => {
    const score = item[part];
    return score === undefined ? [] : [{ item, score }];
  });

/** Equal scores stand by the order of the corpora in the request, then by id: the same order at each call. */
export function inOrder(a: Candidate, b: Candidate, places: ReadonlyMap<string, number>): number {
  const byCorpus = (places.get(a.corpus) ?? 0) - (places.get(b.corpus) ?? 0);
  if (byCorpus !== 0) return byCorpus;
  return a.row.id < b.row.id ? -1 : a.row.id > b.row.id ? 1 : 0;
}
