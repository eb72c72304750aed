/** Ingests into open tables: files of ours beside those of engines, by the commit that engines take. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type OpenIngestStack, startOpenIngestStack } from "../../../support/tables/open-ingestd.ts";
import { schema } from "../../../support/tables/open-tables.ts";

let stack: OpenIngestStack;
beforeAll(async () => {
  stack = await startOpenIngestStack();
});
afterAll(() => stack.stop());

const rows = (name: string, columns = "*") => stack.rows(`SELECT ${columns} FROM ${name} ORDER BY id`);

test("rows are appended and replaced, as versions with snapshots that readers of Iceberg add up", async () => {
  await stack.tables.make("people");
  await stack.append("open.people", "id,name\n1,Ann\n2,\n");
  const { manifest, rows_loaded } = await stack.append("open.people", "name,id\nCy,3\n");
  expect([manifest.version, manifest.operation, manifest.made_by, rows_loaded]).toEqual([
    3,
    "append",
    "ingestd",
    1,
  ]);
  expect(await rows("open.people")).toEqual([
    { id: 1, name: "Ann" },
    { id: 2, name: null },
    { id: 3, name: "Cy" },
  ]);
  const metadata = await stack.load("people");
  const { summary } = metadata.snapshots.at(-1);
  expect(summary).toMatchObject({
    ...{ operation: "append", "added-records": "1", "total-records": "3", "total-data-files": "2" },
    "lakehouse.made-by": "ingestd",
  });
  expect(metadata.snapshots.map((each: { "sequence-number": number }) => each["sequence-number"])).toEqual([
    1, 2,
  ]);
  const { files } = await stack.catalogd.files({ name: "open.people", version: 3 });
  for (const { key } of files)
    expect(key).toMatch(/^warehouse:\/\/open\/people-[0-9a-f]{8}\/data\/[0-9a-f]{32}-.*\.parquet$/);
  // Twice the same file is twice its rows.
  await stack.append("open.people", "name,id\nCy,3\n");
  expect(await stack.rows("SELECT count(*)::INT AS n FROM open.people")).toEqual([{ n: 4 }]);

  const replaced = await stack.ingest("open.people", "id,name\n9,Zed\n");
  expect(replaced.answer.manifest).toMatchObject({ operation: "replace", row_count: 1 });
  expect(await rows("open.people")).toEqual([{ id: 9, name: "Zed" }]);
  expect(await rows('open."people@3"', "id")).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect((await stack.load("people")).snapshots.at(-1).summary).toMatchObject({
    ...{ operation: "overwrite", "deleted-data-files": "3", "deleted-records": "4", "total-records": "1" },
  });
  expect(await stack.leftovers()).toEqual([]);
});

test("a commit of an engine that comes between is kept, and the rows go on top of it", async () => {
  const metadata = await stack.tables.make("between");
  stack.beforeCommit(() => stack.change("between", { action: "set-properties", updates: { by: "engine" } }));
  const { manifest } = await stack.append("open.between", "id,name\n1,Ann\n");
  expect(manifest.version).toBe(3);
  expect((await stack.load("between")).properties).toMatchObject({ by: "engine" });
  // An engine that has not seen it has to look again.
  const stale = await stack.tables.append("between", metadata, [{ path: "a.parquet", rows: 1 }]);
  expect(stale.status).toBe(409);
  await Promise.all([2, 3, 4, 5].map((id) => stack.append("open.between", `id,name\n${id},x\n`)));
  expect((await rows("open.between", "id")).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
});

test("columns drift as those of datasets: refused by name, or taken with evolve=true; and change by PATCH's verb", async () => {
  await stack.tables.make("columns");
  await stack.append("open.columns", "id,name\n1,Ann\n");
  const drifted = await stack.ingest("open.columns", "id,name,age\n2,Bo,30\n", "&mode=append");
  expect([drifted.status, drifted.error.type]).toEqual([409, "schema_drift"]);
  expect(drifted.error.message).toContain("age");
  await stack.append("open.columns", "id,name,age\n2,Bo,30\n", "&mode=append&evolve=true");
  // Another type would be another column, without the values of this one.
  const other = await stack.ingest(
    "open.columns",
    "id,name,age\n3,7,1\n",
    "&mode=append&evolve=true&types=name:BIGINT",
  );
  expect([other.status, other.error.type]).toEqual([409, "schema_drift"]);
  expect(await rows("open.columns")).toEqual([
    { id: 1, name: "Ann", age: null },
    { id: 2, name: "Bo", age: 30 },
  ]);
  const changed = await stack.catalogd.evolve({
    ...{
      name: "open.columns",
      rename: [{ name: "name", to: "title" }],
      reorder: ["age", "id", "title", "note"],
    },
    add: [{ name: "note", type: "VARCHAR" }],
  });
  expect(changed).toMatchObject({ operation: "evolve" });
  const { schemas, "current-schema-id": current } = await stack.load("columns");
  expect(schemas).toHaveLength(3);
  expect(
    schemas
      .find((each: { "schema-id": number }) => each["schema-id"] === current)
      .fields.map(({ id, name }: { id: number; name: string }) => [id, name]),
  ).toEqual([
    ...[
      [3, "age"],
      [1, "id"],
      [2, "title"],
      [4, "note"],
    ],
  ]);
  await stack.append("open.columns", "note,title,id,age\nhello,Cy,3,\n");
  expect(await rows("open.columns")).toEqual([
    { age: null, id: 1, title: "Ann", note: null },
    { age: 30, id: 2, title: "Bo", note: null },
    { age: null, id: 3, title: "Cy", note: "hello" },
  ]);
});

test("a dataset that was opened takes rows as before", async () => {
  await stack.ingest("opened", "id,name\n1,Ann\n");
  await stack.catalogd.open({ name: "opened" });
  await stack.append("opened", "id,name\n2,Bo\n");
  expect(await rows("opened")).toEqual([
    { id: 1, name: "Ann" },
    { id: 2, name: "Bo" },
  ]);
  expect(await rows('"opened@1"', "id")).toEqual([{ id: 1 }]);
});

test("refused: a table that is not there, a column that rows are sorted by, new columns beside partitions", async () => {
  await stack.tables.make("parted");
  const spec = {
    "spec-id": 1,
    fields: [{ "source-id": 1, "field-id": 1000, name: "b", transform: "bucket[4]" }],
  };
  const order = {
    "order-id": 1,
    fields: [{ "source-id": 2, transform: "identity", direction: "asc", "null-order": "nulls-first" }],
  };
  await stack.change("parted", { action: "add-spec", spec }, { action: "set-default-spec", "spec-id": -1 });
  const parted = await stack.ingest("open.parted", "id,name\n1,Ann\n", "&mode=append&evolve=true");
  expect([parted.status, parted.error.message]).toEqual([
    422,
    expect.stringContaining("takes no evolve=true"),
  ]);
  const missing = await stack.ingest("open.missing", "id,name\n1,Ann\n");
  expect([missing.status, missing.error.message]).toEqual([
    expect.any(Number),
    expect.stringContaining("open.missing"),
  ]);
  expect(missing.status).toBeGreaterThanOrEqual(400);
  expect(missing.status).toBeLessThan(500);
  await stack.tables.make("sorted");
  await stack.change("sorted", { action: "add-sort-order", "sort-order": order });
  expect(stack.catalogd.evolve({ name: "open.sorted", drop: ["name"] })).rejects.toMatchObject({
    message: expect.stringContaining("column 'name' cannot go"),
  });
});

describe("on_error=reject", () => {
  const rejects = (name: string) =>
    stack.rows(`SELECT line, "column", text, version FROM ${name}__rejects ORDER BY version, line`);

  test("bad rows are a dataset beside the table, by the table's commit", async () => {
    await stack.tables.make("dirty");
    const bad = "id,name\n1,Ann\nx,Bo\n3,Cy\n4,D,5\n";
    const first = await stack.append("open.dirty", bad, "&mode=append&on_error=reject&types=id:BIGINT");
    expect(first).toMatchObject({
      rows_in: 4,
      rows_loaded: 2,
      rows_rejected: 2,
      rejects: "open.dirty__rejects",
    });
    expect(await rows("open.dirty", "id")).toEqual([{ id: 1 }, { id: 3 }]);
    expect(await rejects("open.dirty")).toEqual([
      { line: 3, column: "id", text: "x,Bo", version: 2 },
      { line: 5, column: "name", text: "4,D,5", version: 2 },
    ]);
    // A commit that comes between takes the number: what the rejected rows say of it follows.
    stack.beforeCommit(() => stack.change("dirty", { action: "set-properties", updates: { by: "engine" } }));
    await stack.append("open.dirty", "id,name\n5,Ed\ny,Fy\n", "&mode=append&on_error=reject&types=id:BIGINT");
    expect((await rejects("open.dirty")).at(-1)).toEqual({ line: 3, column: "id", text: "y,Fy", version: 4 });
    expect((await stack.catalogd.manifest({ name: "open.dirty" })).version).toBe(4);
    const gone = await stack.append("open.dirty", "id,name\n6,Gil\n", "&mode=replace&on_error=reject");
    expect([gone.rows_rejected, await rejects("open.dirty")]).toEqual([0, []]);
    expect(await stack.leftovers()).toEqual([]);
  });

  test("engines read the rejected rows, and change nothing of them", async () => {
    await stack.tables.make("seen");
    await stack.append("open.seen", "id,name\n1,A\nx,B\n", "&mode=append&on_error=reject&types=id:BIGINT");
    const at = "/namespaces/open/tables";
    const listed = await stack.tables.ask("GET", at);
    expect(listed.body.identifiers).toContainEqual({ namespace: ["open"], name: "seen__rejects" });
    const { status, body } = await stack.tables.ask("GET", `${at}/seen__rejects`);
    expect([status, body.metadata.snapshots.at(-1).summary["total-records"]]).toEqual([200, "1"]);
    for (const [method, path, sent] of [
      ["POST", `${at}/seen__rejects`, { requirements: [], updates: [] }],
      ["DELETE", `${at}/seen__rejects`, undefined],
    ] as const)
      expect((await stack.tables.ask(method, path, sent)).status).toBe(403);
    const made = await stack.tables.ask("POST", at, { name: "seen__rejects", schema });
    expect(made.status).toBe(409);
  });

  test("an upsert takes the good rows, and sets the others aside; of a dataset as well", async () => {
    await stack.tables.make("keyed");
    for (const name of ["open.keyed", "keyed"]) {
      await stack.append(name, "id,name\n1,Ann\n2,Bo\n", "&mode=append");
      const put = "&mode=upsert&key=id&on_error=reject&types=id:BIGINT";
      const answer = await stack.append(name, "id,name\n2,Bob\nx,Cy\n3,Di\n", put);
      expect(answer).toMatchObject({ rows_loaded: 2, rows_rejected: 1, rows_replaced: 1 });
      expect(await rows(name)).toEqual([
        { id: 1, name: "Ann" },
        { id: 2, name: "Bob" },
        { id: 3, name: "Di" },
      ]);
      expect(await rejects(name)).toEqual([
        { line: 3, column: "id", text: "x,Cy", version: answer.manifest.version },
      ]);
      // Nothing but bad rows: the table stays as it is.
      const none = await stack.append(name, "id,name\nz,Cy\n", put);
      expect([none.manifest.version, none.rows_rejected]).toEqual([answer.manifest.version, 1]);
      expect(await rejects(name)).toHaveLength(2);
    }
  });
});

const long = "t".repeat(92);
test.each([
  ["taken", "open.taken", /an open table has this name/],
  [long, `open.${long}`, /has at most 91 characters/],
])("on_error=reject refused: %s", async (table, name, words) => {
  await stack.tables.make(table);
  await stack.tables.make("taken__rejects").catch(() => {});
  const csv = "id,name\n1,A\nx,B\n";
  const { status, error } = await stack.ingest(name, csv, "&mode=append&on_error=reject&types=id:BIGINT");
  expect([status, error.message]).toEqual([expect.any(Number), expect.stringMatching(words)]);
  expect((await stack.catalogd.manifest({ name })).version).toBe(1);
});

test("parts of nested columns change by PATCH's verb; files of before are read by field ids, those of now have them", async () => {
  const optional = (id: number, name: string, type: unknown) => ({ id, name, required: false, type });
  const item = { type: "struct", fields: [optional(5, "name", "string"), optional(6, "score", "float")] };
  const sum = { type: "struct", fields: [optional(9, "n", "int")] };
  const fields = [
    optional(1, "id", "long"),
    optional(2, "home", {
      type: "struct",
      fields: [optional(3, "city", "string"), optional(4, "zip", "int")],
    }),
    optional(7, "tags", { type: "list", "element-id": 8, "element-required": false, element: item }),
    optional(10, "sums", {
      ...{ type: "map", "key-id": 11, key: "string", "value-id": 12, "value-required": false, value: sum },
    }),
  ];
  await stack.tables.make("unused").catch(() => {});
  const nested = { name: "nested", schema: { type: "struct", fields } };
  const { body } = await stack.tables.ask("POST", "/namespaces/open/tables", nested);
  const { location } = body.metadata;
  // Ids as the catalog has assigned them: columns first.
  const ids =
    "{id: 1, home: {__duckdb_field_id: 2, city: 5, zip: 6}, tags: {__duckdb_field_id: 3, element: {__duckdb_field_id: 7, name: 8, score: 9}}, sums: {__duckdb_field_id: 4, key: 10, value: {__duckdb_field_id: 11, n: 12}}}";
  const row = (id: number) =>
    `SELECT ${id}::BIGINT AS id, {city: 'c${id}', zip: ${id}::INT} AS home, [{name: 't${id}', score: 0.5::FLOAT}, NULL] AS tags, MAP {'k': {n: ${id}::INT}} AS sums`;
  const nothing =
    "SELECT 0::BIGINT AS id, NULL::STRUCT(city VARCHAR, zip INT) AS home, NULL::STRUCT(name VARCHAR, score FLOAT)[] AS tags, NULL::MAP(VARCHAR, STRUCT(n INT)) AS sums";
  const first = await stack.engine.file(location, `${row(1)} UNION ALL ${nothing}`, ids);
  const added = await stack.tables.append("nested", body.metadata, [first]);
  expect(added.status).toBe(200);
  const before = await rows("open.nested");
  const { columns } = await stack.catalogd.evolve({
    name: "open.nested",
    rename: [{ name: "home.city", to: "town" }],
    drop: ["tags.element.name"],
    widen: [
      { name: "home.zip", type: "BIGINT" },
      { name: "sums.value.n", type: "BIGINT" },
    ],
    add: [
      // Of the name of a part that goes: another one, of which files of before know nothing.
      { name: "tags.element.name", type: "VARCHAR" },
      { name: "sums.value.note", type: "VARCHAR" },
      { name: "home.geo", type: "DOUBLE[]" },
    ],
    reorder: ["home.geo", "home.zip", "home.town"],
  });
  expect(columns.map(({ type }) => type)).toEqual([
    "BIGINT",
    'STRUCT("geo" DOUBLE[], "zip" BIGINT, "town" VARCHAR)',
    'STRUCT("score" FLOAT, "name" VARCHAR)[]',
    'MAP(VARCHAR, STRUCT("n" BIGINT, "note" VARCHAR))',
  ]);
  const old = {
    ...{ id: 1, home: { geo: null, zip: 1, town: "c1" } },
    ...{ tags: [{ score: 0.5, name: null }, null], sums: { k: { n: 1, note: null } } },
  };
  const none = { id: 0, home: null, tags: null, sums: null };
  expect(await rows("open.nested")).toEqual([none, old]);
  expect(await rows('open."nested@2"')).toEqual(before);
  // What is written now has the ids: ours by an update, which writes the file anew.
  await stack.verbs.updateRows({ name: "open.nested", set: { id: "id + 100" }, where: "id = 1" });
  const fresh = {
    ...{ id: 3, home: { geo: [1.5], zip: 8, town: "t" } },
    ...{ tags: [{ score: 1, name: "n" }], sums: { q: { n: 9, note: "x" } } },
  };
  const select =
    "SELECT 3::BIGINT AS id, {geo: [1.5::DOUBLE], zip: 8::BIGINT, town: 't'} AS home, [{score: 1::FLOAT, name: 'n'}] AS tags, MAP {'q': {n: 9::BIGINT, note: 'x'}} AS sums";
  await stack.engine.write("other.parquet", select);
  const { bytes } = await stack.storaged.read({ key: "warehouse://other.parquet" });
  const sent = await stack.ingest("open.nested", bytes as unknown as BodyInit, "&mode=append");
  expect(sent.error.message).toBe("");
  const { "last-column-id": last, schemas } = await stack.load("nested");
  expect([last, schemas.length]).toEqual([16, 2]);
  expect(await rows("open.nested")).toEqual([none, fresh, { ...old, id: 101 }]);
});
