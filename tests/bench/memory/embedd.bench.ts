/** Texts to vectors: the embedded model, alone and through the service, and the cache. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { lexicalDimension } from "../../../runtime/models/models.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { cacheKey, createVectorCache } from "../../../workers/embedd/embedding/cache.ts";
import { createSketch } from "../../../workers/embedd/providers/lexical-embedding.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { inTurn, report, timed } from "../../support/campaigns/measure.ts";
import { seeded } from "../../support/campaigns/seeded.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const home = temporaryDirectory("bench-embedd");
let service: InProcess<typeof embedd>;
beforeAll(async () => {
  const config = configWith({ data_dir: home.path });
  service = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
});
afterAll(async () => {
  await service.stop();
  home.remove();
});

const words =
  "certified forklift operator welder nurse night shift chicago warehouse payroll specialist driver customer service representative electrician maintenance analyst developer java spanish bilingual recruiter assistant clerk medical billing machine cnc lathe cook technician".split(
    " ",
  );
const random = seeded(1);
let made = 0;
/** Short staffing texts, about 70 characters, never the same. */
const texts = (count: number): string[] =>
  Array.from({ length: count }, () => {
    const chosen = Array.from({ length: 8 }, () => words[Math.floor(random() * words.length)]);
    return `${chosen.join(" ")} ${++made}`;
  });

const perSecond = async (count: number, work: () => unknown): Promise<number> =>
  count / ((await timed(work)) / 1000);

test("embedd: the embedded model, texts a second on one thread", async () => {
  const sketch = createSketch();
  const vector = new Float32Array(lexicalDimension);
  const alone = () => {
    const all = texts(4096);
    return perSecond(all.length, () => {
      for (const text of all) {
        for (const _ of sketch.read(text));
        sketch.finish(vector);
      }
    });
  };
  const ask = (size: number) => async () => {
    const all = texts(4096);
    const batches = Array.from({ length: all.length / size }, (_, at) =>
      all.slice(at * size, (at + 1) * size),
    );
    return perSecond(all.length, async () => {
      for (const batch of batches) await service.peer.verbs.vectorsOf({ texts: batch });
    });
  };
  const figures = await inTurn(5, {
    "the model": alone,
    "through the service, 256 at once": ask(256),
    "one at a time": ask(1),
  });
  report("embedd local, texts/s", figures);
  for (const figure of Object.values(figures)) expect(figure).toBeGreaterThan(0);
});

test("embedd: cache hits a second", async () => {
  const known = texts(1024);
  await service.peer.verbs.vectorsOf({ texts: known });
  const cache = createVectorCache(64 << 20);
  for (const text of known) cache.set(cacheKey("local", text), new Float32Array(lexicalDimension));
  const repeat = 20;
  const ask = (size: number) => async () =>
    perSecond(repeat * known.length, async () => {
      for (let round = 0; round < repeat; round++)
        for (let at = 0; at < known.length; at += size) {
          const { cached } = await service.peer.verbs.vectorsOf({ texts: known.slice(at, at + size) });
          expect(cached).toBe(size);
        }
    });
  const figures = await inTurn(5, {
    "the cache": () =>
      perSecond(repeat * known.length, () => {
        for (let round = 0; round < repeat; round++)
          for (const text of known) expect(cache.get(cacheKey("local", text)) === undefined).toBe(false);
      }),
    "through the service, 256 at once": ask(256),
    "one at a time": ask(1),
  });
  report("embedd cache, hits/s", figures);
});

test("embedd: how long JSON answers hold up the thread", async () => {
  const most = texts(2048);
  await service.peer.verbs.vectorsOf({ texts: most });
  const body = JSON.stringify({ texts: most });
  const headers = { "content-type": "application/json" };
  const post = (path: string, text: string) => async () =>
    timed(async () => {
      const response = await service.send(
        new Request(`http://localhost${path}`, { method: "POST", body: text, headers }),
      );
      expect(response.status).toBe(200);
      await response.arrayBuffer();
    });
  const openAi = (format: string) => JSON.stringify({ input: most, encoding_format: format });
  const figures = await inTurn(5, {
    JSON: post("/embed", body),
    "OpenAI float": post("/embeddings", openAi("float")),
    "OpenAI base64": post("/embeddings", openAi("base64")),
    "bytes between services": () => timed(() => service.peer.verbs.vectorsOf({ texts: most })),
  });
  report("embedd 2048 cached vectors, ms", figures);
});
