/** The providers by the one suite, and what each does with its server's faults. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLexicalModel, createLocalModel } from "../../../../workers/embedd/providers/local-model.ts";
import { createOllama } from "../../../../workers/embedd/providers/ollama.ts";
import { createOpenAi } from "../../../../workers/embedd/providers/openai.ts";
import { testEmbeddingProvider } from "../../../conformance/embedding-provider.ts";
import type { FakeServer } from "../../../support/model-servers/fake-server.ts";
import { ollamaDimension, ollamaWindow, startOllama } from "../../../support/model-servers/ollama.ts";
import { openAiDimension, openAiKey, startOpenAiServer } from "../../../support/model-servers/openai.ts";

const tooLong = "word ".repeat(ollamaWindow + 1);
const clock = systemClock;
const ollama = { provider: "ollama", needsKey: false, key: undefined, clock };

testEmbeddingProvider("local", async () => ({
  provider: createLocalModel(clock),
  model: "",
  dimension: 512,
  stop: async () => {},
}));

testEmbeddingProvider("lexical", async () => ({
  provider: createLexicalModel(clock),
  model: "",
  dimension: 768,
  stop: async () => {},
}));

/** A provider with OpenAI's API at the server. */
const openAiAt = ({ url }: FakeServer, more: { key?: string | undefined } = {}) =>
  createOpenAi({ provider: "openai", needsKey: false, url: `${url}/v1`, key: openAiKey, clock, ...more });

testEmbeddingProvider("ollama", async () => {
  const server = await startOllama();
  const provider = createOllama({ ...ollama, url: `${server.url}/` });
  return { provider, model: "nomic-embed-text", dimension: ollamaDimension, tooLong, stop: server.stop };
});

testEmbeddingProvider("openai", async () => {
  const server = await startOpenAiServer();
  const provider = openAiAt(server);
  return {
    provider,
    model: "text-embedding-3-small",
    dimension: openAiDimension,
    tooLong,
    stop: server.stop,
  };
});

describe("ollama alone", () => {
  let server: FakeServer;
  beforeAll(async () => {
    server = await startOllama();
  });
  afterAll(() => server.stop());

  test("asks the native API, and forbids cutting", async () => {
    await server.reset();
    const provider = createOllama({ ...ollama, url: server.url });
    const signal = new AbortController().signal;
    const answer = await provider.embed({ name: "nomic-embed-text", texts: ["one two", "three"], signal });
    expect(answer.tokens).toBe(3);
    const [request] = await server.requests();
    expect(request?.path).toBe("/api/embed");
    expect(request?.body).toEqual({
      model: "nomic-embed-text",
      input: ["one two", "three"],
      truncate: false,
    });
  });

  test("lists the models that make embeddings, with dimension and window", async () => {
    const known = await createOllama({ ...ollama, url: server.url }).models(new AbortController().signal);
    expect(known).toContainEqual({
      name: "nomic-embed-text:latest",
      dimension: ollamaDimension,
      window: ollamaWindow,
    });
    expect(known.map(({ name }) => name)).not.toContain("chatty:latest");
  });
});

describe("openai alone", () => {
  let server: FakeServer;
  beforeAll(async () => {
    server = await startOpenAiServer();
  });
  afterAll(() => server.stop());
  const signal = new AbortController().signal;

  test("sends no key where there is none, and none from the environment", async () => {
    await server.reset();
    await server.set({ open: true });
    process.env.OPENAI_API_KEY = openAiKey;
    try {
      const provider = openAiAt(server, { key: undefined });
      await provider.embed({ name: "text-embedding-3-small", texts: ["one"], signal });
      const [request] = await server.requests();
      expect(Object.keys(request?.headers ?? {})).not.toContain("authorization");
      expect(JSON.stringify(request)).not.toContain(openAiKey);
    } finally {
      delete process.env.OPENAI_API_KEY;
    }
  });

  test("never calls OpenAI itself without a key", async () => {
    const provider = createOpenAi({
      provider: "openai",
      needsKey: true,
      url: "https://api.openai.com/v1",
      key: undefined,
      clock,
    });
    await expect(provider.embed({ name: "x", texts: ["one"], signal })).rejects.toThrow(
      /without a key: set \[providers\.openai\]/,
    );
    await expect(provider.models(signal)).rejects.toThrow(/OPENAI_API_KEY/);
  });

  test.each(["embed-floats", "embed-shuffled"])("understands a server as %s", async (name) => {
    await server.reset();
    const provider = openAiAt(server);
    const texts = ["one", "two", "three"];
    const good = await provider.embed({ name: "text-embedding-3-small", texts, signal });
    const other = await provider.embed({ name, texts, signal });
    const plain = ({ vectors }: { vectors: unknown }) =>
      (vectors as Iterable<number>[]).map((vector) => [...vector]);
    expect(plain(other)).toEqual(plain(good));
  });

  test("lists models named for embedding", async () => {
    const provider = openAiAt(server);
    const names = (await provider.models(signal)).map(({ name }) => name);
    expect(names).toContain("text-embedding-3-small");
    expect(names).not.toContain("gpt-4o");
  });
});
