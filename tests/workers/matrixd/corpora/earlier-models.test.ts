/** A corpus from before models inside had versions, when `local` was the lexical one: it goes on with that. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { checksum } from "../../../../runtime/durable/durable.ts";
import { type MatrixdPeers, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

/** vectord as the earlier matrixd asked it: by the name that the model had. */
const asBefore = (peers: MatrixdPeers): MatrixdPeers => {
  const { verbs } = peers.vectord;
  const renamed = { embedding_model: "local" };
  return {
    ...peers,
    vectord: {
      ...peers.vectord,
      verbs: { ...verbs, create: (input, options) => verbs.create({ ...input, ...renamed }, options) },
    },
  };
};

/** Gives the model in a build's state the name that the earlier version wrote. */
function renameModel(directory: string): void {
  const home = join(directory, "matrixd", "corpora");
  const [corpus = ""] = readdirSync(home);
  const file = readdirSync(join(home, corpus)).find((name) => name.endsWith(".sqlite")) ?? "";
  const database = new Database(join(home, corpus, file));
  const { value } = database.query("SELECT value FROM meta WHERE key = 'state'").get() as { value: string };
  const state = JSON.parse(value.slice(9));
  expect(state).toMatchObject({ model: "lexical", dimension: 768 });
  const body = JSON.stringify({ ...state, model: "local", spec: { ...state.spec, model: "local" } });
  database.query("UPDATE meta SET value = ? WHERE key = 'state'").run(`${checksum(body)} ${body}`);
  database.close();
}

test("is searched and refreshed with the model that it was built with", async () => {
  const stack = await startMatrixdStack({ peers: asBefore });
  const rows = (last: string) =>
    `SELECT * FROM (VALUES ('a', 'forklift operator'), ('b', 'registered nurse'), ('c', '${last}')) AS d(id, what)`;
  const spec = { name: "people", dataset: "people", id_column: "id", text_columns: ["what"] };
  const search = async () => {
    const body = { query_text: "registred nurse", corpora: ["people"], mode: "vector" as const };
    const { hits, errors } = await stack.verbs.search(body);
    expect(errors).toEqual([]);
    return hits.map(({ id, parts }) => [id, parts.vector]);
  };
  await stack.dataset("people", rows("welder"));
  await stack.build({ ...spec, model: "lexical" });
  const before = await search();
  expect(before[0]?.[0]).toBe("b");
  await stack.restart(() => renameModel(stack.directory));
  expect(await stack.verbs.corpus({ name: "people" })).toMatchObject({ model: "lexical", dimension: 768 });
  expect(await search()).toEqual(before);
  await stack.dataset("people", rows("nurse of the night"));
  expect(await stack.build(spec)).toMatchObject({ refresh: true, embedded: 1, unchanged: 2 });
  expect((await search()).slice(0, 2).map(([id]) => id)).toEqual(["b", "c"]);
  // Who names the model gets it as it is now: a new build.
  expect(await stack.build({ ...spec, model: "local" })).toMatchObject({ refresh: false, embedded: 3 });
  expect(await stack.verbs.corpus({ name: "people" })).toMatchObject({ model: "local-3", dimension: 512 });
  await stack.stop();
});

test("an earlier version of `local` is searched and refreshed as that version", async () => {
  const stack = await startMatrixdStack();
  const spec = { name: "people", dataset: "people", id_column: "id", text_columns: ["what"] };
  const rows = (last: string) =>
    `SELECT * FROM (VALUES ('a', 'attorney at law'), ('b', 'pastry cook'), ('c', '${last}')) AS d(id, what)`;
  await stack.dataset("people", rows("welder"));
  await stack.build({ ...spec, model: "local-2" });
  expect(await stack.verbs.corpus({ name: "people" })).toMatchObject({ model: "local-2", dimension: 512 });
  await stack.dataset("people", rows("physician"));
  expect(await stack.build(spec)).toMatchObject({ refresh: true, embedded: 1, unchanged: 2 });
  expect(await stack.verbs.corpus({ name: "people" })).toMatchObject({ model: "local-2" });
  const { hits } = await stack.verbs.search({ query_text: "lawyer", corpora: ["people"] });
  expect(hits[0]?.id).toBe("a");
  expect(await stack.build({ ...spec, model: "local" })).toMatchObject({ refresh: false, embedded: 3 });
  expect(await stack.verbs.corpus({ name: "people" })).toMatchObject({ model: "local-3" });
  await stack.stop();
});
