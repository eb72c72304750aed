/** What embedd refuses, and how: one row a mistake, of the caller or of a provider. */
import { afterAll, beforeAll, beforeEach, describe } from "bun:test";
import { type ApiCase, refused, runCases } from "../../support/clients/api-case.ts";
import { ollamaWindow } from "../../support/model-servers/ollama.ts";
import { openAiKey } from "../../support/model-servers/openai.ts";
import { type EmbeddStack, startEmbeddStack } from "../../support/stacks/embedd.ts";

let stack: EmbeddStack;
beforeAll(async () => {
  stack = await startEmbeddStack({
    max_batch_texts: 5,
    max_text_bytes: 1000,
    max_json_bytes: 10_000,
    timeout_ms: 1500,
    retries: 1,
  });
});
beforeEach(() => Promise.all([stack.ollama.reset(), stack.openai.reset()]).then(() => {}));
afterAll(() => stack.stop());

type Row = Omit<ApiCase, "path" | "method">;
const at = (path: string, rows: readonly Row[]): ApiCase[] =>
  rows.map((row) => ({
    method: "POST",
    path,
    lacks: [openAiKey],
    ...(path === "/embeddings" && { openAi: true as const }),
    ...row,
  }));

const badField = (name: string, body: ApiCase["body"], ...contains: string[]) =>
  refused(name, { body }, "invalid_field", ...contains);
const gone = { type: "not_found" } as const;
const long = "word ".repeat(ollamaWindow + 1);
const known = ["run 'ollama pull", "GET /embed/models"];

const embed = at("/embed", [
  refused("no body", {}, "invalid_json", "empty"),
  refused("broken JSON", { body: '{"text":' }, "invalid_json"),
  refused("a list as the body", { body: ["a"] }, "invalid_json", "a JSON object"),
  refused("bytes that are no UTF-8", { body: new Uint8Array([123, 255, 125]) }, "invalid_json", "UTF-8"),
  {
    name: "another media type",
    body: "hello",
    headers: { "content-type": "text/plain" },
    status: 415,
    contains: ["application/json"],
  },
  refused("an unknown field", { body: { text: "a", modle: "local" } }, "unknown_field", "'modle'", "texts"),
  badField("neither text nor texts", {}, "neither"),
  badField("only a model", { model: "local" }, "either text or texts"),
  badField("both text and texts", { text: "a", texts: ["b"] }, "both"),
  badField("an empty text", { text: "" }, "text"),
  badField(
    "white space alone",
    { text: " \t\n\u00a0\u3000" },
    "text: expected text, got nothing but white space",
  ),
  badField("no texts", { texts: [] }, "texts"),
  badField("an empty text among others", { texts: ["a", ""] }, "texts.1"),
  badField("a blank text among others", { texts: ["a", "b", "  "] }, "texts.2", "white space"),
  badField("a number as text", { text: 5 }, "text", "got 5"),
  badField("null as text", { text: null }),
  badField("text as texts", { texts: "a" }, "texts"),
  badField("a number among texts", { texts: ["a", 1] }, "texts.1"),
  badField("too many texts", { texts: Array(6).fill("a") }, "texts: at most 5", "got 6"),
  badField("a text with too many bytes", { text: "x".repeat(1001) }, "text: at most 1000 bytes", "got 1001"),
  badField("too many bytes in few characters", { texts: ["a", "日".repeat(334)] }, "texts.1", "got 1002"),
  refused(
    "half a surrogate pair",
    { body: '{"text":"a\\ud800b"}', headers: { "content-type": "application/json" } },
    "invalid_field",
    "half a surrogate pair",
  ),
  refused(
    "the other half",
    { body: '{"texts":["a","\\udc00"]}', headers: { "content-type": "application/json" } },
    "invalid_field",
    "texts.1",
  ),
  badField("an empty model", { text: "a", model: "" }, "model"),
  badField("a model as a number", { text: "a", model: 1 }, "model"),
  badField("a model's name without end", { text: "a", model: "ollama/".padEnd(201, "x") }, "model"),
  badField("a model with a line break", { text: "a", model: "ollama/a\nb" }, "visible ASCII"),
  refused(
    "a bare model name that Ollama does not have",
    { body: { text: "a", model: "absent" } },
    "not_found",
    "no model 'absent'",
    ...known,
  ),
  refused(
    "an unknown provider",
    { body: { text: "a", model: "cohere/absent" } },
    "not_found",
    "'cohere/absent'",
    "no provider is named 'cohere'",
    ...known,
  ),
  refused(
    "ollama with an empty model",
    { body: { text: "a", model: "ollama/" } },
    "not_found",
    "expected ollama/<model>",
  ),
]);

