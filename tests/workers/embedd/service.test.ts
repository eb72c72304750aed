/** embedd as its callers see it, over real model servers. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import OpenAI from "openai";
import { createGate } from "../../../runtime/auth/auth.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace, type RawHandler } from "../../../runtime/http/serve.ts";
import { openIdempotency } from "../../../runtime/idempotency/idempotency.ts";
import { createInvoke } from "../../../runtime/rpc/invoke.ts";
import { client, type Invoke, overPort, servePort } from "../../../runtime/rpc/transport.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { fakeVector } from "../../support/model-servers/fake-server.ts";
import { ollamaDimension, ollamaWindow } from "../../support/model-servers/ollama.ts";
import { openAiDimension, openAiKey } from "../../support/model-servers/openai.ts";
import { threadMs } from "../../support/product/processor-time.ts";
import { type EmbeddStack, startEmbeddStack } from "../../support/stacks/embedd.ts";
import { configWith, startInProcess, temporaryDirectory } from "../../support/stacks/in-process.ts";

let stack: EmbeddStack;
beforeAll(async () => {
  stack = await startEmbeddStack({ timeout_ms: 20_000 });
});
beforeEach(async () => {
  await Promise.all([stack.ollama.reset(), stack.openai.reset()]);
});
afterAll(() => stack.stop());

let made = 0;
/** A text that no test used before, so that no cache knows it. */
const fresh = (words = "candidate"): string => `${words} ${++made}`;
const nomic = "ollama/nomic-embed-text";
const embed = (model: string, texts: string[], signal?: AbortSignal) =>
  stack.service.peer.verbs.embed({ model, texts }, signal ? { signal } : {});
