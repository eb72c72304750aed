/** Models that were added, in their process: the one suite of providers, what goes wrong, and reranking. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../../runtime/telemetry/metrics.ts";
import { folderSource } from "../../../../scripts/model/source.ts";
import { embedd } from "../../../../workers/embedd/contract.ts";
import { createOnnx } from "../../../../workers/embedd/providers/onnx.ts";
import { createEmbedd } from "../../../../workers/embedd/service.ts";
import { testEmbeddingProvider } from "../../../conformance/embedding-provider.ts";
import { addFixtureModel, fixtureModels } from "../../../support/model-servers/added-models.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../../support/stacks/in-process.ts";

testEmbeddingProvider("onnx", async () => {
  const directory = temporaryDirectory("onnx");
  const { dimension = 0 } = await addFixtureModel(directory.path, "words");
  const provider = createOnnx({
    config: configWith({ data_dir: directory.path }),
    directory: join(directory.path, "embedd"),
    clock: systemClock,
    log: createLog("embedd", "error", () => {}),
    metrics: createMetrics(),
  });
  const stop = async () => {
    await provider.stop();
    directory.remove();
  };
  return { provider, model: "words", dimension, stop };
});

describe("through embedd", () => {
  const directory = temporaryDirectory("onnx-service");
  const closing = Promise.withResolvers<void>();
  let own: InProcess<typeof embedd>;
  /** Another embedd, for which the first one is a server of others. */
  let other: InProcess<typeof embedd>;
  let server: Bun.Server<undefined>;
  /** What the server answers instead of the first embedd. */
  let fault: (() => Response | Promise<Response>) | undefined;

  beforeAll(async () => {
    for (const name of ["words", "pairs"] as const) await addFixtureModel(directory.path, name);
    const start = (dataDir: string, more: Partial<Parameters<typeof configWith>[0]>) =>
      startInProcess(
        { contract: embedd, create: createEmbedd },
        { config: configWith({ data_dir: dataDir, ...more }), peers: {} },
      );
    own = await start(directory.path, { embedd: { rerank_model: "onnx/pairs" } });
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => fault?.() ?? own.send(request),
    });
    other = await start(join(directory.path, "other"), {
      embedd: { retries: 0 },
      providers: { peer: { kind: "openai", base_url: `http://127.0.0.1:${server.port}` } },
    });
  });
  afterAll(async () => {
    closing.resolve();
    await other.stop();
    await own.stop();
    await server.stop(true);
    directory.remove();
  });

  const post = async (service: InProcess<typeof embedd>, path: string, body: unknown) => {
    const response = await service.send(
      new Request(`http://localhost${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
    // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
    return { status: response.status, body: (await response.json()) as any };
  };
  const documents = ["a bakery with bread", "an rn at a hospital", "the chauffeur of a car"];
  const best = (answer: { body: { results: { index: number }[] } }) => answer.body.results[0]?.index;

  test("words that mean one thing are near, and models are listed", async () => {
    const { vectors, model, dimension } = await own.peer.verbs.embed({
      model: "onnx/words",
      texts: ["nurse", "medic", "lawyer"],
    });
    expect({ model, dimension }).toEqual({ model: "onnx/words", dimension: 32 });
    const shaped = await post(own, "/embeddings", { model: "onnx/words", input: "nurse", dimensions: 32 });
    expect(shaped.status).toBe(200);
    const [nurse = [], medic = [], lawyer = []] = vectors;
    const cosine = (a: number[], b: number[]) =>
      a.reduce((sum, number, at) => sum + number * (b[at] ?? 0), 0);
    expect(cosine(nurse, medic)).toBeGreaterThan(cosine(nurse, lawyer) + 0.2);
    const { models } = await own.peer.verbs.models({});
    expect(models.find(({ id }) => id === "onnx/words")).toEqual({
      id: "onnx/words",
      provider: "onnx",
      dimension: 32,
      window: 64,
      is_default: false,
    });
    expect(models.find(({ id }) => id === "onnx/pairs")?.reranks).toBe(true);
  });

  test("a long text is read to its end, and its vector is between those of its parts", async () => {
    const [bread, long] = (
      await own.peer.verbs.embed({
        model: "onnx/words",
        texts: ["bread ".repeat(30), `${"bread ".repeat(300)} nurse`],
      })
    ).vectors;
    const cosine = (bread ?? []).reduce((sum, number, at) => sum + number * (long?.[at] ?? 0), 0);
    expect(cosine).toBeGreaterThan(0.9);
    expect(cosine).toBeLessThan(1);
  });

  test("a cross-encoder orders texts, here and at another's door", async () => {
    const request = { query: "nurse", documents, top_n: 2, return_documents: true };
    const here = await post(own, "/rerank", request);
    expect(here.status).toBe(200);
    expect(here.body.model).toBe("onnx/pairs");
    expect(here.body.results).toHaveLength(2);
    expect(here.body.results[0].document.text).toBe("an rn at a hospital");
    expect(here.body.results[0].relevance_score).toBeGreaterThan(here.body.results[1].relevance_score);
    expect(here.body.usage.total_tokens).toBeGreaterThan(10);
    const there = await post(other, "/rerank", { model: "peer/onnx/pairs", ...request });
    expect(there.body.results).toEqual(here.body.results);
    expect(
      best(await post(own, "/rerank", { query: "driver", documents: documents.map((text) => ({ text })) })),
    ).toBe(2);
  });

  test("what of a long text is not read is told", async () => {
    const { body } = await post(own, "/rerank", {
      query: "nurse",
      documents: ["bread ".repeat(2000), "medic"],
    });
    expect(body.results[0].index).toBe(1);
    expect(body.meta.warnings).toEqual([expect.stringContaining("1 of the documents")]);
  });

  test.each([
    [{ documents }, 400, "query"],
    [{ query: " ", documents }, 400, "query: expected text"],
    [{ query: "nurse", documents: [] }, 400, "documents"],
    [{ query: "nurse", documents: [" "] }, 400, "documents.0: expected text"],
    [{ query: "nurse", documents: [7] }, 400, "documents.0"],
    [{ query: "nurse", documents, top_n: 0 }, 400, "top_n"],
    [{ query: "nurse", documents, rank: 1 }, 400, "rank"],
    [{ query: "nurse ".repeat(64), documents }, 422, "three quarters"],
    [{ query: "nurse", documents, model: "onnx/words" }, 404, "no cross-encoder"],
    [{ query: "nurse", documents, model: "onnx/none" }, 404, "bun run model add"],
    [{ query: "nurse", documents, model: "onnx/../pairs" }, 404, "there is no model"],
    [{ query: "nurse", documents, model: "local" }, 400, "makes vectors and scores no texts"],
  ])("refused: %j", async (body, status, words) => {
    const answer = await post(own, "/rerank", body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toContain(words);
  });

  test("who names no model is told what to name, where none is set", async () => {
    const answer = await post(other, "/rerank", { query: "nurse", documents });
    expect(answer.status).toBe(400);
    expect(answer.body.error.message).toContain("rerank_model");
    const vectors = await post(own, "/embed", { model: "onnx/pairs", text: "nurse" });
    expect([vectors.status, vectors.body.error.message]).toEqual([
      404,
      expect.stringContaining("POST /rerank"),
    ]);
  });

  const json = (status: number, body: unknown) => () => Response.json(body, { status });
  test.each([
    ["no door", json(404, { detail: "Not Found" }), 404, "no /rerank below"],
    ["a wrong key", json(401, { message: "no" }), 502, "refused the key"],
    ["busy", json(429, { message: "slow down" }), 429, "is busy"],
    ["its fault", json(500, { message: "oops" }), 502, "refused to rerank with 500"],
    ["no JSON", () => new Response("<html>"), 502, "no JSON"],
    [
      "a text without score",
      json(200, { results: [{ index: 0, relevance_score: 1 }] }),
      502,
      "no score for text 1",
    ],
    ["no number", json(200, { results: [{ index: 0, relevance_score: "1" }] }), 502, "no score for text 0"],
    ["another list", json(200, []), 502, "no score for text 0"],
  ])("a server's fault: %s", async (_name, answer, status, words) => {
    fault = answer;
    try {
      const got = await post(other, "/rerank", { model: "peer/x", query: "nurse", documents });
      expect(got.status).toBe(status);
      expect(got.body.error.message).toContain(words);
    } finally {
      fault = undefined;
    }
  });

  test("a server that is late ends at the deadline", async () => {
    const late = await startInProcess(
      { contract: embedd, create: createEmbedd },
      {
        config: configWith({
          data_dir: join(directory.path, "late"),
          embedd: { timeout_ms: 100 },
          providers: { peer: { kind: "openai", base_url: `http://127.0.0.1:${server.port}` } },
        }),
        peers: {},
      },
    );
    fault = () => closing.promise.then(() => new Response());
    const answer = await post(late, "/rerank", { model: "peer/x", query: "nurse", documents });
    fault = undefined;
    await late.stop();
    expect(answer.status).toBe(504);
  });

  test("another model under the same name answers no vectors of the one before, cached or not", async () => {
    const folder = join(directory.path, "other-words");
    cpSync(join(fixtureModels, "words"), folder, { recursive: true });
    await addFixtureModel(directory.path, "words", { name: "anew" });
    const embed = async (text: string) =>
      (await own.peer.verbs.embed({ model: "onnx/anew", text })).vectors[0] ?? [];
    const [nurse, bread] = [await embed("nurse"), await embed("bread")];
    expect((await own.peer.verbs.embed({ model: "onnx/anew", text: "nurse" })).cached).toBe(1);
    rmSync(join(directory.path, "embedd/models/anew"), { recursive: true });
    const gone = await post(own, "/embed", { model: "onnx/anew", text: "nurse" });
    expect([gone.status, gone.body.error.type]).toEqual([404, "not_found"]);
    // The other model takes each of two words for the other one.
    const path = join(folder, "tokenizer.json");
    const tokenizer = JSON.parse(readFileSync(path, "utf8"));
    const { vocab } = tokenizer.model;
    [vocab.nurse, vocab.bread] = [vocab.bread, vocab.nurse];
    writeFileSync(path, JSON.stringify(tokenizer));
    await addFixtureModel(directory.path, "words", { name: "anew", source: folderSource(folder) });
    expect(await embed("nurse")).toEqual(bread);
    expect(await embed("bread")).toEqual(nurse);
  });

  test("a file that is another than was added is refused by name, and a removed model is gone at once", async () => {
    await addFixtureModel(directory.path, "words", { name: "spoilt" });
    const folder = join(directory.path, "embedd/models/spoilt");
    appendFileSync(join(folder, "model.onnx"), "x");
    const spoilt = await post(own, "/embed", { model: "onnx/spoilt", text: "nurse" });
    expect([spoilt.status, spoilt.body.error.type]).toEqual([500, "corrupt"]);
    expect(spoilt.body.error.message).toContain("model.onnx of model 'onnx/spoilt'");
    rmSync(folder, { recursive: true });
    expect((await post(own, "/embed", { model: "onnx/spoilt", text: "nurse" })).status).toBe(404);
  });
});