const query: ApiCase[] = [
  refused(
    "a query parameter",
    { method: "POST", path: "/embed?model=local", body: { text: "a" } },
    "unknown_field",
    "'model'",
  ),
  refused("GET of embed", { path: "/embed" }, "method_not_allowed"),
  { name: "an unknown path", method: "POST", path: "/embed/text", status: 404 },
];

const openAi = at("/embeddings", [
  badField("no input", { model: "local" }, "input"),
  badField("an empty list", { model: "local", input: [] }, "input: expected text", "empty list"),
  badField("an empty input", { model: "local", input: "" }, "input"),
  badField(
    "tokens",
    { model: "local", input: [1, 2, 3] },
    "input: token numbers mean nothing to 'local-3'",
    "check_embedding_ctx_length",
  ),
  badField("lists of tokens", { model: "local", input: [[1, 2], [3]] }, "token numbers"),
  badField(
    "tokens for Ollama",
    { model: "ollama/nomic-embed-text", input: [1, 2, 3] },
    "token numbers mean nothing",
  ),
  badField(
    "a token that is none",
    {
      model: "openai/text-embedding-3-small",
      input: [
        [1, 2],
        [3, -1],
      ],
    },
    "input.1.1: expected a token number, got -1",
  ),
  badField("no tokens", { model: "openai/text-embedding-3-small", input: [[]] }, "input.0", "empty list"),
  badField(
    "texts among tokens",
    { model: "openai/text-embedding-3-small", input: [[1], "a"] },
    "input.1: expected a list of token numbers",
  ),
  badField("null among texts", { input: ["a", null] }, "input.1: expected text, got null"),
  badField("an object as input", { input: { text: "a" } }, "got object"),
  badField("too many inputs", { input: Array(6).fill("a") }, "input: at most 5"),
  badField(
    "an unknown encoding",
    { input: "a", encoding_format: "int8" },
    "encoding_format",
    "float, base64",
  ),
  badField("dimensions of a model that has one length", { input: "a", dimensions: 256 }, "dimensions", "512"),
  badField(
    "dimensions at ollama",
    { model: "ollama/nomic-embed-text", input: "a", dimensions: 8 },
    "dimensions",
  ),
  badField(
    "more dimensions than the model has",
    { model: "openai/text-embedding-3-small", input: "a", dimensions: 64 },
    "dimensions",
    "at most 32",
  ),
  badField("no dimensions", { input: "a", dimensions: 0 }, "dimensions"),
  {
    name: "an unknown model in OpenAI's shape",
    body: { model: "absent", input: "a" },
    ...gone,
    contains: known,
  },
  refused(
    "a body that is too large",
    { body: JSON.stringify({ input: "x".repeat(10_001) }) },
    "too_large",
    "10000",
  ),
]);

