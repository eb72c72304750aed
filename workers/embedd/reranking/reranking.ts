/** Texts ordered by how well they answer a query, by a cross-encoder: bounded, tried again, and nothing of it believed unchecked. */
import type { Config } from "../../../runtime/config/config.ts";
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { type Clock, createLimiter, type Limiter } from "../../../runtime/scheduling/scheduling.ts";
import type { Metrics } from "../../../runtime/telemetry/telemetry.ts";
import type { Embedd } from "../contract.ts";
import { checkTexts, withRetries } from "../embedding/embedding.ts";
import type { Model, Provider, RerankAnswer } from "../providers/providers.ts";

interface Reranker {
  /** One score a text, in their order. Throws `invalid_field` for texts that cannot be scored and models that score none. */
  score: (
    model: Model,
    query: string,
    texts: readonly string[],
    signal: AbortSignal,
  ) => Promise<RerankAnswer>;
}

interface RerankerDeps {
  config: Config["embedd"];
  clock: Clock;
  metrics: Metrics;
}

type Rerank = Embedd["endpoints"]["rerank"];

/** The verb `rerank`. `model` finds one by its id. */
export function createReranking({ model, ...deps }: RerankerDeps & { model: (id: string) => Model }) {
  const reranker = createReranker(deps);
  const { rerank_model: usual } = deps.config;
  return async (
    { model: id = usual, query, documents, top_n: most, return_documents: isReturned }: InputOf<Rerank>,
    signal: AbortSignal,
  ): Promise<ReplyOf<Rerank>> => {
    if (id === "")
      throw invalidField(
        "model",
        "name a cross-encoder; [embedd] rerank_model sets one for requests that name none",
      );
    const chosen = model(id);
    const texts = documents.map((one) => (typeof one === "string" ? one : one.text));
    const { scores, tokens = 0, cut = 0 } = await reranker.score(chosen, query, texts, signal);
    const results = ordered(scores, most).map((index) => ({
      index,
      relevance_score: scores[index] ?? 0,
      ...(isReturned && { document: { text: texts[index] ?? "" } }),
    }));
    const warnings = [
      `${cut} of the documents are longer than the model reads: their beginnings were scored`,
    ];
    return {
      model: chosen.id,
      results,
      usage: { total_tokens: tokens },
      ...(cut > 0 && { meta: { warnings } }),
    };
  };
}

/** Calls of one provider at once, and how many may wait. */
const callsMax = 4;
const waitingMax = 64;

function createReranker({ config, clock, metrics }: RerankerDeps): Reranker {
  const limiters = new Map<Provider, Limiter>();
  const scored = metrics.counter("embedd_reranked_texts_total", "Texts scored for a query.");
  const limits = { textsMax: config.max_batch_texts, textBytesMax: config.max_text_bytes };
  const limiterOf = (provider: Provider): Limiter => {
    const known =
      limiters.get(provider) ?? createLimiter(callsMax, { waitingMax, refusal: () => busy(provider) });
    limiters.set(provider, known);
    return known;
  };
  return {
    score: async ({ id, name, provider }, query, texts, signal) => {
      if (provider.rerank === undefined)
        throw invalidField(
          "model",
          `'${id}' makes vectors and scores no texts: expected a cross-encoder that bun run model added, or <provider>/<name> of a server with POST /rerank`,
        );
      checkTexts([query], () => "query", limits);
      checkTexts(texts, (at) => (at < 0 ? "documents" : `documents.${at}`), limits);
      const free = await limiterOf(provider).take(signal);
      try {
        const call = (inner: AbortSignal) =>
          provider.rerank?.({ name, query, texts, signal: inner }) as Promise<RerankAnswer>;
        const { retries, timeout_ms: timeoutMs } = config;
        const what = `${provider.name} (model '${id}')`;
        const answer = await withRetries(call, signal, { retries, timeoutMs, clock, what });
        checkScores(answer.scores, texts.length, id);
        scored.add(texts.length, { provider: provider.name });
        return answer;
      } finally {
        free();
      }
    },
  };
}

const busy = ({ name }: Provider) =>
  fail("too_many_requests", `${name} has ${waitingMax} rerankings waiting: try again`, {
    retryAfterSeconds: 1,
  });

function checkScores(scores: readonly number[], count: number, model: string): void {
  const wrong = scores.findIndex((score) => !Number.isFinite(score));
  if (scores.length === count && wrong < 0) return;
  const what = wrong < 0 ? `${scores.length} scores for ${count} texts` : `no score for text ${wrong}`;
  throw fail("bad_gateway", `model '${model}' answered ${what}: nothing of the answer was used`, {
    details: { model },
  });
}

/** Places of the texts, the best first; equal scores in the texts' order. */
const ordered = (scores: readonly number[], count = scores.length): number[] =>
  [...scores.keys()].sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b).slice(0, count);
