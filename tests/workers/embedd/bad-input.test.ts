/** What embedd refuses, and how: one row a mistake, of the caller or of a provider. */
import { afterAll, beforeAll, beforeEach, describe } from "bun:test";
import { type ApiCase, runCases } from "../../support/clients/api-case.ts";
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

const badField = { type: "invalid_field" } as const;
const gone = { type: "not_found" } as const;
const provider = { type: "bad_gateway" } as const;
const absent = { type: "not_found" } as const;
const long = "word ".repeat(ollamaWindow + 1);
const known = ["run 'ollama pull", "GET /embed/models"];

const embed = at("/embed", [
  { name: "no body", type: "invalid_json", contains: ["empty"] },
  { name: "broken JSON", body: '{"text":', type: "invalid_json" },
  { name: "a list as the body", body: ["a"], type: "invalid_json", contains: ["a JSON object"] },
  {
    name: "bytes that are no UTF-8",
    body: new Uint8Array([123, 255, 125]),
    type: "invalid_json",
    contains: ["UTF-8"],
  },
  {
    name: "another media type",
    body: "hello",
    headers: { "content-type": "text/plain" },
    status: 415,
    contains: ["application/json"],
  },
  {
    name: "an unknown field",
    body: { text: "a", modle: "local" },
    type: "unknown_field",
    contains: ["'modle'", "texts"],
  },
  { name: "neither text nor texts", body: {}, ...badField, contains: ["neither"] },
  { name: "only a model", body: { model: "local" }, ...badField, contains: ["either text or texts"] },
  { name: "both text and texts", body: { text: "a", texts: ["b"] }, ...badField, contains: ["both"] },
  { name: "an empty text", body: { text: "" }, ...badField, contains: ["text"] },
  {
    name: "white space alone",
    body: { text: " \t\n\u00a0\u3000" },
    ...badField,
    contains: ["text: expected text, got nothing but white space"],
  },
  { name: "no texts", body: { texts: [] }, ...badField, contains: ["texts"] },
  { name: "an empty text among others", body: { texts: ["a", ""] }, ...badField, contains: ["texts.1"] },
  {
    name: "a blank text among others",
    body: { texts: ["a", "b", "  "] },
    ...badField,
    contains: ["texts.2", "white space"],
  },
  { name: "a number as text", body: { text: 5 }, ...badField, contains: ["text", "got 5"] },
  { name: "null as text", body: { text: null }, ...badField },
  { name: "text as texts", body: { texts: "a" }, ...badField, contains: ["texts"] },
  { name: "a number among texts", body: { texts: ["a", 1] }, ...badField, contains: ["texts.1"] },
  {
    name: "too many texts",
    body: { texts: Array(6).fill("a") },
    ...badField,
    contains: ["texts: at most 5", "got 6"],
  },
  {
    name: "a text with too many bytes",
    body: { text: "x".repeat(1001) },
    ...badField,
    contains: ["text: at most 1000 bytes", "got 1001"],
  },
  {
    name: "too many bytes in few characters",
    body: { texts: ["a", "日".repeat(334)] },
    ...badField,
    contains: ["texts.1", "got 1002"],
  },
  {
    name: "half a surrogate pair",
    body: '{"text":"a\\ud800b"}',
    headers: { "content-type": "application/json" },
    ...badField,
    contains: ["half a surrogate pair"],
  },
  {
    name: "the other half",
    body: '{"texts":["a","\\udc00"]}',
    headers: { "content-type": "application/json" },
    ...badField,
    contains: ["texts.1"],
  },
  { name: "an empty model", body: { text: "a", model: "" }, ...badField, contains: ["model"] },
  { name: "a model as a number", body: { text: "a", model: 1 }, ...badField, contains: ["model"] },
  {
    name: "a model's name without end",
    body: { text: "a", model: "ollama/".padEnd(201, "x") },
    ...badField,
    contains: ["model"],
  },
  {
    name: "a model with a line break",
    body: { text: "a", model: "ollama/a\nb" },
    ...badField,
    contains: ["visible ASCII"],
  },
  {
    name: "a bare model name that Ollama does not have",
    body: { text: "a", model: "absent" },
    ...absent,
    contains: ["no model 'absent'", ...known],
  },
  {
    name: "an unknown provider",
    body: { text: "a", model: "cohere/absent" },
    ...absent,
    contains: ["'cohere/absent'", "no provider is named 'cohere'", ...known],
  },
  {
    name: "ollama with an empty model",
    body: { text: "a", model: "ollama/" },
    ...gone,
    contains: ["expected ollama/<model>"],
  },
]);

