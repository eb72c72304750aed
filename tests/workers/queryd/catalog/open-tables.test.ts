/** Rows of open tables that others wrote: by field ids, without what was deleted; and what is refused by name. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";
import { createEngineFiles, deletionVector, type EngineFiles } from "../../../support/tables/engine-files.ts";
import { type Tables, tablesOf } from "../../../support/tables/open-tables.ts";

let stack: QuerydStack;
let tables: Tables;
let engine: EngineFiles;
beforeAll(async () => {
  stack = await startQuerydStack();
  engine = await createEngineFiles(stack.storaged.peer.verbs);
  tables = tablesOf(stack.catalogd.send, stack.storaged.peer.verbs);
});
afterAll(async () => {
  engine.close();
  await stack.stop();
});

/** A Parquet file of a statement, in the table's `data/`; field ids as DuckDB takes them. */
const file: EngineFiles["file"] = (...given) => engine.file(...given);
const ids = "{id: 1, name: 2}";
const rangeOf = (from: number, to: number) =>
  `SELECT i::BIGINT AS id, 'n' || i AS name FROM range(${from}, ${to}) r(i)`;
const sum = (name: string) => stack.rows(`SELECT count(*)::INT AS n, sum(id)::INT AS s FROM ${name}`);
const refusal = async (sql: string) => {
  const answer = await stack.sql({ sql });
  return { status: answer.status, text: await answer.text() };
};

test("position deletes take rows away, however their path is written, and only from files that were there", async () => {
  let metadata = await tables.make("deleted");
  const { location } = metadata;
  const first = await file(location, rangeOf(0, 10), ids);
  ({ metadata } = (await tables.append("deleted", metadata, [first])).body);
  expect(await sum("open.deleted")).toEqual([{ n: 10, s: 45 }]);
  const path = `${location}/data/${first.path}`.slice("file://".length);
  const spelled = [path, `file:${path}`, `file://${path}`];
  const gone = spelled.map((text, at) => `('${text}', ${at}::BIGINT)`).join(", ");
  const positions = await file(location, `SELECT * FROM (VALUES ${gone}) t(file_path, pos)`);
  ({ metadata } = (await tables.append("deleted", metadata, [{ ...positions, content: 1 }])).body);
  expect(await sum("open.deleted")).toEqual([{ n: 7, s: 42 }]);
  // Written after the delete: the same path in it means another file.
  ({ metadata } = (
    await tables.append("deleted", metadata, [await file(location, rangeOf(100, 102), ids)])
  ).body);
  expect(await sum("open.deleted")).toEqual([{ n: 9, s: 243 }]);
  expect(await sum('open."deleted@2"')).toEqual([{ n: 10, s: 45 }]);
  expect(await stack.rows("SELECT deleted.name FROM open.deleted WHERE id = 4")).toEqual([{ name: "n4" }]);
});

test("each commit is in the answer to the same statement, whatever it read before", async () => {
  let metadata = await tables.make("growing");
  expect(await sum("open.growing")).toEqual([{ n: 0, s: null }]);
  for (let n = 1; n <= 4; n++) {
    const added = await file(metadata.location, rangeOf(0, 10), ids);
    ({ metadata } = (await tables.append("growing", metadata, [added])).body);
    for (let times = 0; times < 3; times++)
      expect(await sum("open.growing")).toEqual([{ n: 10 * n, s: 45 * n }]);
  }
});

test("a deletion vector takes rows away, and other deletes of its file do not count", async () => {
  let metadata = await tables.make("vectors");
  const { location } = metadata;
  const first = await file(location, rangeOf(0, 10), ids);
  ({ metadata } = (await tables.append("vectors", metadata, [first])).body);
  const blob = deletionVector([1, 9]);
  const key = location.slice(location.indexOf("/buckets/warehouse/") + "/buckets/warehouse/".length);
  await stack.storaged.peer.verbs.write({
    bucket: "warehouse",
    key: `${key}/data/v.puffin`,
    bytes: Buffer.concat([Buffer.from("PFA1"), blob]),
  });
  const more = {
    referenced_data_file: `${location}/data/${first.path}`,
    content_offset: 4,
    content_size_in_bytes: blob.length,
  };
  const added = { path: "v.puffin", rows: 2, bytes: blob.length + 4, content: 1, format: "PUFFIN", more };
  expect((await tables.append("vectors", metadata, [added])).status).toBe(200);
  expect(await sum("open.vectors")).toEqual([{ n: 8, s: 35 }]);
});