const ollama = at("/embed", [
  refused(
    "a model Ollama has not",
    { body: { text: "a", model: "ollama/absent" } },
    "not_found",
    "no model 'absent'",
    "ollama pull absent",
  ),
  refused(
    "a model that makes no embeddings",
    { body: { text: "a", model: "ollama/chatty" } },
    "bad_gateway",
    "ollama/chatty",
    "does not support embeddings",
  ),
  refused(
    "a model that does not fit the memory",
    { body: { text: "a", model: "ollama/oom" } },
    "bad_gateway",
    "more system memory",
  ),
  refused(
    "a text longer than the window",
    { body: { text: long, model: "ollama/nomic-embed-text" } },
    "unprocessable",
    "text is longer than model 'ollama/nomic-embed-text' takes",
    '"index":0',
  ),
  refused(
    "a long text among short ones",
    { body: { texts: ["a", "b", long, "c"], model: "ollama/old" } },
    "unprocessable",
    "texts.2 is longer",
    '"index":2',
  ),
  refused(
    "a long text as llama-server says it",
    { body: { texts: ["a", long], model: "ollama/tiny" } },
    "unprocessable",
    "texts.1 is longer",
  ),
  {
    name: "a full queue",
    body: { text: "a", model: "ollama/full" },
    type: "overloaded",
    contains: ["ollama/full", "maximum pending requests"],
    expectHeaders: { "retry-after": "1" },
  },
  refused(
    "a body that is always cut off",
    { body: { text: "a", model: "ollama/cut" } },
    "bad_gateway",
    "ollama/cut",
  ),
  refused(
    "too few vectors",
    { body: { texts: ["a", "b"], model: "ollama/count" } },
    "bad_gateway",
    "ollama/count",
    "1 vectors for 2 texts",
  ),
  refused(
    "a vector that is too short",
    { body: { texts: ["a", "b"], model: "ollama/length" } },
    "bad_gateway",
    "15 numbers where others have 16",
  ),
  refused("an infinity", { body: { text: "a", model: "ollama/nan" } }, "bad_gateway", "NaN or an infinity"),
  refused(
    "null in a vector",
    { body: { text: "a", model: "ollama/nulls" } },
    "bad_gateway",
    "else than numbers",
  ),
  refused(
    "an answer without end",
    { body: { text: "a", model: "ollama/huge" } },
    "bad_gateway",
    "answered more than",
  ),
]);

const openAiServer = at("/embed", [
  refused(
    "a model OpenAI has not",
    { body: { text: "a", model: "openai/absent" } },
    "not_found",
    "openai/absent",
    "knows no such model",
  ),
  refused(
    "a long text at OpenAI",
    { body: { texts: ["a", long], model: "openai/text-embedding-3-small" } },
    "unprocessable",
    "texts.1 is longer",
    "maximum context length is 64",
  ),
  {
    name: "a rate limit",
    body: { text: "a", model: "openai/embed-busy" },
    type: "too_many_requests",
    contains: ["openai/embed-busy"],
    expectHeaders: { "retry-after": "1" },
  },
  refused(
    "a quota that is used up",
    { body: { text: "a", model: "openai/embed-quota" } },
    "bad_gateway",
    "quota",
  ),
  {
    name: "a server that is overloaded",
    body: { text: "a", model: "openai/embed-full" },
    type: "overloaded",
    expectHeaders: { "retry-after": "1" },
  },
  refused(
    "a server that fails",
    { body: { text: "a", model: "openai/embed-broken" } },
    "bad_gateway",
    "openai/embed-broken",
    "had an error",
  ),
  refused(
    "a body cut off by OpenAI",
    { body: { text: "a", model: "openai/embed-cut" } },
    "bad_gateway",
    "openai/embed-cut",
  ),
  refused(
    "too few vectors of OpenAI",
    { body: { texts: ["a", "b"], model: "openai/embed-count" } },
    "bad_gateway",
    "1 vectors for 2",
  ),
  refused(
    "a vector of OpenAI that is too short",
    { body: { texts: ["a", "b"], model: "openai/embed-length" } },
    "bad_gateway",
    "31 numbers",
  ),
  refused(
    "base64 of no floats",
    { body: { text: "a", model: "openai/embed-junk" } },
    "bad_gateway",
    "no vector at 0",
  ),
]);

const send = () => stack.service.send;
describe("bad input of /embed", () => runCases(embed, send));
describe("bad input by path", () => runCases(query, send));
describe("bad input of /embeddings", () => runCases(openAi, send));
describe("faults of Ollama", () => runCases(ollama, send));
describe("faults of OpenAI's API", () => runCases(openAiServer, send));