const query: ApiCase[] = [
  {
    name: "a query parameter",
    method: "POST",
    path: "/embed?model=local",
    body: { text: "a" },
    type: "unknown_field",
    contains: ["'model'"],
  },
  { name: "GET of embed", path: "/embed", type: "method_not_allowed" },
  { name: "an unknown path", method: "POST", path: "/embed/text", status: 404 },
];

const openAi = at("/embeddings", [
  { name: "no input", body: { model: "local" }, ...badField, contains: ["input"] },
  {
    name: "an empty list",
    body: { model: "local", input: [] },
    ...badField,
    contains: ["input: expected text", "empty list"],
  },
  { name: "an empty input", body: { model: "local", input: "" }, ...badField, contains: ["input"] },
  {
    name: "tokens",
    body: { model: "local", input: [1, 2, 3] },
    ...badField,
    contains: ["input: token numbers mean nothing to 'local'", "check_embedding_ctx_length"],
  },
  {
    name: "lists of tokens",
    body: { model: "local", input: [[1, 2], [3]] },
    ...badField,
    contains: ["token numbers"],
  },
  {
    name: "tokens for Ollama",
    body: { model: "ollama/nomic-embed-text", input: [1, 2, 3] },
    ...badField,
    contains: ["token numbers mean nothing"],
  },
  {
    name: "a token that is none",
    body: {
      model: "openai/text-embedding-3-small",
      input: [
        [1, 2],
        [3, -1],
      ],
    },
    ...badField,
    contains: ["input.1.1: expected a token number, got -1"],
  },
  {
    name: "no tokens",
    body: { model: "openai/text-embedding-3-small", input: [[]] },
    ...badField,
    contains: ["input.0", "empty list"],
  },
  {
    name: "texts among tokens",
    body: { model: "openai/text-embedding-3-small", input: [[1], "a"] },
    ...badField,
    contains: ["input.1: expected a list of token numbers"],
  },
  {
    name: "null among texts",
    body: { input: ["a", null] },
    ...badField,
    contains: ["input.1: expected text, got null"],
  },
  { name: "an object as input", body: { input: { text: "a" } }, ...badField, contains: ["got object"] },
  {
    name: "too many inputs",
    body: { input: Array(6).fill("a") },
    ...badField,
    contains: ["input: at most 5"],
  },
  {
    name: "an unknown encoding",
    body: { input: "a", encoding_format: "int8" },
    ...badField,
    contains: ["encoding_format", "float, base64"],
  },
  {
    name: "dimensions of a model that has one length",
    body: { input: "a", dimensions: 256 },
    ...badField,
    contains: ["dimensions", "768"],
  },
  {
    name: "dimensions at ollama",
    body: { model: "ollama/nomic-embed-text", input: "a", dimensions: 8 },
    ...badField,
    contains: ["dimensions"],
  },
  {
    name: "more dimensions than the model has",
    body: { model: "openai/text-embedding-3-small", input: "a", dimensions: 64 },
    ...badField,
    contains: ["dimensions", "at most 32"],
  },
  { name: "no dimensions", body: { input: "a", dimensions: 0 }, ...badField, contains: ["dimensions"] },
  {
    name: "an unknown model in OpenAI's shape",
    body: { model: "absent", input: "a" },
    ...gone,
    contains: known,
  },
  {
    name: "a body that is too large",
    body: JSON.stringify({ input: "x".repeat(10_001) }),
    type: "too_large",
    contains: ["10000"],
  },
]);

