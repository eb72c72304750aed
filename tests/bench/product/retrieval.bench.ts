/**
 * How good searches are on real labelled sets. `LAKEHOUSE_RETRIEVAL_TASKS` names a folder of JSON files, each
 * `{docs: [{id, text}], queries: [{text, relevant: [id]}]}`; `scripts/sample-data/retrieval-tasks.ts` makes some of packages.
 * `LAKEHOUSE_RETRIEVAL_MODELS` names others than `local,lexical`; `onnx/…` are those of the data directory that
 * `LAKEHOUSE_RETRIEVAL_DATA` names, where `bun run model add` put them.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { quoteText } from "../../../runtime/sql/sql.ts";
import { report } from "../../support/campaigns/measure.ts";
import { type MatrixdStack, startMatrixdStack } from "../../support/stacks/matrixd.ts";
import { pieceBaseline, qualityOf } from "../../support/vectors/retrieval.ts";

const folder = process.env.LAKEHOUSE_RETRIEVAL_TASKS;
const queriesMax = Number(process.env.LAKEHOUSE_BENCH_QUERIES ?? 400);
const models = (process.env.LAKEHOUSE_RETRIEVAL_MODELS ?? "local,lexical").split(",");
/** What a hybrid search may lose against the better of its parts. */
const lossMax = 0.005;

interface Task {
  docs: { id: string; text: string }[];
  queries: { text: string; relevant: string[] }[];
}

let stack: MatrixdStack;
beforeAll(async () => {
  stack = await startMatrixdStack();
  const added = process.env.LAKEHOUSE_RETRIEVAL_DATA;
  const own = join(stack.config.data_dir, "embedd/models");
  if (added !== undefined) cpSync(join(added, "embedd/models"), own, { recursive: true });
});
afterAll(() => stack.stop());

const files = folder === undefined ? [] : readdirSync(folder).filter((name) => name.endsWith(".json"));

test("tasks on real labels", () => {
  if (files.length === 0)
    report("retrieval", { tasks: "none: LAKEHOUSE_RETRIEVAL_TASKS names no folder with tasks" });
  expect(models.length).toBeGreaterThan(0);
});

for (const file of files)
  for (const model of models)
    test(`${file} by ${model}`, async () => {
      const { docs, queries }: Task = JSON.parse(readFileSync(join(folder ?? "", file), "utf8"));
      const name = `${file.replace(/\W.*$/, "")}_${model.replaceAll(/\W/g, "_")}`;
      const values = docs.map(({ id, text }) => `(${quoteText(id)}, ${quoteText(text)})`);
      await stack.dataset(name, `SELECT * FROM (VALUES ${values.join(",")}) AS d(id, what)`);
      await stack.build({ name, dataset: name, id_column: "id", text_columns: ["what"], model });
      const ndcg: Record<string, number> = { vector: 0, lexical: 0, hybrid: 0, pieces: 0 };
      const byPieces = pieceBaseline(docs);
      const took: Record<string, number[]> = { vector: [], lexical: [], hybrid: [] };
      const asked = queries.slice(0, queriesMax);
      for (const { text, relevant } of asked) {
        ndcg.pieces = (ndcg.pieces ?? 0) + qualityOf(byPieces(text), relevant).ndcg / asked.length;
        for (const mode of ["vector", "lexical", "hybrid"] as const) {
          const began = performance.now();
          const { hits } = await stack.verbs.search({ query_text: text, corpora: [name], mode });
          took[mode]?.push(performance.now() - began);
          const { ndcg: one } = qualityOf(
            hits.map(({ id }) => id),
            relevant,
          );
          ndcg[mode] = (ndcg[mode] ?? 0) + one / asked.length;
        }
      }
      report(
        `retrieval: ${file}, ${asked.length} queries over ${docs.length} documents, ${model}, nDCG@10`,
        ndcg,
      );
      const latencies = Object.entries(took).flatMap(([mode, times]) => {
        const sorted = times.toSorted((a, b) => a - b);
        const at = (share: number) => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10;
        return [[mode, `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`] as const];
      });
      report(`retrieval: ${file}, ${model}, one search at a time`, Object.fromEntries(latencies));
      const { vector = 0, lexical = 0, hybrid = 0, pieces = 0 } = ndcg;
      // A few queries say little: the rules hold for sets of some size.
      if (asked.length < 400) return;
      expect(hybrid).toBeGreaterThanOrEqual(Math.max(vector, lexical) - lossMax);
      expect(hybrid).toBeGreaterThanOrEqual(pieces);
    }, 3_600_000);
