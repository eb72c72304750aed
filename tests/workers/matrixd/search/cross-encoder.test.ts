/** Searches whose best rows a cross-encoder orders: a small one that runs in embedd's child process. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { addFixtureModel } from "../../../support/model-servers/added-models.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
/** What becomes of a call of the cross-encoder; it is asked where nothing is said. */
let trouble: "fails" | "waits" | undefined;
/** Texts of the latest call. */
let read = 0;

beforeAll(async () => {
  stack = await startMatrixdStack({
    peers: (peers) => ({
      ...peers,
      embedd: {
        ...peers.embedd,
        verbs: {
          ...peers.embedd.verbs,
          rerank: (input, options) => {
            read = input.documents.length;
            if (trouble === "fails") return Promise.reject(fail("unavailable", "embedd is not running"));
            if (trouble === "waits")
              return new Promise((_, reject) => {
                options?.signal?.addEventListener("abort", () => reject(options.signal?.reason));
              });
            return peers.embedd.verbs.rerank(input, options);
          },
        },
      },
    }),
  });
  for (const name of ["words", "pairs"] as const) await addFixtureModel(stack.config.data_dir, name);
  await stack.dataset(
    "people",
    `SELECT * FROM (VALUES ('a', 'driver of a car'), ('b', 'rn at a hospital'), ('c', 'teacher at night'),
     ('d', 'bread of the bakery'), ('e', '')) AS p(id, what) UNION ALL
     SELECT 'x' || range, 'operator ' || range FROM range(200)`,
  );
  await stack.build({ name: "people", dataset: "people", id_column: "id", text_columns: ["what"] });
});
afterAll(() => stack.stop());

const search = { query_text: "medic night", corpora: ["people"], k: 3, rerank_model: "onnx/pairs" };

describe("rerank by a model", () => {
  test("the rows that it says answer the query come first, with what it says", async () => {
    const { hits, errors, took_ms } = await stack.verbs.search({ ...search, rerank: "model" });
    expect(errors).toEqual([]);
    expect(
      hits
        .slice(0, 2)
        .map(({ id }) => id)
        .sort(),
    ).toEqual(["b", "c"]);
    expect(hits.every(({ parts }) => Number(parts.rerank) > 0 && Number(parts.rerank) < 1)).toBe(true);
    expect(took_ms.rerank).toBeGreaterThan(0);
    expect(read).toBeLessThanOrEqual(100);
    const many = await stack.verbs.search({ ...search, rerank: "model", k: 150 });
    expect(many.hits).toHaveLength(150);
    expect(read).toBe(100);
    expect(many.hits.slice(100).every(({ parts }) => parts.rerank === undefined)).toBe(true);
  });

  test("a corpus by a model that was added is searched by it", async () => {
    const job = await stack.build({
      name: "own",
      dataset: "people",
      id_column: "id",
      text_columns: ["what"],
      model: "onnx/words",
    });
    expect(job).toMatchObject({ embedded: 204, without_text: 1 });
    expect(await stack.verbs.corpus({ name: "own" })).toMatchObject({ model: "onnx/words", dimension: 32 });
    const { hits } = await stack.verbs.search({
      query_text: "chauffeur of an automobile",
      corpora: ["own"],
      mode: "vector",
      k: 1,
    });
    expect(hits[0]?.id).toBe("a");
  });

  test.each(["fails", "waits"] as const)("one that %s costs nothing else, and is told", async (how) => {
    const plain = await stack.verbs.search({ query_text: search.query_text, corpora: ["people"], k: 3 });
    trouble = how;
    try {
      const timeoutMs = how === "waits" ? { timeout_ms: 2000 } : {};
      const { hits, errors } = await stack.verbs.search({ ...search, rerank: "model", ...timeoutMs });
      expect(hits.map(({ id }) => id)).toEqual(plain.hits.map(({ id }) => id));
      const told =
        how === "waits"
          ? "the cross-encoder did not answer"
          : "the cross-encoder had no say: embedd is not running";
      expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining(told)]);
    } finally {
      trouble = undefined;
    }
  });

  test.each([
    [{ ...search, rerank: "model", rerank_model: "onnx/none" }, 404, "bun run model add"],
    [{ ...search, rerank: "model", rerank_model: "local" }, 400, "scores no texts"],
    [{ ...search, rerank: "model", rerank_model: undefined }, 400, "rerank_model"],
    [{ ...search, rerank: true }, 400, "rerank 'model' alone"],
    [search, 400, "rerank is false"],
    [{ ...search, rerank: "other" }, 400, "rerank"],
    [{ query_vector: [1], mode: "vector", corpora: ["people"], rerank: "model" }, 400, "give query_text"],
  ])("refused: %j", async (body, status, words) => {
    const answer = await stack.post("/search", body);
    expect(answer.status).toBe(status);
    expect(answer.body.error.message).toContain(words);
  });
});