const ollama = at("/embed", [
  {
    name: "a model Ollama has not",
    body: { text: "a", model: "ollama/absent" },
    ...absent,
    contains: ["no model 'absent'", "ollama pull absent"],
  },
  {
    name: "a model that makes no embeddings",
    body: { text: "a", model: "ollama/chatty" },
    ...provider,
    contains: ["ollama/chatty", "does not support embeddings"],
  },
  {
    name: "a model that does not fit the memory",
    body: { text: "a", model: "ollama/oom" },
    ...provider,
    contains: ["more system memory"],
  },
  {
    name: "a text longer than the window",
    body: { text: long, model: "ollama/nomic-embed-text" },
    type: "unprocessable",
    contains: ["text is longer than model 'ollama/nomic-embed-text' takes", '"index":0'],
  },
  {
    name: "a long text among short ones",
    body: { texts: ["a", "b", long, "c"], model: "ollama/old" },
    type: "unprocessable",
    contains: ["texts.2 is longer", '"index":2'],
  },
  {
    name: "a long text as llama-server says it",
    body: { texts: ["a", long], model: "ollama/tiny" },
    type: "unprocessable",
    contains: ["texts.1 is longer"],
  },
  {
    name: "a full queue",
    body: { text: "a", model: "ollama/full" },
    type: "overloaded",
    contains: ["ollama/full", "maximum pending requests"],
    expectHeaders: { "retry-after": "1" },
  },
  {
    name: "a body that is always cut off",
    body: { text: "a", model: "ollama/cut" },
    ...provider,
    contains: ["ollama/cut"],
  },
  {
    name: "too few vectors",
    body: { texts: ["a", "b"], model: "ollama/count" },
    ...provider,
    contains: ["ollama/count", "1 vectors for 2 texts"],
  },
  {
    name: "a vector that is too short",
    body: { texts: ["a", "b"], model: "ollama/length" },
    ...provider,
    contains: ["15 numbers where others have 16"],
  },
  {
    name: "an infinity",
    body: { text: "a", model: "ollama/nan" },
    ...provider,
    contains: ["NaN or an infinity"],
  },
  {
    name: "null in a vector",
    body: { text: "a", model: "ollama/nulls" },
    ...provider,
    contains: ["else than numbers"],
  },
  {
    name: "an answer without end",
    body: { text: "a", model: "ollama/huge" },
    ...provider,
    contains: ["answered more than"],
  },
]);

const openAiServer = at("/embed", [
  {
    name: "a model OpenAI has not",
    body: { text: "a", model: "openai/absent" },
    ...absent,
    contains: ["openai/absent", "knows no such model"],
  },
  {
    name: "a long text at OpenAI",
    body: { texts: ["a", long], model: "openai/text-embedding-3-small" },
    type: "unprocessable",
    contains: ["texts.1 is longer", "maximum context length is 64"],
  },
  {
    name: "a rate limit",
    body: { text: "a", model: "openai/embed-busy" },
    type: "too_many_requests",
    contains: ["openai/embed-busy"],
    expectHeaders: { "retry-after": "1" },
  },
  {
    name: "a quota that is used up",
    body: { text: "a", model: "openai/embed-quota" },
    ...provider,
    contains: ["quota"],
  },
  {
    name: "a server that is overloaded",
    body: { text: "a", model: "openai/embed-full" },
    type: "overloaded",
    expectHeaders: { "retry-after": "1" },
  },
  {
    name: "a server that fails",
    body: { text: "a", model: "openai/embed-broken" },
    ...provider,
    contains: ["openai/embed-broken", "had an error"],
  },
  {
    name: "a body cut off by OpenAI",
    body: { text: "a", model: "openai/embed-cut" },
    ...provider,
    contains: ["openai/embed-cut"],
  },
  {
    name: "too few vectors of OpenAI",
    body: { texts: ["a", "b"], model: "openai/embed-count" },
    ...provider,
    contains: ["1 vectors for 2"],
  },
  {
    name: "a vector of OpenAI that is too short",
    body: { texts: ["a", "b"], model: "openai/embed-length" },
    ...provider,
    contains: ["31 numbers"],
  },
  {
    name: "base64 of no floats",
    body: { text: "a", model: "openai/embed-junk" },
    ...provider,
    contains: ["no vector at 0"],
  },
]);

const send = () => stack.service.send;
describe("bad input of /embed", () => runCases(embed, send));
describe("bad input by path", () => runCases(query, send));
describe("bad input of /embeddings", () => runCases(openAi, send));
describe("faults of Ollama", () => runCases(ollama, send));
describe("faults of OpenAI's API", () => runCases(openAiServer, send));
