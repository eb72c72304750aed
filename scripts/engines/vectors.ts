/** Engines that indexes may lie in: each does what the engines here do, and comes through what may befall it. */
import {
  addItems,
  createIndex,
  expectTrue,
  type Lake,
  type Smoke,
  searchHits,
} from "../smoke-product/smoke-product.ts";
import { conforms, indexed, makeItems } from "./vector-conformance.ts";
import { faults } from "./vector-faults.ts";
import { startPgvector, type VectorServer } from "./vector-servers.ts";

/** Those here, by which the others are measured. */
const local: Record<string, object> = {
  usearch: {},
  flat: { type: "flat" },
  faiss: { type: "HNSW32,Flat" },
};
const sizes = { rows: 20_000, dimension: 128, queries: 200 };

const smokeOf = (engine: string, about: string, serve: () => Promise<VectorServer>): Smoke => ({
  about,
  ownProduct: true,
  run: async ({ check, start, directory }) => {
    const server = await serve();
    try {
      const product = await start({ env: server.env(engine) });
      for (const [name, settings] of Object.entries({ ...local, [engine]: { engine } }))
        await conforms(product, name, settings, (what, work) => check(`${name}: ${what}`, work));
      await measured(product, engine, (what) => check(what, () => undefined));
      await product.end("SIGTERM");
      await faults({ check, start, directory, server, engine });
    } finally {
      await server.end();
    }
  },
});

/** Searches one after the other, and recall of ten, beside the engine here. */
async function measured(lake: Lake, engine: string, report: (what: string) => Promise<void>): Promise<void> {
  const rows = Number(process.env.LAKEHOUSE_ENGINE_ROWS ?? sizes.rows);
  const items = makeItems(rows, sizes.dimension, 3);
  const queries = makeItems(sizes.queries, sizes.dimension, 77).map(({ vector }) => vector);
  for (const [name, settings] of Object.entries({ measured_local: {}, measured_there: { engine } })) {
    const began = performance.now();
    await createIndex(lake, { name, dimension: sizes.dimension, ...settings });
    for (let at = 0; at < items.length; at += 2000) await addItems(lake, name, items.slice(at, at + 2000));
    await indexed(lake, name);
    const filled = performance.now() - began;
    let found = 0;
    const truth: Set<string>[] = [];
    for (const vector of queries)
      truth.push(new Set((await searchHits(lake, name, { vector, k: 10, exact: true })).map(({ id }) => id)));
    const at = performance.now();
    for (const [query, vector] of queries.entries())
      found += (await searchHits(lake, name, { vector, k: 10 })).filter(({ id }) =>
        truth[query]?.has(id),
      ).length;
    const perSecond = (1000 * queries.length) / (performance.now() - at);
    const recall = found / (10 * queries.length);
    expectTrue(recall > 0.5, `recall ${recall}`);
    const who = name === "measured_local" ? "here" : engine;
    await report(
      `${rows} × ${sizes.dimension}, ${who}: ${perSecond.toFixed(0)} searches/s at recall ${recall.toFixed(3)}, filled in ${(filled / 1000).toFixed(1)} s`,
    );
  }
}

export const vectorEngines: Record<string, Smoke> = {
  pgvector: smokeOf(
    "pgvector",
    "PostgreSQL 18 with pgvector 0.8: holds the vectors of indexes",
    startPgvector,
  ),
};
