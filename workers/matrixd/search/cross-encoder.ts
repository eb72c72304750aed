/** The best rows in the order of a cross-encoder, which reads each beside the query (ADR 0253). */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { byPlace, worthOf } from "../ranking/ranking.ts";
import type { Candidate, CorpusAnswer, SearchParts } from "./corpus.ts";
import { within } from "./deadline.ts";
import { inOrder, type Ranked, type Reranked } from "./order.ts";
import type { SearchPlan } from "./plan.ts";

/** Rows that are read: a model takes milliseconds for each. */
const readMax = 100;
/** Characters of a text that are sent: more than any window has. */
const charactersMax = 16_384;

interface Material {
  best: readonly Ranked[];
  texts: ReadonlyMap<Candidate, string>;
  asked: readonly CorpusAnswer[];
  errors: { corpus: string; error: unknown }[];
  signal: AbortSignal;
}

/**
 * A row counts by the place that the model gives it, and what playbooks add, as before; those that it did not read stand
 * behind. A model that fails or is late leaves the order as it was, which is reported for all corpora; one that cannot be
 * asked throws.
 */
export async function rankByModel(
  { peers, clock }: Pick<SearchParts, "peers" | "clock">,
  { best, texts, asked, errors, signal }: Material,
  { text: query = "", rerankModel, timeoutMs }: SearchPlan,
): Promise<Reranked[]> {
  const read = best.filter(({ candidate }) => (texts.get(candidate) ?? "").trim() !== "").slice(0, readMax);
  const asIs = best.map((one) => ({ ...one, rerankParts: {} }));
  if (read.length === 0) return asIs;
  const documents = read.map(({ candidate }) => firstOf(texts.get(candidate) ?? ""));
  const options = { clock, signal, what: "the cross-encoder" };
  try {
    const { results } = await within(timeoutMs, options, (own) =>
      peers.embedd.verbs.rerank(
        { query, documents, ...(rerankModel !== undefined && { model: rerankModel }) },
        { signal: own },
      ),
    );
    const scores = new Map(results.map(({ index, relevance_score }) => [read[index], relevance_score]));
    const worths = byPlace(read.map((item) => ({ item, score: scores.get(item) ?? 0 })));
    const places = new Map(asked.map(({ name }, at) => [name, at]));
    return best
      .map((one, at) => {
        const relevance = scores.get(one);
        const own = worths.get(one) ?? worthOf(read.length + 1 + at);
        return {
          ...one,
          score: own + one.boost,
          rerankParts: relevance === undefined ? {} : { rerank: relevance },
        };
      })
      .sort((a, b) => b.score - a.score || inOrder(a.candidate, b.candidate, places));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ServiceError && isAskersOwn.has(error.type)) throw error;
    for (const { name } of asked) errors.push({ corpus: name, error: withoutModel(error) });
    return asIs;
  }
}

/** No model of that name, none named, a query that is longer than it reads: trying again is of no use. */
const isAskersOwn = new Set(["invalid_field", "not_found", "unprocessable"]);

const firstOf = (text: string): string => text.slice(0, charactersMax).toWellFormed();

const withoutModel = (error: unknown): unknown =>
  error instanceof ServiceError
    ? new ServiceError(error.type, `the cross-encoder had no say: ${error.message}`, { cause: error })
    : error;
