/**
 * OpenAI's /v1/embeddings and /v1/models with their faults, chosen by the model's name; error bodies are OpenAI's
 * own. Tokens are words, a model's window is 64 of them. Started as a process by `startOpenAiServer`.
 */
import {
  type FakeServer,
  fakeTokens,
  fakeVector,
  type Received,
  type Reply,
  type Sent,
  serveFake,
  startFakeServer,
} from "./fake-server.ts";

export const startOpenAiServer = (): Promise<FakeServer> => startFakeServer("openai.ts");

export const openAiKey = "sk-hidden-value-of-tests";
export const openAiWindow = 64;
export const openAiDimension = 32;

const models = [
  "text-embedding-3-small",
  "embed-floats",
  "embed-shuffled",
  "embed-busy",
  "embed-full",
  "embed-broken",
  "embed-quota",
  "embed-cut",
  "embed-count",
  "embed-length",
  "embed-junk",
  "gpt-4o",
];

const refusal = (message: string, type = "invalid_request_error", code: string | null = null) => ({
  error: { message, type, param: null, code },
});

function embeddings({ body, headers }: Received, reply: Reply): Sent {
  const model = String(body.model);
  const retryAfter: Record<string, string> =
    reply.settings.retryAfter === undefined ? {} : { "retry-after": String(reply.settings.retryAfter) };
  const wanted = reply.settings.open ? undefined : `Bearer ${openAiKey}`;
  if (headers.authorization !== wanted)
    return reply.json(
      401,
      refusal(
        `Incorrect API key provided: ${headers.authorization}.`,
        "invalid_request_error",
        "invalid_api_key",
      ),
    );
  if (!models.includes(model))
    return reply.json(
      404,
      refusal(
        `The model \`${model}\` does not exist or you do not have access to it.`,
        "invalid_request_error",
        "model_not_found",
      ),
    );
  if (model === "embed-busy" && reply.failing())
    return reply.json(
      429,
      refusal("Rate limit reached for requests", "requests", "rate_limit_exceeded"),
      retryAfter,
    );
  if (model === "embed-full" && reply.failing())
    return reply.json(503, refusal("The engine is currently overloaded", "server_error"), retryAfter);
  if (model === "embed-broken" && reply.failing())
    return reply.json(
      500,
      refusal(
        `The server had an error while processing your request (${headers.authorization})`,
        "server_error",
      ),
    );
  if (model === "embed-quota")
    return reply.json(
      429,
      refusal("You exceeded your current quota", "insufficient_quota", "insufficient_quota"),
    );
  const given = Array.isArray(body.input) ? body.input : [body.input];
  // One list of numbers is one text of tokens; each of them counts as a word.
  const lists = typeof given[0] === "number" ? [given] : given;
  const texts = lists.map((each) => (Array.isArray(each) ? each.join(" ") : String(each)));
  const longest = Math.max(...texts.map(fakeTokens));
  if (longest > openAiWindow)
    return reply.json(
      400,
      refusal(
        `This model's maximum context length is ${openAiWindow} tokens, however you requested ${longest} tokens (${longest} in your prompt; 0 for the completion). Please reduce your prompt; or completion length.`,
      ),
    );
  const asked = body.dimensions === undefined ? openAiDimension : Number(body.dimensions);
  if (asked > openAiDimension)
    return reply.json(
      400,
      refusal(`Invalid value for 'dimensions': expected at most ${openAiDimension}, got ${asked}.`),
    );
  return answerTexts(model, { texts, asked, format: body.encoding_format }, reply);
}

function answerTexts(
  model: string,
  { texts, asked, format }: { texts: string[]; asked: number; format: unknown },
  reply: Reply,
): Sent {
  const vectors = texts.map((text) => fakeVector(text, asked));
  if (model === "embed-length") vectors.at(-1)?.pop();
  const isText = format === "base64" && model !== "embed-floats";
  const data = vectors.map((vector, index) => ({
    object: "embedding",
    index,
    embedding: isText ? Buffer.from(new Float32Array(vector).buffer).toString("base64") : vector,
  }));
  if (model === "embed-count") data.pop();
  if (model === "embed-shuffled") data.reverse();
  if (model === "embed-junk") for (const item of data) item.embedding = "AAAA";
  const tokens = texts.reduce((sum, text) => sum + fakeTokens(text), 0);
  const answer = { object: "list", data, model, usage: { prompt_tokens: tokens, total_tokens: tokens } };
  if (model === "embed-cut" && reply.failing()) return reply.cut(answer);
  return reply.json(200, answer);
}

if (import.meta.main)
  serveFake((call, reply) => {
    if (call.path === "/v1/embeddings") return embeddings(call, reply);
    if (call.path === "/v1/models")
      return reply.json(200, { object: "list", data: models.map((id) => ({ id, object: "model" })) });
    return reply.json(404, refusal(`Invalid URL (POST ${call.path})`));
  });