const post = async (path: string, body: unknown): Promise<Response> =>
  stack.service.send(
    new Request(`http://localhost${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: { "content-type": "application/json" },
    }),
  );

describe("vectors", () => {
  test("of the embedded model by default, and again from the cache", async () => {
    const text = fresh();
    const first = await (await post("/embed", { text })).json();
    expect(first).toMatchObject({ model: "local-3", dimension: 512, cached: 0 });
    const again = await (await post("/embed", { texts: [text, fresh(), text] })).json();
    expect(again.cached).toBe(2);
    expect(again.vectors[0]).toEqual(first.vectors[0]);
    expect(again.vectors[2]).toEqual(first.vectors[0]);
    expect(again.vectors[1]).not.toEqual(first.vectors[0]);
  });

  test.each([
    [nomic, ollamaDimension],
    ["openai/text-embedding-3-small", openAiDimension],
  ])("of %s in the order of the texts, in as many calls as its limit asks for", async (model, dimension) => {
    const texts = Array.from({ length: 600 }, () => fresh());
    texts[300] = texts[5] ?? "";
    const answer = await embed(model, texts);
    expect(answer).toMatchObject({ model, dimension, cached: 0 });
    expect(answer.vectors).toEqual(texts.map((text) => fakeVector(text, dimension)));
    const server = model === nomic ? stack.ollama : stack.openai;
    const sizes = (await server.requests()).map(({ body }) => (body.input as string[]).length);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(599);
    expect(Math.max(...sizes)).toBe(model === nomic ? 64 : 256);
  });

  test("mixed from cache and provider stay in order", async () => {
    const texts = Array.from({ length: 10 }, () => fresh());
    await embed(
      nomic,
      texts.filter((_, at) => at % 3 === 0),
    );
    const answer = await embed(nomic, texts);
    expect(answer.cached).toBe(4);
    expect(answer.vectors).toEqual(texts.map((text) => fakeVector(text, ollamaDimension)));
  });

  test("between services are bytes, handed over without a copy", async () => {
    const texts = [fresh(), fresh()];
    const { verbs } = stack.service.peer;
    const answer = await verbs.vectorsOf({ texts });
    const floats = new Float32Array(answer.vectors.buffer, answer.vectors.byteOffset);
    const plain = await verbs.embed({ texts });
    expect([...floats]).toEqual(plain.vectors.flat());

    const home = temporaryDirectory("embedd-keys");
    const idempotency = await openIdempotency(home.path, systemClock, {
      kept: await keptIn(join(home.path, "service")),
    });
    const invoke = createInvoke(embedd, stack.service.running.verbs, {
      idempotency,
      log: createLog("test", "error"),
    });
    const { port1, port2 } = new MessageChannel();
    const buffers: ArrayBufferLike[] = [];
    const watched: Invoke = async (...call) => {
      const value = await invoke(...call);
      buffers.push((value as { vectors: Uint8Array }).vectors.buffer);
      return value;
    };
    servePort(port1, { invoke: watched, fetch: async () => new Response(), inFlightMax: 10 });
    const transport = overPort("embedd", { timeoutMs: 5000, inFlightMax: 10 });
    transport.attach(port2);
    const far = await client(embedd, transport.call).vectorsOf({ texts });
    expect(far.vectors).toEqual(answer.vectors);
    expect(far).toMatchObject({ model: "local-3", dimension: 512, cached: 2 });
    expect(buffers[0]?.byteLength).toBe(0);
    // The cache kept its own.
    expect((await verbs.vectorsOf({ texts })).vectors).toEqual(answer.vectors);
    transport.detach("done");
    port1.close();
    await idempotency.close();
    home.remove();
  });
});

describe("calls", () => {
  test("equal texts of many callers share one", async () => {
    const text = fresh();
    await stack.ollama.hold();
    const callers = Array.from({ length: 20 }, () => embed(nomic, [text, text]));
    await stack.ollama.arrived(1);
    callers.push(embed(nomic, [text]));
    await stack.ollama.release();
    for (const { vectors } of await Promise.all(callers))
      expect(vectors[0]).toEqual(fakeVector(text, ollamaDimension));
    const requests = await stack.ollama.requests();
    expect(requests.map(({ body }) => body.input)).toEqual([[text]]);
  });

  test("go on when one of two callers leaves, and end when both have", async () => {
    const text = fresh();
    await stack.ollama.hold();
    const [one, two, three] = [new AbortController(), new AbortController(), new AbortController()];
    const left = embed(nomic, [text], one.signal);
    const stayed = embed(nomic, [text], two.signal);
    await stack.ollama.arrived(1);
    one.abort();
    await expect(left).rejects.toMatchObject({ type: "client_closed" });
    await stack.ollama.release();
    expect((await stayed).vectors[0]).toEqual(fakeVector(text, ollamaDimension));

    await stack.ollama.reset();
    await stack.ollama.hold();
    const lone = embed(nomic, [fresh()], three.signal);
    await stack.ollama.arrived(1);
    three.abort();
    await expect(lone).rejects.toMatchObject({ type: "client_closed" });
    await stack.ollama.gone(1);
  });

  test("are ended when the HTTP client goes away", async () => {
    const gone = new AbortController();
    await stack.ollama.hold();
    const request = new Request("http://localhost/embeddings", {
      method: "POST",
      body: JSON.stringify({ model: nomic, input: fresh() }),
      signal: gone.signal,
    });
    const answer = stack.service.send(request);
    await stack.ollama.arrived(1);
    gone.abort();
    await stack.ollama.gone(1);
    expect((await answer).status).toBe(499);
  });

  test.each([
    ["ollama/full", "ollama"],
    ["ollama/cut", "ollama"],
    ["openai/embed-broken", "openai"],
    ["openai/embed-cut", "openai"],
  ] as const)("of %s are tried again", async (model, server) => {
    await stack[server].set({ failures: 2 });
    const text = fresh();
    const { vectors } = await embed(model, [text]);
    expect(vectors[0]).toEqual(fakeVector(text, vectors[0]?.length ?? 0));
    expect((await stack[server].requests()).length).toBe(3);
  });

  test("wait as long as Retry-After says, and no longer than their deadline", async () => {
    await stack.openai.set({ failures: 1, retryAfter: 1 });
    const began = performance.now();
    await embed("openai/embed-busy", [fresh()]);
    expect(performance.now() - began).toBeGreaterThan(990);

    await stack.openai.set({ failures: 1, retryAfter: 30 });
    const refused = await post("/embed", { model: "openai/embed-busy", text: fresh() });
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "30"]);
  });

  test("that take too long are a 504 that names provider and model, and are ended", async () => {
    const hasty = await stack.another({ timeout_ms: 200 });
    await stack.ollama.hold();
    const late = hasty.peer.verbs.embed({ model: nomic, text: fresh() });
    await expect(late).rejects.toMatchObject({
      type: "deadline_exceeded",
      message: `ollama (model '${nomic}') did not answer within 200 ms`,
    });
    await stack.ollama.gone(1);
  });

  test("beyond max_waiting are refused with Retry-After, and those in line are served", async () => {
    const small = await stack.another({ max_waiting: 3 });
    const ask = (texts: string[]) => small.peer.verbs.embed({ model: nomic, texts });
    await stack.ollama.hold();
    const first = ask([fresh(), fresh()]);
    await stack.ollama.arrived(1);
    await expect(ask([fresh(), fresh()])).rejects.toMatchObject({
      type: "too_many_requests",
      retryAfterSeconds: 1,
    });
    const third = ask([fresh()]);
    await stack.ollama.release();
    await Promise.all([first, third]);
  });

  test("a text that is too long spoils no other caller's", async () => {
    const long = "word ".repeat(ollamaWindow + 1);
    await stack.ollama.hold();
    // Fills the lanes, so that the next texts travel together.
    const before = Array.from({ length: 4 }, (_, at) =>
      embed(
        nomic,
        Array.from({ length: 64 }, () => fresh(`lane ${at}`)),
      ),
    );
    await stack.ollama.arrived(4);
    const bad = embed(nomic, [fresh(), long]);
    const texts = Array.from({ length: 20 }, () => fresh());
    const good = embed(nomic, texts);
    const refusal = bad.catch((cause: unknown) => cause);
    await stack.ollama.release();
    expect(await refusal).toMatchObject({
      type: "unprocessable",
      details: { field: "texts.1", index: 1, model: nomic },
    });
    expect((await good).vectors).toEqual(texts.map((text) => fakeVector(text, ollamaDimension)));
    await Promise.all(before);
    for (const { body } of await stack.ollama.requests()) expect(body.truncate).toBe(false);
  });

  test("after a failure nothing is remembered", async () => {
    const text = fresh();
    await stack.ollama.set({ failures: 3 });
    await expect(embed("ollama/full", [text])).rejects.toMatchObject({ type: "overloaded" });
    expect((await embed("ollama/full", [text])).cached).toBe(0);
  });

  test("are refused when the service stops", async () => {
    const other = await stack.another({});
    await stack.ollama.hold();
    const waiting = other.peer.verbs.embed({ model: nomic, text: fresh() });
    const outcome = waiting.catch((cause: unknown) => cause);
    await stack.ollama.arrived(1);
    await other.running.stop();
    expect(await outcome).toMatchObject({ type: "unavailable" });
    await stack.ollama.gone(1);
  });
});

test("a storm of overlapping requests, of which many are given up: who stays gets the right vectors", async () => {
  const service = await stack.another({ cache_max_bytes: 20_000 });
  const random = seeded(11);
  const pool = Array.from({ length: 80 }, () => fresh("storm"));
  const outcomes = await Promise.all(
    Array.from({ length: 400 }, async () => {
      const texts = Array.from(
        { length: 1 + Math.floor(random() * 12) },
        () => pool[Math.floor(random() * 80)] ?? "",
      );
      const leaving = new AbortController();
      const leaves = random() < 0.4;
      const turns = Math.floor(random() * 6);
      const asked = service.peer.verbs.embed({ model: nomic, texts }, { signal: leaving.signal });
      if (leaves) {
        for (let at = 0; at < turns; at++) await new Promise((resolve) => setImmediate(resolve));
        leaving.abort();
      }
      const [outcome] = await Promise.allSettled([asked]);
      if (outcome.status === "fulfilled")
        expect(outcome.value.vectors).toEqual(texts.map((text) => fakeVector(text, ollamaDimension)));
      else expect([leaves, outcome.reason.type]).toEqual([true, "client_closed"]);
      return outcome.status;
    }),
  );
  expect(outcomes.filter((status) => status === "fulfilled").length).toBeGreaterThan(200);
  const page = await (await service.send(new Request("http://localhost/metrics"))).text();
  expect(page).toContain("lakehouse_embedd_texts_waiting 0\n");
});

describe("a model that was replaced by another", () => {
  test("is refused once, then used as it is now: lengths never mix", async () => {
    const texts = [fresh(), fresh()];
    const before = await embed("ollama/grows", texts);
    expect(before.dimension).toBe(ollamaDimension);
    await stack.ollama.set({ dimension: 24 });
    await expect(embed("ollama/grows", [...texts, fresh()])).rejects.toMatchObject({ type: "bad_gateway" });
    const after = await embed("ollama/grows", texts);
    expect(after).toMatchObject({ dimension: 24, cached: 0 });
  });
});

describe("the list of models", () => {
  test("names all that can be asked for, with what is known of them", async () => {
    const service = await stack.another({ default_model: "ollama/nomic-embed-text:latest" });
    const { models, providers } = await service.peer.verbs.models({});
    expect(models).toContainEqual({ id: "local", provider: "local", dimension: 512, is_default: false });
    expect(models).toContainEqual({
      id: "ollama/nomic-embed-text:latest",
      provider: "ollama",
      dimension: ollamaDimension,
      window: ollamaWindow,
      is_default: true,
    });
    expect(models.map(({ id }) => id)).toContain("openai/text-embedding-3-small");
    expect(providers.map(({ name, available }) => [name, available])).toEqual([
      ["local", true],
      ["lexical", true],
      ["onnx", true],
      ["ollama", true],
      ["openai", true],
    ]);
  });

  test("is asked for once, however many ask", async () => {
    const service = await stack.another({});
    await Promise.all(Array.from({ length: 10 }, () => service.peer.verbs.models({})));
    await service.peer.verbs.models({});
    const tags = (await stack.ollama.requests()).filter(({ path }) => path === "/api/tags");
    expect(tags.length).toBe(1);
  });

  test("says which providers are away, why and what to do, with no secret of their URLs", async () => {
    const service = await stack.another({
      ollama_url: "http://user:hidden-value@127.0.0.1:1",
      openai_url: "http://user:hidden-value@127.0.0.1:1/v1",
    });
    const { models, providers } = await service.peer.verbs.models({});
    expect(models.map(({ id }) => id)).toEqual(["local", "lexical"]);
    expect(providers.map(({ available }) => available)).toEqual([true, true, true, false, false]);
    expect(JSON.stringify(providers)).toContain(
      "ollama cannot be reached at 127.0.0.1:1: start it with 'ollama serve'",
    );
    for (const model of [nomic, "openai/text-embedding-3-small"]) {
      const refusal = await service.peer.verbs.embed({ model, text: "a" }).catch((cause: unknown) => cause);
      expect(refusal).toMatchObject({ type: "bad_gateway" });
      expect((refusal as Error).message).toContain(model);
    }
    expect(JSON.stringify([providers, service.log])).not.toContain("hidden-value");
  });
});

test("a wrong key is a 502 that says where keys come from, and no answer or log holds it", async () => {
  const directory = temporaryDirectory("embedd-key");
  const config = configWith({ data_dir: directory.path, embedd: { openai_url: `${stack.openai.url}/v1` } });
  const secrets = { s3: () => undefined, provider: () => "sk-wrong-hidden-value" };
  const service = await startInProcess(
    { contract: embedd, create: createEmbedd },
    { config, peers: {}, secrets },
  );
  const model = "openai/text-embedding-3-small";
  const refusal = await service.peer.verbs.embed({ model, text: "a" }).catch((cause: unknown) => cause);
  expect(refusal).toMatchObject({ type: "bad_gateway" });
  expect((refusal as Error).message).toContain("set [providers.openai] api_key in the secrets file");
  const { providers } = await service.peer.verbs.models({});
  expect(JSON.stringify([refusal, (refusal as Error).message, providers, service.log])).not.toContain(
    "hidden-value",
  );
  await service.stop();
  directory.remove();
});

test("a default model that no provider could have stops the start", async () => {
  await expect(stack.another({ default_model: "openai/" })).rejects.toThrow(
    /^embedd\.default_model: model 'openai\/' names a provider and no model/,
  );
});

test("metrics count hits, misses and calls", async () => {
  const text = fresh();
  const read = () =>
    Promise.all([
      stack.metric("embedd_cache_hits_total"),
      stack.metric("embedd_cache_misses_total"),
      stack.metric('embedd_provider_calls_total{provider="ollama",outcome="ok"}'),
      stack.metric('embedd_provider_call_duration_seconds_count{provider="ollama"}'),
    ]);
  const before = await read();
  await embed(nomic, [text]);
  await embed(nomic, [text, text]);
  const after = await read();
  expect(after.map((value, at) => value - (before[at] ?? 0))).toEqual([2, 1, 1, 1]);
  expect(await stack.metric("embedd_cache_bytes")).toBeGreaterThan(0);
  expect(await stack.metric("embedd_texts_waiting")).toBe(0);
});

describe("the openai package as a client", () => {
  let listening: Listening;
  let sdk: OpenAI;
  beforeAll(() => {
    const log = createLog("test", "error");
    const face = createFace({
      name: "embedd",
      log,
      gate: createGate(configWith({}).auth, "127.0.0.1"),
      metrics: createMetrics(),
      newId: () => crypto.randomUUID(),
      notReady: () => [],
      clock: systemClock,
      maxConnections: 100,
      maxJsonBytes: 8 << 20,
    });
    face.raw(embedd, stack.service.running.raw as unknown as Record<string, RawHandler>);
    listening = face.listen("127.0.0.1", 0);
    sdk = new OpenAI({
      apiKey: "none",
      baseURL: `http://127.0.0.1:${listening.port}`,
      maxRetries: 0,
      logLevel: "off",
    });
  });
  afterAll(() => listening.close(0));

  test("gets the same vectors in both formats", async () => {
    const input = [fresh(), fresh()];
    const { vectors } = await embed("local", input);
    for (const format of [undefined, "float", "base64"] as const) {
      const answer = await sdk.embeddings.create({
        model: "local",
        input,
        ...(format && { encoding_format: format }),
      });
      expect(answer).toMatchObject({ object: "list", model: "local-3" });
      expect(answer.data.map(({ index, object }) => [index, object])).toEqual([
        [0, "embedding"],
        [1, "embedding"],
      ]);
      const got = answer.data.map(({ embedding }) =>
        typeof embedding === "string"
          ? [...new Float32Array(new Uint8Array(Buffer.from(embedding as string, "base64")).buffer)]
          : [...embedding],
      );
      expect(got).toEqual(vectors);
    }
  });

  test("gets long lists whole and in order", async () => {
    const input = Array.from({ length: 200 }, () => fresh());
    const { data } = await sdk.embeddings.create({ model: nomic, input, encoding_format: "float" });
    expect(data.map(({ index }) => index)).toEqual(input.map((_, at) => at));
    expect(data.map(({ embedding }) => embedding)).toEqual(
      input.map((text) => fakeVector(text, ollamaDimension)),
    );
  });

  test("passes token numbers and fields of its own on, apart from others in the cache", async () => {
    await stack.openai.reset();
    const model = "openai/text-embedding-3-small";
    const tokens = fresh().length;
    const ask = (input: unknown, more: object = {}) =>
      sdk.embeddings.create({ model, input: input as string, ...more }).withResponse();
    expect((await ask([tokens, 2])).data.data.length).toBe(1);
    expect((await ask([[tokens, 3], [4]])).data.data.length).toBe(2);
    const text = fresh();
    await ask(text);
    await ask(text, { input_type: "query", truncate: null });
    await ask(text, { input_type: "query" });
    const bodies = (await stack.openai.requests()).map(({ body }) => body);
    expect(bodies.map(({ input, input_type }) => [input, input_type])).toEqual([
      [[[tokens, 2]], undefined],
      [[[tokens, 3], [4]], undefined],
      [[text], undefined],
      [[text], "query"],
    ]);
    // Who has no use for a field says so.
    const local = await sdk.embeddings
      .create({ model: "local", input: "a", input_type: "query" } as never)
      .withResponse();
    expect(local.response.headers.get("x-lakehouse-ignored")).toBe("input_type");
  });

  test("is not made to try again what was tried here", async () => {
    const usual = sdk.withOptions({ maxRetries: 2 });
    for (const [model, calls] of [
      ["openai/embed-broken", 3],
      ["openai/embed-quota", 1],
    ] as const) {
      await stack.openai.reset();
      await usual.embeddings.create({ model, input: fresh() }).catch(() => undefined);
      expect((await stack.openai.requests()).length).toBe(calls);
    }
  });

  test("gets one vector for one text, and the tokens that the provider counted", async () => {
    const answer = await sdk.embeddings.create({ model: nomic, input: fresh("two") });
    expect(answer.data.length).toBe(1);
    expect(answer.usage).toEqual({ prompt_tokens: 2, total_tokens: 2 });
  });

  test("gets vectors of the length it asks for, where the model has them, apart from the others in the cache", async () => {
    const input = fresh();
    const model = "openai/text-embedding-3-small";
    for (const dimensions of [8, undefined, 8]) {
      const answer = await sdk.embeddings.create({ model, input, ...(dimensions && { dimensions }) });
      expect(answer.data[0]?.embedding.length).toBe(dimensions ?? openAiDimension);
      expect(answer.model).toBe(model);
    }
    expect((await stack.openai.requests()).length).toBe(2);
    const same = await sdk.embeddings.create({ model: "local", input, dimensions: 512 });
    expect(same.data[0]?.embedding.length).toBe(512);
  });

  test("throws its own errors, with our message, type and field", async () => {
    const fault = async (work: Promise<unknown>) => work.catch((cause: unknown) => cause);
    const missing = await fault(sdk.embeddings.create({ model: "absent", input: "a" }));
    expect(missing).toBeInstanceOf(OpenAI.NotFoundError);
    expect((missing as Error).message).toContain("has no model 'absent'");
    expect(missing).toMatchObject({ code: "model_not_found", param: "model" });
    const tokens = await fault(sdk.embeddings.create({ model: "local", input: [1, 2] }));
    expect(tokens).toBeInstanceOf(OpenAI.BadRequestError);
    expect(tokens).toMatchObject({ code: "invalid_value", param: "input", status: 400 });
    const long = await fault(
      sdk.embeddings.create({ model: nomic, input: "word ".repeat(ollamaWindow + 1) }),
    );
    expect(long).toBeInstanceOf(OpenAI.BadRequestError);
    expect(long).toMatchObject({ code: "context_length_exceeded", param: "input" });
    const busy = await fault(sdk.embeddings.create({ model: "openai/embed-busy", input: fresh() }));
    expect(busy).toBeInstanceOf(OpenAI.RateLimitError);
    expect((busy as InstanceType<typeof OpenAI.RateLimitError>).headers?.get("retry-after")).toBe("1");
    const away = await fault(sdk.embeddings.create({ model: "ollama/absent", input: "a" }));
    expect(away).toMatchObject({ status: 404, code: "model_not_found" });
    expect(JSON.stringify(away)).not.toContain(openAiKey);
  });
});

test("a large batch of the embedded model does not hold up others", async () => {
  const long = Array.from({ length: 200 }, () => fresh("experience ".repeat(2000)));
  let longest = 0;
  let last = threadMs();
  const tick = setInterval(() => {
    longest = Math.max(longest, threadMs() - last);
    last = threadMs();
  }, 1);
  const answer = await stack.service.peer.verbs.vectorsOf({ texts: long });
  clearInterval(tick);
  expect(answer.vectors.byteLength).toBe(200 * 512 * 4);
  // The work takes some hundred milliseconds of processor time.
  expect(longest).toBeLessThan(250);
});
