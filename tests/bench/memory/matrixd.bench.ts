/** matrixd: how good searches are on labelled queries, and what one over four corpora takes, in its parts. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { labelledSet } from "../../../scripts/sample-data/make-queries.ts";
import { workersCsv } from "../../../scripts/sample-data/make-workers.ts";
import { latencies, median, quantile, report } from "../../support/campaigns/measure.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { startMatrixdStack } from "../../support/stacks/matrixd.ts";
import { buildLabelled, measure, type Quality, recordAnswers } from "../../support/vectors/retrieval.ts";

const rows = Number(process.env.LAKEHOUSE_BENCH_ROWS ?? 25_000);
const searches = 200;
const corpora = ["north", "south", "east", "west"];
let product: Product;

const shown = ({ recall, ndcg }: Quality): string =>
  `recall@10 ${recall.toFixed(4)} nDCG@10 ${ndcg.toFixed(4)}`;

for (const seed of [11, 12, 13]) {
  test(`quality on labelled queries, seed ${seed}`, async () => {
    const set = labelledSet({ documents: 2000, queries: 300, seed });
    const stack = await startMatrixdStack();
    await buildLabelled(stack, set);
    const [vector, lexical, hybrid] = [
      await measure(stack, set, { mode: "vector" }),
      await measure(stack, set, { mode: "lexical" }),
      await measure(stack, set, { mode: "hybrid" }),
    ];
    const again = await measure(stack, set, { rerank: true });
    const other = await measure(stack, set, {}, 1);
    await recordAnswers(stack, set);
    const taught = await measure(stack, set, { use_playbook: true }, 1);
    await stack.stop();
    report(`matrixd: 300 labelled queries over 2000 documents, seed ${seed}`, {
      vector: shown(vector),
      lexical: shown(lexical),
      hybrid: shown(hybrid),
      "hybrid, reranked": shown(again),
      "hybrid, other wordings": shown(other),
      "the same with playbooks of the first wordings": shown(taught),
      "gain by playbooks, nDCG": (taught.ndcg - other.ndcg).toFixed(4),
    });
    expect(taught.ndcg).toBeGreaterThan(other.ndcg);
  });
}

const post = async (path: string, body: object) => {
  const response = await fetch(`${product.addresses.matrixd}/matrix/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return JSON.parse(text);
};

beforeAll(async () => {
  product = await startProduct();
  const started = performance.now();
  for (const [at, name] of corpora.entries()) {
    const file = new Response(workersCsv({ rows, seed: at + 1 }));
    expect((await ingest(product.url, `name=${name}`, await file.blob())).status).toBe(200);
    const { job_id } = await post("corpora", {
      name,
      dataset: name,
      id_column: "worker_id",
      text_columns: ["role", "city", "state", "certifications", "skills", "shift", "notes"],
      metadata_columns: ["role", "city", "state", "availability", "certifications"],
    });
    const events = await fetch(`${product.addresses.matrixd}/matrix/jobs/${job_id}/events`);
    expect(await events.text()).toContain("event: done");
  }
  report(`matrixd: four corpora of ${rows} built`, { s: (performance.now() - started) / 1000 });
}, 1_800_000);
afterAll(() => product?.end());

const { queries } = labelledSet({ documents: 2000, queries: searches, seed: 9 });

/** A search a query; each step's median beside the whole. */
async function run(name: string, more: object): Promise<void> {
  const steps = new Map<string, number[]>();
  let at = 0;
  const all = await latencies(searches, async () => {
    const query_text = queries[at++ % queries.length]?.wordings[0] ?? "forklift";
    const { errors, took_ms } = await post("search", { query_text, corpora, ...more });
    expect(errors).toEqual([]);
    for (const [step, ms] of Object.entries(took_ms as Record<string, number>))
      steps.set(step, [...(steps.get(step) ?? []), ms]);
  });
  report(`matrixd: ${name} over 4 x ${rows}, ms`, {
    p50: median(all),
    p99: quantile(all, 0.99),
    ...Object.fromEntries([...steps].map(([step, times]) => [`${step} p50`, median(times)])),
  });
}

const sql_filter = "state = 'IL' AND availability > 0.5";
for (const [name, more] of [
  ["hybrid", {}],
  ["vector", { mode: "vector" }],
  ["lexical", { mode: "lexical" }],
  ["hybrid, reranked", { rerank: true }],
  ["hybrid with a filter", { filter: { state: "IL" } }],
  ["hybrid with sql_filter, rare, seen before", { sql_filter }],
  ["hybrid with sql_filter, common, seen before", { sql_filter: "availability > 0.1" }],
] as const)
  test(name, () => run(name, more), 600_000);

test("a predicate not seen before", async () => {
  let number = 0;
  const all = await latencies(30, () =>
    post("search", {
      query_text: "forklift operator",
      corpora,
      sql_filter: `${sql_filter} AND ${number++} >= 0`,
    }),
  );
  report(`matrixd: hybrid with a new sql_filter over 4 x ${rows}, ms`, {
    p50: median(all),
    p99: quantile(all, 0.99),
  });
});
