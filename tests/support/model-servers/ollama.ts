/**
 * Ollama's native API with its faults, chosen by the model's name; error texts are Ollama's own. Tokens are words,
 * a model's window is 64 of them. Started as a process by `startOllama`.
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

export const startOllama = (): Promise<FakeServer> => startFakeServer("ollama.ts");

export const ollamaWindow = 64;
export const ollamaDimension = 16;

const models = [
  "nomic-embed-text",
  "tiny",
  "full",
  "cut",
  "count",
  "length",
  "nan",
  "nulls",
  "oom",
  "huge",
  "old",
  "grows",
];
const capabilities = (name: string) => (name === "chatty" ? ["completion"] : ["embedding"]);

/** How Ollama refused a text that is too long, release after release. */
const overflow: Record<string, string> = {
  "nomic-embed-text": "the input length exceeds the context length",
  old: "input length exceeds maximum context length",
  tiny: JSON.stringify({
    error: {
      code: 400,
      message: "request (70 tokens) exceeds the available context size (64 tokens), try increasing it",
      type: "exceed_context_size_error",
    },
  }),
};

function embed({ body }: Received, reply: Reply): Sent {
  const model = String(body.model).replace(/:latest$/, "");
  const texts = (Array.isArray(body.input) ? body.input : [body.input]) as string[];
  if (model === "chatty") return reply.json(501, { error: "this model does not support embeddings" });
  if (!models.includes(model))
    return reply.json(404, { error: `model "${body.model}" not found, try pulling it first` });
  if (model === "full" && reply.failing())
    return reply.json(503, { error: "server busy, please try again.  maximum pending requests exceeded" });
  if (model === "oom")
    return reply.json(500, {
      error: "model requires more system memory (9.1 GiB) than is available (2.0 GiB)",
    });
  const long = texts.some((text) => fakeTokens(text) > ollamaWindow);
  if (long && body.truncate === false)
    return reply.json(400, { error: overflow[model] ?? overflow["nomic-embed-text"] });
  const read = long ? texts.map((text) => text.split(/\s+/).slice(0, ollamaWindow).join(" ")) : texts;
  const dimension = Number(reply.settings.dimension ?? ollamaDimension);
  const embeddings: unknown[][] = read.map((text) => fakeVector(text, dimension));
  const answer = {
    model: body.model,
    embeddings,
    prompt_eval_count: read.reduce((sum, text) => sum + fakeTokens(text), 0),
  };
  if (model === "cut" && reply.failing()) return reply.cut(answer);
  if (model === "count") embeddings.pop();
  if (model === "length") embeddings.at(-1)?.pop();
  if (model === "nan") return reply.text(200, JSON.stringify(answer).replace(/\[\[[^,]+/, "[[1e999"));
  if (model === "nulls") (embeddings[0] as unknown[])[0] = null;
  if (model === "huge")
    return reply.text(200, `{"embeddings":[[${"0.12345678901234567,".repeat(400_000)}1]]}`);
  return reply.json(200, answer);
}

function show({ body }: Received, reply: Reply): Sent {
  const name = String(body.model).replace(/:latest$/, "");
  return reply.json(200, {
    capabilities: capabilities(name),
    model_info: {
      "general.architecture": "nomic-bert",
      "nomic-bert.context_length": ollamaWindow,
      "nomic-bert.embedding_length": ollamaDimension,
    },
  });
}

if (import.meta.main)
  serveFake((call, reply) => {
    if (call.path === "/api/embed") return embed(call, reply);
    if (call.path === "/api/show") return show(call, reply);
    if (call.path === "/api/tags")
      return reply.json(200, {
        models: [...models, "chatty"].map((name) => ({ name: `${name}:latest`, model: `${name}:latest` })),
      });
    if (call.path === "/api/version") return reply.json(200, { version: "0.12.6" });
    return reply.text(404, "404 page not found");
  });
