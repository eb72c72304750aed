/** Columns that changed while files stayed: each file is read by the names it was written with, whether it has field ids or not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
});
afterAll(() => stack.stop());

const evolve = (name: string, changes: object) => stack.catalogd.peer.verbs.evolve({ name, ...changes });
const typesOf = async (name: string) => {
  const rows = await stack.rows(`DESCRIBE "${name}"`);
  return rows.map(({ column_name, column_type }) => `${column_name} ${column_type}`).join(", ");
};

test("renamed, dropped and added again: no value comes under another column", async () => {
  await stack.dataset("jobs", "SELECT 1 AS id, 'old a' AS a, 'old b' AS b");
  // The names change places, and `c` is another column than the one that had its name.
  await evolve("jobs", {
    rename: [
      { name: "a", to: "b" },
      { name: "b", to: "a" },
    ],
  });
  await evolve("jobs", { add: [{ name: "c", type: "VARCHAR" }] });
  await stack.dataset("jobs", "SELECT 'new b' AS b, 'new a' AS a, 'gone c' AS c, 2 AS id", {
    mode: "append",
  });
  await evolve("jobs", { drop: ["c"] });
  await evolve("jobs", { add: [{ name: "c", type: "VARCHAR" }], reorder: ["c", "id", "a", "b"] });
  await stack.dataset("jobs", "SELECT 3 AS id, 'x' AS a, 'y' AS b, 'own c' AS c", { mode: "append" });
  expect(await stack.rows("FROM jobs ORDER BY id")).toEqual([
    { c: null, id: 1, a: "old b", b: "old a" },
    { c: null, id: 2, a: "new a", b: "new b" },
    { c: "own c", id: 3, a: "x", b: "y" },
  ]);
  expect(await stack.rows('FROM "jobs@1"')).toEqual([{ id: 1, a: "old a", b: "old b" }]);
  expect(await stack.rows('SELECT id, c FROM "jobs@4" ORDER BY id')).toEqual([
    { id: 1, c: null },
    { id: 2, c: "gone c" },
  ]);
  expect(await typesOf("jobs")).toBe("c VARCHAR, id INTEGER, a VARCHAR, b VARCHAR");
  await stack.restart();
  expect(await stack.rows("SELECT c FROM jobs WHERE c IS NOT NULL")).toEqual([{ c: "own c" }]);
});

test("an append with evolve: wider and narrower types, new and missing columns", async () => {
  await stack.dataset("grows", "SELECT 1::INTEGER AS n, 1.5::FLOAT AS f, 'k' AS k");
  const wide = "SELECT 'z' AS added, 5000000000::BIGINT AS n, 0.1::DOUBLE AS f";
  await expect(stack.dataset("grows", wide, { mode: "append" })).rejects.toThrow("send evolve=true");
  await stack.catalogd.peer.verbs.rename({ name: "grows", to: "grown" });
  await stack.catalogd.peer.verbs.rename({ name: "grown", to: "grows" });
  await stack.dataset("grows", wide, {
    mode: "append",
    evolve: true,
  });
  await stack.dataset("grows", "SELECT 2::SMALLINT AS n, 'm' AS k", { mode: "append", evolve: true });
  expect(await typesOf("grows")).toBe("n BIGINT, f DOUBLE, k VARCHAR, added VARCHAR");
  expect(await stack.rows("FROM grows ORDER BY n")).toEqual([
    { n: 1, f: 1.5, k: "k", added: null },
    { n: 2, f: null, k: "m", added: null },
    { n: 5_000_000_000, f: 0.1, k: null, added: "z" },
  ]);
  expect(
    await stack.rows("SELECT sum(n)::BIGINT AS s, count(f)::INTEGER AS c FROM grows WHERE n > 1"),
  ).toEqual([{ s: 5_000_000_002, c: 1 }]);
});

test("a widened column keeps every value, and its files", async () => {
  const before = await stack.dataset(
    "widened",
    "SELECT i::INTEGER AS i, (i / 4)::DECIMAL(6,2) AS d FROM range(1000) r(i)",
  );
  const rows = await stack.rows("SELECT i::VARCHAR AS i, d::VARCHAR AS d FROM widened ORDER BY ALL");
  const after = await evolve("widened", {
    widen: [
      { name: "i", type: "int8" },
      { name: "d", type: "DECIMAL(38,2)" },
    ],
  });
  expect(after.objects).toEqual(before.objects);
  expect(await typesOf("widened")).toBe("i BIGINT, d DECIMAL(38,2)");
  expect(await stack.rows("SELECT i::VARCHAR AS i, d::VARCHAR AS d FROM widened ORDER BY ALL")).toEqual(rows);
});
