/** From the candidates of all corpora to one order. */

import { scoreOf, type Weights, weightsOf } from "../../../runtime/ranking/ranking.ts";
import { byDistance, byPlace, type Scored, worthOf } from "../ranking/ranking.ts";
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

/** With the parts of its score that reranking adds. */
export interface Reranked extends Ranked {
  rerankParts: Record<string, number>;
}

/**
 * All corpora compete in the same list. So a corpus with nothing to say does not get its best row to the front, as it
 * would if each corpus were fused for itself and the results taken in turn. By vector alone cosines of different models
 * are spread first, since they cannot be compared. ADR 0208, 0245.
 */
export function rankAll(
  corpora: readonly CorpusAnswer[],
  { mode, weights, candidates: asked }: Pick<SearchPlan, "mode" | "weights" | "candidates">,
  reasons: ReadonlyMap<Candidate, Reasons>,
): Ranked[] {
  const all = corpora.flatMap(({ candidates }) => [...candidates.values()]);
  const found: Scored<Candidate>[] = mode === "lexical" ? scored(all, "lexical") : [];
  if (mode !== "lexical")
    for (const [model, group] of Map.groupBy(corpora, ({ live }) => live.model)) {
      const own = group.flatMap(({ candidates }) => [...candidates.values()]);
      const near = scored(own, "vector");
      if (mode === "vector") for (const [item, score] of byDistance(near)) found.push({ item, score });
      else found.push(...together(own, near, weightsOf(model, weights)));
    }
  const fused = byPlace(found);
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

/** A row that was not found by vector is no nearer than the last that was. */
function together(
  own: readonly Candidate[],
  near: readonly Scored<Candidate>[],
  weights: Weights,
): Scored<Candidate>[] {
  const least = near.reduce((lowest, { score }) => Math.min(lowest, score), 1);
  return own
    .filter(({ vector, lexical }) => vector !== undefined || lexical !== undefined)
    .map((item) => {
      const { vector = near.length === 0 ? 0 : least, sentence, spelling = 0, share: words = 0 } = item;
      return { item, score: scoreOf({ vector, sentence, spelling, words }, weights) };
    });
}

const scored = (candidates: readonly Candidate[], part: "vector" | "lexical"): Scored<Candidate>[] =>
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
