/** What the gateway and chatd add to a model server's own time: the same server, asked directly and through the product. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { inTurn, median, quantile, report, throughput, timed } from "../../support/campaigns/measure.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";

let models: ModelServer;
let product: Product;
beforeAll(async () => {
  models = await startModelServer();
  product = await startProduct({
    env: {
      LH_PROVIDERS: `{ ollama = { base_url = "${models.url}" }, other = { kind = "openai", base_url = "${models.url}/v1" } }`,
    },
  });
});
afterAll(async () => {
  await product.end();
  await models.stop();
});

const concurrency = 64;
const rounds = 7;
const calls = 1500;
const messages = [{ role: "user", content: "what is the answer?" }];

const call = (url: string, model: string, stream: boolean) => async () => {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model, messages, stream }),
  });
  expect(response.status).toBe(200);
  return response;
};

async function spread(ask: () => Promise<Response>, count: number, atOnce: number): Promise<number[]> {
  const all: number[] = [];
  await throughput(count, atOnce, async () => all.push(await timed(async () => (await ask()).text())));
  return all;
}

async function firstToken(ask: () => Promise<Response>): Promise<number> {
  const started = performance.now();
  const reader = ((await ask()).body as ReadableStream<Uint8Array>).getReader();
  await reader.read();
  const ms = performance.now() - started;
  while (!(await reader.read()).done);
  return ms;
}

test.each([0, 100])("whole answers of a model that takes %p ms, 64 at once", async (delayMs) => {
  await models.set({ delayMs });
  const model = delayMs === 0 ? "good" : "slow";
  const ways = {
    direct: call(models.url, model, false),
    gateway: call(product.url, `other/${model}`, false),
    ollama: call(product.url, model, false),
  };
  const tails: Record<string, number[]> = { direct: [], gateway: [], ollama: [] };
  const p50 = (name: keyof typeof ways) => async () => {
    const all = await spread(ways[name], calls, concurrency);
    tails[name]?.push(quantile(all, 0.99));
    return quantile(all, 0.5);
  };
  const times = await inTurn(rounds, {
    direct: p50("direct"),
    gateway: p50("gateway"),
    ollama: p50("ollama"),
  });
  const p99 = (name: keyof typeof ways) => median(tails[name] ?? []);
  report(`chatd.whole.${delayMs}ms`, {
    "direct p50 ms": times.direct,
    "added p50 ms": times.gateway - times.direct,
    "added p50 ms, ollama": times.ollama - times.direct,
    "direct p99 ms": p99("direct"),
    "added p99 ms": p99("gateway") - p99("direct"),
    "added p99 ms, ollama": p99("ollama") - p99("direct"),
  });
});

test("requests a second, whole and streamed", async () => {
  await models.set({ delayMs: 0 });
  for (const stream of [false, true]) {
    const rate = (ask: () => Promise<Response>) => () =>
      throughput(calls, concurrency, async () => (await ask()).text());
    const rates = await inTurn(rounds, {
      direct: rate(call(models.url, "good", stream)),
      gateway: rate(call(product.url, "other/good", stream)),
      ollama: rate(call(product.url, "good", stream)),
    });
    report(`chatd.rate.${stream ? "streamed" : "whole"}`, {
      "direct /s": rates.direct,
      "gateway /s": rates.gateway,
      "gateway, ollama /s": rates.ollama,
    });
  }
});

test("one at a time: added p50 and p99, and the first token", async () => {
  await models.set({ delayMs: 0 });
  const one = async (ask: () => Promise<Response>) => spread(ask, 1000, 1);
  const direct = await one(call(models.url, "good", false));
  const gateway = await one(call(product.url, "other/good", false));
  report("chatd.alone", {
    "direct p50 ms": quantile(direct, 0.5),
    "added p50 ms": quantile(gateway, 0.5) - quantile(direct, 0.5),
    "added p99 ms": quantile(gateway, 0.99) - quantile(direct, 0.99),
  });
  await models.set({ delayMs: 2 });
  const first = async (ask: () => Promise<Response>) => {
    const all: number[] = [];
    for (let at = 0; at < 150; at++) all.push(await firstToken(ask));
    return quantile(all, 0.5);
  };
  const times = await inTurn(rounds, {
    direct: () => first(call(models.url, "good", true)),
    gateway: () => first(call(product.url, "other/good", true)),
    ollama: () => first(call(product.url, "good", true)),
  });
  report("chatd.first-token", {
    "direct ms": times.direct,
    "added ms": times.gateway - times.direct,
    "added ms, ollama": times.ollama - times.direct,
  });
});
