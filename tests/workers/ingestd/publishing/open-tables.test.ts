/** Ingests into open tables: files of ours beside those of engines, by the commit that engines take. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";
import { type Tables, tablesOf } from "../../../support/tables/open-tables.ts";

let stack: IngestStack;
let tables: Tables;
/** Called before the next commit reaches the catalog. */
let beforeCommit: (() => Promise<unknown>) | undefined;
beforeAll(async () => {
  stack = await startIngestStack(
    {},
    {
      catalogd: (verbs) => ({
        ...verbs,
        commit: async (...given) => {
          const first = beforeCommit;
          beforeCommit = undefined;
          await first?.();
          return verbs.commit(...given);
        },
      }),
    },
  );
  tables = tablesOf(stack.iceberg, stack.storaged);
});
afterAll(() => stack.stop());

const path = (name: string) => `/namespaces/open/tables/${name}`;
const load = async (name: string) => (await tables.ask("GET", path(name))).body.metadata;
const append = async (name: string, csv: string, more = "") => {
  const sent = await stack.ingest(name, csv, `&mode=append${more}`);
  expect(sent.error.message).toBe("");
  return sent.answer;
};
const rows = (name: string, columns = "*") => stack.rows(`SELECT ${columns} FROM ${name} ORDER BY id`);

test("rows are appended and replaced, as versions with snapshots that readers of Iceberg add up", async () => {
  await tables.make("people");
  await append("open.people", "id,name\n1,Ann\n2,\n");
  const { manifest, rows_loaded } = await append("open.people", "name,id\nCy,3\n");
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
  const metadata = await load("people");
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
  await append("open.people", "name,id\nCy,3\n");
  expect(await stack.rows("SELECT count(*)::INT AS n FROM open.people")).toEqual([{ n: 4 }]);

  const replaced = await stack.ingest("open.people", "id,name\n9,Zed\n");
  expect(replaced.answer.manifest).toMatchObject({ operation: "replace", row_count: 1 });
  expect(await rows("open.people")).toEqual([{ id: 9, name: "Zed" }]);
  expect(await rows('open."people@3"', "id")).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
  expect((await load("people")).snapshots.at(-1).summary).toMatchObject({
    ...{ operation: "overwrite", "deleted-data-files": "3", "deleted-records": "4", "total-records": "1" },
  });
  expect(await stack.leftovers()).toEqual([]);
});

test("a commit of an engine that comes between is kept, and the rows go on top of it", async () => {
  const metadata = await tables.make("between");
  beforeCommit = () =>
    tables.ask("POST", path("between"), {
      requirements: [],
      updates: [{ action: "set-properties", updates: { by: "engine" } }],
    });
  const { manifest } = await append("open.between", "id,name\n1,Ann\n");
  expect(manifest.version).toBe(3);
  expect((await load("between")).properties).toMatchObject({ by: "engine" });
  // An engine that has not seen it has to look again.
  const stale = await tables.append("between", metadata, [{ path: "a.parquet", rows: 1 }]);
  expect(stale.status).toBe(409);
  await Promise.all([2, 3, 4, 5].map((id) => append("open.between", `id,name\n${id},x\n`)));
  expect((await rows("open.between", "id")).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
});

test("columns drift as those of datasets: refused by name, or taken with evolve=true; and change by PATCH's verb", async () => {
  await tables.make("columns");
  await append("open.columns", "id,name\n1,Ann\n");
  const drifted = await stack.ingest("open.columns", "id,name,age\n2,Bo,30\n", "&mode=append");
  expect([drifted.status, drifted.error.type]).toEqual([409, "schema_drift"]);
  expect(drifted.error.message).toContain("age");
  await append("open.columns", "id,name,age\n2,Bo,30\n", "&evolve=true");
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
  const { schemas, "current-schema-id": current } = await load("columns");
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
  await append("open.columns", "note,title,id,age\nhello,Cy,3,\n");
  expect(await rows("open.columns")).toEqual([
    { age: null, id: 1, title: "Ann", note: null },
    { age: 30, id: 2, title: "Bo", note: null },
    { age: null, id: 3, title: "Cy", note: "hello" },
  ]);
});

test("a dataset that was opened takes rows as before", async () => {
  await stack.ingest("opened", "id,name\n1,Ann\n");
  await stack.catalogd.open({ name: "opened" });
  await append("opened", "id,name\n2,Bo\n");
  expect(await rows("opened")).toEqual([
    { id: 1, name: "Ann" },
    { id: 2, name: "Bo" },
  ]);
  expect(await rows('"opened@1"', "id")).toEqual([{ id: 1 }]);
});

const refusals: [name: string, params: string, properties: object, words: RegExp][] = [
  ["reject", "&mode=append&on_error=reject", {}, /takes no on_error=reject/],
  ["format3", "&mode=append", { "format-version": "3" }, /has format 3/],
];
test.each(refusals)("refused: %s", async (name, params, properties, words) => {
  await tables.make(name, properties as Record<string, string>);
  const { status, error } = await stack.ingest(`open.${name}`, "id,name\n1,Ann\n", params);
  expect([status, error.type]).toEqual([422, "unprocessable"]);
  expect(error.message).toMatch(words);
  expect((await stack.catalogd.manifest({ name: `open.${name}` })).version).toBe(1);
});

test("refused: a table that is not there, a column that rows are sorted by, new columns beside partitions", async () => {
  await tables.make("parted");
  const spec = {
    "spec-id": 1,
    fields: [{ "source-id": 1, "field-id": 1000, name: "b", transform: "bucket[4]" }],
  };
  const order = {
    "order-id": 1,
    fields: [{ "source-id": 2, transform: "identity", direction: "asc", "null-order": "nulls-first" }],
  };
  const change = (name: string, ...updates: object[]) =>
    tables.ask("POST", path(name), { requirements: [], updates });
  await change("parted", { action: "add-spec", spec }, { action: "set-default-spec", "spec-id": -1 });
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
  await tables.make("sorted");
  await change("sorted", { action: "add-sort-order", "sort-order": order });
  expect(stack.catalogd.evolve({ name: "open.sorted", drop: ["name"] })).rejects.toMatchObject({
    message: expect.stringContaining("column 'name' cannot go"),
  });
});
