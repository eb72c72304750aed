/** From the candidates of all corpora to one order. */
import {
  byDistance,
  byPlace,
  byWords,
  type Scored,
  type Weights,
  weightsOf,
  worthOf,
} from "../ranking/ranking.ts";
import type { Mode } from "../schemas/schemas.ts";
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
 * would if each corpus were fused for itself and the results taken in turn. A row that a list does not have gets
 * nothing from it: it stands behind all that were asked for. ADR 0208.
 */
export function rankAll(
  corpora: readonly CorpusAnswer[],
  { mode, weights, candidates: asked }: Pick<SearchPlan, "mode" | "weights" | "candidates">,
  reasons: ReadonlyMap<Candidate, Reasons>,
): Ranked[] {
  const all = corpora.flatMap(({ candidates }) => [...candidates.values()]);
  const words = byWords(scored(all, "lexical"));
  const found: Scored<Candidate>[] = [];
  for (const [model, group] of Map.groupBy(corpora, ({ live }) => live.model)) {
    const own = group.flatMap(({ candidates }) => [...candidates.values()]);
    const near = byDistance(scored(own, "vector"));
    const { vector, lexical } = sharesOf(mode, weightsOf(model, weights));
    for (const item of own)
      if (near.has(item) || words.has(item))
        found.push({ item, score: vector * (near.get(item) ?? 0) + lexical * (words.get(item) ?? 0) });
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

/** Shares of the whole, so that what is added to fused scores means the same in every mode. */
function sharesOf(mode: Mode, { vector, lexical }: Weights): Weights {
  if (mode !== "hybrid") return { vector: mode === "vector" ? 1 : 0, lexical: mode === "lexical" ? 1 : 0 };
  const whole = vector + lexical;
  return { vector: vector / whole, lexical: lexical / whole };
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
