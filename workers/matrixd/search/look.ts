/** What hybrid searches look up in the texts of all candidates, once they are found: their spelling and their sentences. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { embeddedModels, lexicalModel } from "../../../runtime/models/models.ts";
import { spelledAlike } from "../../../runtime/ranking/ranking.ts";
import { sentencesOf } from "../ranking/ranking.ts";
import type { Candidate, CorpusAnswer, Tools } from "./corpus.ts";
import { within } from "./deadline.ts";
import { rankAll } from "./order.ts";
import type { SearchPlan } from "./plan.ts";

/** Rows whose sentences are looked at: those that the parts known so far put first. */
const rowsMin = 50;
const rowsPerHit = 3;
/** Sentences of one call; embedd's bound on a request is larger. */
const sentencesMax = 512;

/**
 * Sets `spelling` of every candidate, and `sentence` of the best whose model's vectors are means of their words. Where the
 * model fails or is late, the hits do without sentences, and that is reported for their corpora.
 */
export async function lookAtTexts(
  { parts, watch }: Tools,
  asked: readonly CorpusAnswer[],
  plan: SearchPlan,
  { errors, signal }: { errors: { corpus: string; error: unknown }[]; signal: AbortSignal },
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
    const texts = sentences.map(({ text }) => text);
    const options = { clock: parts.clock, signal, what: "the comparison of sentences" };
    try {
      const { vectors } = await watch("sentences", () =>
        within(plan.timeoutMs, options, (own) =>
          parts.peers.embedd.verbs.vectorsOf({ model, texts }, { signal: own }),
        ),
      );
      setNearest(sentences, vector, new Float32Array(vectors.slice().buffer));
    } catch (error) {
      signal.throwIfAborted();
      errors.push(...group.map(({ name }) => ({ corpus: name, error: withoutSentences(error) })));
    }
  }
}

const withoutSentences = (error: unknown): unknown =>
  error instanceof ServiceError
    ? new ServiceError(error.type, `sentences had no say: ${error.message}`, { cause: error })
    : error;

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
  // A query of words that the model has none of is near to nothing.
  if (size === 0) return;
  for (const [at, { candidate }] of sentences.entries()) {
    let product = 0;
    for (let place = 0; place < length; place++)
      product += (query[place] as number) * (vectors[at * length + place] as number);
    candidate.sentence = Math.max(candidate.sentence ?? -1, product / size);
  }
}
