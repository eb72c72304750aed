/** Engines that indexes may lie in: each does what the engines here do, and comes through what may befall it. */

import { clustered } from "../sample-data/sample-data.ts";
import {
  addItems,
  createIndex,
  expectStatus,
  type Lake,
  type Smoke,
  searchHits,
} from "../smoke-product/smoke-product.ts";
import { conforms, indexed } from "./vector-conformance.ts";
import { faults } from "./vector-faults.ts";
import { startPgvector, type VectorServer } from "./vector-servers.ts";
import { startWeaviate } from "./weaviate-server.ts";

/** Those here, by which the others are measured. */
const local: Record<string, object> = {
  usearch: {},
  flat: { type: "flat" },
  faiss: { type: "HNSW32,Flat" },
};
const sizes = { rows: 5000, dimension: 128, queries: 200 };

const smokeOf = (engine: string, about: string, serve: () => Promise<VectorServer>): Smoke => ({
  about,
  ownProduct: true,
  run: async ({ check, start, directory }) => {
    const server = await serve();
    try {
      const product = await start({ env: server.env(engine) });
      for (const [name, settings] of Object.entries({ ...local, [engine]: { engine } }))
        await conforms(product, name, settings, (what, work) => check(`${name}: ${what}`, work));
      await product.end("SIGTERM");
      await faults({ check, start, directory, server, engine });
    } finally {
      await server.end();
    }
  },
});

/** The same rows here and in each engine, one product: searches one after the other, and recall of ten. */
const measured: Smoke = {
  about: "searches a second and recall of each vector engine, beside the one here",
  ownProduct: true,
  run: async ({ check, start }) => {
    const servers = { pgvector: await startPgvector(), weaviate: await startWeaviate() };
    try {
      const environments = Object.entries(servers).map(([engine, { env }]) => env(engine));
      const tables = environments.map(({ LH_VECTORD_ENGINES: table = "" }) => table.slice(1, -1));
      const env = Object.assign({}, ...environments, { LH_VECTORD_ENGINES: `{${tables.join(",")}}` });
      const product = await start({ env });
      const { items, queries } = clusteredItems();
      for (const engine of ["local", ...Object.keys(servers)]) {
        const said = await measure(product, engine, items, queries);
        await check(said, () => undefined);
      }
    } finally {
      await Promise.all(Object.values(servers).map(({ end }) => end()));
    }
  },
};

function clusteredItems(): { items: { id: string; vector: number[] }[]; queries: number[][] } {
  const { rows, dimension, queries: count } = sizes;
  const { vectors, queries } = clustered(rows, dimension, count);
  const pieces = (all: Float32Array) =>
    Array.from({ length: all.length / dimension }, (_, at) =>
      Array.from(all.subarray(at * dimension, (at + 1) * dimension)),
    );
  return { items: pieces(vectors).map((vector, at) => ({ id: `w${at}`, vector })), queries: pieces(queries) };
}

async function measure(
  lake: Lake,
  engine: string,
  items: { id: string; vector: number[] }[],
  queries: number[][],
): Promise<string> {
  const name = `measured_${engine}`;
  const began = performance.now();
  expectStatus(await createIndex(lake, { name, dimension: sizes.dimension, engine }), 201);
  for (let at = 0; at < items.length; at += 2000)
    expectStatus(await addItems(lake, name, items.slice(at, at + 2000)), 200);
  await indexed(lake, name);
  const filledS = (performance.now() - began) / 1000;
  const idsOf = async (vector: number[], more: object) =>
    (await searchHits(lake, name, { vector, k: 10, ...more })).map(({ id }) => id);
  const truth: Set<string>[] = [];
  for (const vector of queries) truth.push(new Set(await idsOf(vector, { exact: true })));
  let found = 0;
  const at = performance.now();
  for (const [query, vector] of queries.entries())
    found += (await idsOf(vector, {})).filter((id) => truth[query]?.has(id)).length;
  const perSecond = (1000 * queries.length) / (performance.now() - at);
  const recall = found / (10 * queries.length);
  return `${engine}: ${items.length} × ${sizes.dimension}: ${perSecond.toFixed(0)} searches/s, recall ${recall.toFixed(3)}, filled in ${filledS.toFixed(1)} s`;
}

export const vectorEngines: Record<string, Smoke> = {
  pgvector: smokeOf(
    "pgvector",
    "PostgreSQL 18 with pgvector 0.8: holds the vectors of indexes",
    startPgvector,
  ),
  weaviate: smokeOf("weaviate", "Weaviate 1.35.2, three nodes: holds the vectors of indexes", startWeaviate),
  "vector-speed": measured,
};