test("columns are found by their ids, those without any by the mapping, and never by luck", async () => {
  let metadata = await tables.make("evolved");
  const { location } = metadata;
  ({ metadata } = (
    await tables.append("evolved", metadata, [await file(location, rangeOf(0, 2), ids)])
  ).body);
  const fields = [
    { id: 2, name: "title", required: false, type: "string" },
    { id: 1, name: "id", required: false, type: "long" },
    { id: 3, name: "name", required: false, type: "double" },
  ];
  const changed = await tables.ask("POST", "/namespaces/open/tables/evolved", {
    requirements: [],
    updates: [
      { action: "add-schema", schema: { type: "struct", fields } },
      { action: "set-current-schema", "schema-id": -1 },
    ],
  });
  ({ metadata } = changed.body);
  const later = await file(
    location,
    "SELECT 'new' AS title, 7::INTEGER AS id, 1.5::FLOAT AS name",
    "{title: 2, id: 1, name: 3}",
  );
  ({ metadata } = (await tables.append("evolved", metadata, [later])).body);
  expect(await stack.rows("SELECT * FROM open.evolved ORDER BY id")).toEqual([
    { title: "n0", id: 0, name: null },
    { title: "n1", id: 1, name: null },
    { title: "new", id: 7, name: 1.5 },
  ]);
  const bare = await file(location, "SELECT 9::BIGINT AS id, 'bare' AS old");
  ({ metadata } = (await tables.append("evolved", metadata, [bare])).body);
  expect(await refusal("FROM open.evolved")).toMatchObject({
    status: 422,
    text: expect.stringContaining("no field ids"),
  });
  const mapping = JSON.stringify([
    { "field-id": 1, names: ["id"] },
    { "field-id": 2, names: ["title", "old"] },
  ]);
  await tables.ask("POST", "/namespaces/open/tables/evolved", {
    updates: [{ action: "set-properties", updates: { "schema.name-mapping.default": mapping } }],
  });
  expect(await stack.rows("SELECT * FROM open.evolved WHERE id = 9")).toEqual([
    { title: "bare", id: 9, name: null },
  ]);
});

test("what cannot be read is refused by name, and other tables are read", async () => {
  for (const [name, added, why] of [
    ["equal", { path: "x", rows: 1, content: 2 }, "equality deletes"],
    ["orc", { path: "x", rows: 1, format: "ORC" }, "data files of ORC"],
    ["lost", { path: "none.parquet", rows: 1 }, "it is missing"],
  ] as const) {
    let metadata = await tables.make(name);
    const { location } = metadata;
    ({ metadata } = (await tables.append(name, metadata, [await file(location, rangeOf(0, 3), ids)])).body);
    await tables.append(name, metadata, [added]);
    const found = await refusal(`SELECT count(*) FROM open.${name}`);
    expect(found.text).toContain(why);
    expect(found.text).toContain(name);
    expect([name, found.status]).toEqual([name, name === "lost" ? 500 : 422]);
    expect(await sum(`open."${name}@2"`)).toEqual([{ n: 3, s: 3 }]);
  }
  expect(await sum("open.deleted")).toEqual([{ n: 9, s: 243 }]);
});

test("tables are listed in their schema, and nothing else can be named so", async () => {
  const shown = await stack.rows(
    "SELECT table_schema AS s, table_name AS n FROM information_schema.tables ORDER BY 1, 2",
  );
  expect(shown).toContainEqual({ s: "open", n: "deleted" });
  expect(shown.every(({ n }) => !String(n).includes("@"))).toBe(true);
  for (const [sql, status] of [
    ["FROM lakehouse.all_tables2", 403],
    ["FROM open.nothing", 400],
    ["FROM f1.parquet", 400],
    ['FROM open."../x"', 403],
    ['FROM "/tmp".x', 403],
    ["FROM temp.x", 403],
  ] as const)
    expect([sql, (await refusal(sql)).status]).toEqual([sql, status]);
});
