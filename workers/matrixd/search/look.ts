/** What hybrid searches look up in the texts of all candidates, once they are found: their spelling and their sentences. */
import { embeddedModels, lexicalModel } from "../../../runtime/models/models.ts";
import { sentencesOf, spelledAlike } from "../ranking/ranking.ts";
import type { Candidate, CorpusAnswer, Tools } from "./corpus.ts";
import { rankAll } from "./order.ts";
import type { SearchPlan } from "./plan.ts";

/** Rows whose sentences are looked at: those that the parts known so far put first. */
const rowsMin = 50;
const rowsPerHit = 3;
/** Sentences of one call; embedd's bound on a request is larger. */
const sentencesMax = 512;

/** Sets `spelling` of every candidate, and `sentence` of the best whose model's vectors are means of their words. */
export async function lookAtTexts(
  { parts, watch }: Tools,
  asked: readonly CorpusAnswer[],
  plan: SearchPlan,
  signal: AbortSignal,
): Promise<void> {
  const { text: query } = plan;
  if (plan.mode !== "hybrid" || query === undefined) return;
  await watch("spelling", async () => {
    const all = asked.flatMap(({ candidates }) => [...candidates.values()]);
    const alike = spelledAlike(
      query,
      all.map(({ row }) => row.text ?? ""),
    );
    for (const [at, candidate] of all.entries()) candidate.spelling = alike[at] ?? 0;
  });
  const groups = Map.groupBy(
    asked.filter(({ live }) => isMeanOfWords(live.model)),
    ({ live }) => live.model,
  );
  for (const [model, group] of groups) {
    const vector = group.find((one) => one.vector !== undefined)?.vector;
    if (vector === undefined) continue;
    const best = rankAll(group, plan, new Map()).slice(0, Math.max(rowsMin, rowsPerHit * plan.k));
    const sentences = best
      .flatMap(({ candidate }) => sentencesOf(candidate.row.text ?? "").map((text) => ({ candidate, text })))
      .slice(0, sentencesMax);
    if (sentences.length === 0) continue;
    await watch("sentences", async () => {
      const texts = sentences.map(({ text }) => text);
      const { vectors } = await parts.peers.embedd.verbs.vectorsOf({ model, texts }, { signal });
      setNearest(sentences, vector, new Float32Array(vectors.slice().buffer));
    });
  }
}

/** A sentence model reads a text as a whole, and takes long; the static vectors are a sum. */
const isMeanOfWords = (model: string): boolean => model !== lexicalModel && embeddedModels.has(model);

/** Vectors of models inside have length 1; a query's own vector may not. */
function setNearest(
  sentences: readonly { candidate: Candidate }[],
  query: Float32Array,
  vectors: Float32Array,
): void {
  const { length } = query;
  const size = Math.hypot(...query);
  for (const [at, { candidate }] of sentences.entries()) {
    let product = 0;
    for (let place = 0; place < length; place++)
      product += (query[place] as number) * (vectors[at * length + place] as number);
    candidate.sentence = Math.max(candidate.sentence ?? -1, product / size);
  }
}
