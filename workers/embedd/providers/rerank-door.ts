/** `POST <base_url>/rerank` of other servers, in the one shape that Cohere, Jina, vLLM and Infinity share. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { noModel } from "../../../runtime/models/models.ts";
import {
  fetchUpstream,
  hostOf,
  passedOnSeconds,
  quoted,
  retryAfterMs,
  textOf,
} from "../../../runtime/upstream/upstream.ts";
import {
  answerLimit,
  connectionFailure,
  keyRefused,
  type ProviderOptions,
  type RerankAnswer,
  type RerankCall,
  refuseWithoutKey,
  TransientFailure,
} from "./provider.ts";

/** Of an answer: for each text its number, score and, from servers that send it back unasked, its first 16 KiB. */
const answerBytes = (texts: number): number => 65_536 + texts * 16_384;

/** Asks once; throws as `Provider.rerank` says. */
export async function askRerank(
  { name, query, texts, signal }: RerankCall,
  options: ProviderOptions,
): Promise<RerankAnswer> {
  const { provider, url, key } = options;
  refuseWithoutKey(options);
  try {
    const response = await fetchUpstream(`${url.replace(/\/+$/, "")}/rerank`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
      },
      body: JSON.stringify({
        model: name,
        query,
        documents: texts,
        top_n: texts.length,
        return_documents: false,
      }),
      signal,
    });
    const text = await textOf(response, answerLimit(answerBytes(texts.length), provider));
    if (response.status !== 200) throw refused({ response, text, name }, options);
    return inOrder(text, texts.length, provider);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof ServiceError || cause instanceof TransientFailure) throw cause;
    const advice = `start it, or set [providers.${provider}] base_url`;
    throw connectionFailure(cause, { provider, url, advice, model: `${provider}/${name}` });
  }
}

interface Scored {
  index?: unknown;
  relevance_score?: unknown;
  score?: unknown;
}

/** The scores by the texts' numbers; what is missing is NaN, for the check to refuse. */
function inOrder(text: string, count: number, provider: string): RerankAnswer {
  let answer: { results?: unknown; data?: unknown; usage?: { total_tokens?: unknown } };
  try {
    answer = Object(JSON.parse(text));
  } catch (cause) {
    throw new TransientFailure(
      fail("bad_gateway", `${provider}'s answer was cut off or is no JSON: try again`, { cause }),
    );
  }
  const list = answer.results ?? answer.data;
  const scores = new Array<number>(count).fill(Number.NaN);
  for (const { index, relevance_score, score = relevance_score } of (Array.isArray(list)
    ? list
    : []) as Scored[])
    if (typeof index === "number" && index in scores && typeof score === "number") scores[index] = score;
  const tokens = answer.usage?.total_tokens;
  return { scores, ...(typeof tokens === "number" && { tokens }) };
}

function refused(
  { response, text, name }: { response: Response; text: string; name: string },
  { provider, url, key, clock }: ProviderOptions,
): Error {
  const { status, headers } = response;
  const who = `${provider} at ${hostOf(url)} (model '${provider}/${name}')`;
  if (status === 401 || status === 403) return keyRefused(who, status, provider);
  const words = quoted(text.slice(0, 1000), key);
  if (status === 404 || status === 405)
    return fail(
      "not_found",
      `${who} has no such model, or no /rerank below its base_url. It says: ${words}`,
      {
        details: noModel,
      },
    );
  const waitMs = retryAfterMs(headers, clock);
  if (status === 429 || status === 503) {
    const type = status === 429 ? "too_many_requests" : "overloaded";
    const busy = fail(type, `${who} is busy: ${words}`, { retryAfterSeconds: passedOnSeconds(waitMs) });
    return new TransientFailure(busy, waitMs);
  }
  const failed = fail("bad_gateway", `${who} refused to rerank with ${status}: ${words}`);
  return status >= 500 ? new TransientFailure(failed, waitMs) : failed;
}
