/** Rows that change: which objects are written anew, what the others keep, and what happens when somebody else comes between. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
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
});
afterAll(() => stack.stop());

/** A dataset of three objects of three rows: ids 1 to 9. */
const three = async (name: string) => {
  for (const from of [1, 4, 7]) {
    const rows = [0, 1, 2].map((at) => `${from + at},${at === 2 ? "" : "ab"[at]},${from}.50\n`).join("");
    const { error } = await stack.ingest(name, `id,kind,price\n${rows}`, "&mode=append");
    expect(error.message).toBe("");
  }
  return stack.catalogd.manifest({ name });
};
const ids = async (name: string, where = "true") =>
  (await stack.rows(`SELECT id FROM "${name}" WHERE ${where} ORDER BY id`)).map(({ id }) => id);
const keysOf = ({ objects }: { objects: { key: string }[] }) => objects.map(({ key }) => key);

describe("delete", () => {
  test("writes the objects alone that hold such rows", async () => {
    const before = await three("some");
    const answer = await stack.verbs.deleteRows({ name: "some", where: "id = 5 OR id = 6 -- both" });
    expect(answer).toMatchObject({ rows_matched: 2, objects_removed: 1, objects_added: 1, dry_run: false });
    expect(answer.manifest).toMatchObject({ version: 4, parent: 3, operation: "delete", row_count: 7 });
    expect(keysOf(answer.manifest).slice(0, 2)).toEqual([
      before.objects[0]?.key,
      before.objects[2]?.key,
    ] as string[]);
    expect(await ids("some")).toEqual([1, 2, 3, 4, 7, 8, 9]);
    expect(await ids("some@3")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(answer.manifest.columns).toEqual(before.columns);
    expect(answer.manifest.objects[2]?.statistics.map(({ field_id }) => field_id)).toEqual([1, 2, 3]);
  });

  test("of all rows of an object leaves none in its place, and of no row makes no version", async () => {
    await three("whole");
    const all = await stack.verbs.deleteRows({ name: "whole", where: "whole.id <= 3" });
    expect(all).toMatchObject({ rows_matched: 3, objects_removed: 1, objects_added: 0 });
    const none = await stack.verbs.deleteRows({ name: "whole", where: "id = 1" });
    expect(none).toMatchObject({ rows_matched: 0, objects_removed: 0, manifest: { version: 4 } });
    await stack.verbs.deleteRows({ name: "whole", where: "true" });
    expect(await ids("whole")).toEqual([]);
    await stack.verbs.deleteRows({ name: "whole", where: "true" });
    expect((await stack.ingest("whole", "id,kind,price\n1,a,1.50\n", "&mode=append")).error.message).toBe("");
    expect(await ids("whole")).toEqual([1]);
  });

  test("what is not known to match stays; dry_run counts and changes nothing", async () => {
    await three("nulls");
    const dry = await stack.verbs.deleteRows({ name: "nulls", where: "kind <> 'a'", dry_run: true });
    expect(dry).toMatchObject({ dry_run: true, rows_matched: 3, objects_removed: 3, objects_added: 0 });
    expect(dry.manifest.version).toBe(3);
    await stack.verbs.deleteRows({ name: "nulls", where: "kind <> 'a'" });
    expect(await ids("nulls", "kind IS NULL")).toEqual([3, 6, 9]);
    expect(await ids("nulls")).toEqual([1, 3, 4, 6, 7, 9]);
  });

  test("by the rows of another dataset", async () => {
    await three("those");
    await stack.ingest("gone", "who\n4\n9\n");
    await stack.verbs.deleteRows({ name: "those", where: "id IN (SELECT who FROM gone)" });
    expect(await ids("those")).toEqual([1, 2, 3, 5, 6, 7, 8]);
  });

  test("objects of older schemas are rewritten with the columns of today", async () => {
    await three("old");
    await stack.catalogd.evolve({
      name: "old",
      rename: [{ name: "kind", to: "sort" }],
      add: [{ name: "kind", type: "DATE" }],
    });
    const { manifest } = await stack.verbs.deleteRows({ name: "old", where: "sort = 'b' AND id < 4" });
    expect(manifest.objects.map(({ schema_id }) => schema_id)).toEqual([undefined, undefined, 1]);
    expect(await stack.rows("SELECT id, sort, kind FROM old WHERE id < 6 ORDER BY id")).toEqual([
      { id: 1, sort: "a", kind: null },
      { id: 3, sort: null, kind: null },
      { id: 4, sort: "a", kind: null },
      { id: 5, sort: "b", kind: null },
    ]);
  });
});

describe("update", () => {
  test("sets columns in the rows that match, by what they were before", async () => {
    await three("raised");
    const answer = await stack.verbs.updateRows({
      name: "raised",
      set: { price: "price + 1", kind: "coalesce(kind, 'c') || id" },
      where: "id BETWEEN 3 AND 4",
    });
    expect(answer).toMatchObject({
      rows_matched: 2,
      objects_removed: 2,
      objects_added: 2,
      manifest: { row_count: 9 },
    });
    expect(
      await stack.rows("SELECT id, kind, price::VARCHAR AS price FROM raised WHERE id < 6 ORDER BY id"),
    ).toEqual([
      { id: 1, kind: "a", price: "1.50" },
      { id: 2, kind: "b", price: "1.50" },
      { id: 3, kind: "c3", price: "2.50" },
      { id: 4, kind: "a4", price: "5.50" },
      { id: 5, kind: "b", price: "4.50" },
    ]);
  });

  test("a value that would be another one is refused, with the count", async () => {
    await three("lossy");
    const wrong = stack.verbs.updateRows({ name: "lossy", set: { id: "price", kind: "'x'" } });
    await expect(wrong).rejects.toMatchObject({
      type: "unprocessable",
      message: expect.stringContaining("set.id: 3 values would be other ones as BIGINT"),
    });
    await stack.verbs.updateRows({ name: "lossy", set: { id: "floor(price)" }, where: "id = 2" });
    expect(await ids("lossy")).toEqual([1, 1, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("upsert", () => {
  test.each([
    ["whole numbers", "BIGINT", ["-9223372036854775808", "-5", "0", "7", "9223372036854775807"]],
    ["decimals", "DECIMAL(38,2)", ["-999999999999999999999999999999999999.99", "-0.01", "0.00", "3.10"]],
    ["texts", "VARCHAR", ["", " ", "it's", '"q"', "é", "\u{1f600}", "~", "z".repeat(2000)]],
    ["days", "DATE", ["0044-03-15 (BC)", "1969-12-31", "2024-02-29", "9999-12-31"]],
    ["doubles", "DOUBLE", ["-inf", "-1.5", "0.0", "1e300", "inf", "nan"]],
  ])("finds the keys at their bounds: %s", async (name, type, values) => {
    const table = `bounds_${name.replaceAll(" ", "_")}`;
    // Of few objects all are read, whatever their bounds.
    const all = values.flatMap((value) => [value, value]).slice(0, Math.max(9, values.length));
    const quoted = (value: string) => `"${value.replaceAll('"', '""')}"`;
    await stack.ingest(table, `k,j,n\n"",99,0\n`, `&types=k:${type}&null=none`);
    for (const [at, value] of values.entries())
      await stack.ingest(table, `k,j,n\n${quoted(value)},${at},1\n`, "&mode=append");
    for (let at = values.length; at < 9; at++)
      await stack.ingest(table, `k,j,n\n${quoted(all[0] ?? "")},${at},1\n`, "&mode=append");
    const rows = values.map((value, at) => `${quoted(value)},${at},2\n`).join("");
    const { answer, error } = await stack.ingest(table, `k,j,n\n${rows}`, "&mode=upsert&key=k&key=j");
    expect(error.message).toBe("");
    expect(answer).toMatchObject({ rows_loaded: values.length, rows_replaced: values.length });
    const twos = await stack.rows(`SELECT count(*)::INTEGER AS n FROM ${table} WHERE n = 2`);
    expect(twos).toEqual([{ n: values.length }]);
  });

  test("rows with a key that is there take its place, the others come besides", async () => {
    await three("keyed");
    const { answer, error } = await stack.ingest(
      "keyed",
      "price,id,kind\n0.25,5,new\n0.75,77,new\n",
      "&mode=upsert&key=id",
    );
    expect(error.message).toBe("");
    expect(answer).toMatchObject({
      rows_loaded: 2,
      rows_replaced: 1,
      manifest: { operation: "upsert", row_count: 10 },
    });
    expect(answer.manifest.objects.length).toBe(4);
    expect(await ids("keyed")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 77]);
    expect(await ids("keyed", "kind = 'new'")).toEqual([5, 77]);
  });

  test.each([
    [
      "two rows with one key",
      "id,kind,price\n5,x,1.50\n5,y,1.50\n",
      "&mode=upsert&key=id",
      422,
      "the file has 2 rows with one key: id = 5",
    ],
    [
      "a row without a key",
      "id,kind,price\n5,,1.50\n",
      "&mode=upsert&key=id&key=kind",
      422,
      "no key: id = 5, kind = NULL",
    ],
    [
      "a key that is no column",
      "id,kind,price\n5,x,1.50\n",
      "&mode=upsert&key=no",
      400,
      "has no column 'no'",
    ],
    ["no key", "id,kind,price\n5,x,1.50\n", "&mode=upsert", 400, "key: expected with mode=upsert"],
    ["a key without upsert", "id,kind,price\n5,x,1.50\n", "&mode=append&key=id", 400, "key: no meaning"],
    [
      "with other columns",
      "id,kind,price\n5,x,1.50\n",
      "&mode=upsert&key=id&evolve=true",
      400,
      "without evolve=true",
    ],
    // What is advised has to be possible.
    ["without a column", "id,kind\n5,x\n", "&mode=upsert&key=id", 409, "an upsert has every column"],
    [
      "what cannot evolve",
      "id,kind,price\n1,a,x\n",
      "&mode=append&evolve=true",
      409,
      "with evolve=true a type may become a wider one",
    ],
  ])("refused: %s", async (_name, body, parameters, status, text) => {
    const before = await stack.catalogd.manifest({ name: "keyed" });
    const refused = await stack.ingest("keyed", body, parameters);
    expect([refused.status, refused.error.message]).toEqual([status, expect.stringContaining(text)]);
    expect(await stack.catalogd.manifest({ name: "keyed" })).toEqual(before);
  });

  const put = async (name: string, body: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return stack.post(`/catalog/datasets/${name}/upsert`, text, { "content-type": "application/json" });
  };

  test("of rows in the request's body", async () => {
    await three("put");
    const rows = [
      { id: 5, kind: "new", price: 0.25 },
      { price: "12345678901234.75", id: "9007199254740993" },
    ];
    const { status, answer, error } = await put("put", { key: ["id"], rows });
    expect([status, error.message]).toEqual([200, ""]);
    expect(answer).toMatchObject({
      ...{ rows_loaded: 2, rows_replaced: 1 },
      manifest: { operation: "upsert", row_count: 10 },
    });
    expect(
      await stack.rows(
        "SELECT id::VARCHAR AS id, kind, price::VARCHAR AS price FROM put WHERE id = 5 OR id > 99",
      ),
    ).toEqual([
      { id: "5", kind: "new", price: "0.25" },
      { id: "9007199254740993", kind: null, price: "12345678901234.75" },
    ]);
  });

  test.each([
    ["put", { key: ["id"], rows: [] }, 400, "rows: "],
    ["put", { key: [], rows: [{ id: 1 }] }, 400, "key: "],
    ["put", { rows: [{ id: 1 }] }, 400, "key: "],
    ["put", { key: ["id"], rows: [[1, "a"]] }, 400, "rows.0: "],
    ["put", { key: ["id"], rows: [{ id: 1 }], mode: "append" }, 400, "mode"],
    ["put", '{"key":["id"],"rows":[{"id":9007199254740993}]}', 400, "9007199254740993"],
    ["put", '{"key":["id"],"rows":[', 400, "not valid JSON"],
    ["put", { key: ["no"], rows: [{ id: 1, kind: "a", price: 1 }] }, 400, "has no column 'no'"],
    ["put", { key: ["id"], rows: [{ id: 1 }, { id: 1 }] }, 422, "has 2 rows with one key: id = 1"],
    ["put", { key: ["id"], rows: [{ id: 1, more: 1 }] }, 409, "more"],
    ["put", { key: ["id"], rows: [{ id: "x" }] }, 422, "not a value of type BIGINT"],
    ["absent", { key: ["id"], rows: [{ id: 1 }] }, 404, "absent"],
  ])("of rows for %s refused: %j", async (name, body, status, text) => {
    const before = (await stack.catalogd.manifest({ name: "put" })).version;
    const refused = await put(name, body);
    expect([refused.status, refused.error.message]).toEqual([status, expect.stringContaining(text)]);
    expect((await stack.catalogd.manifest({ name: "put" })).version).toBe(before);
  });

  test("into a dataset that is new is an ingest like any other", async () => {
    const { answer } = await stack.ingest("fresh", "id\n1\n2\n", "&mode=upsert&key=id");
    expect(answer.manifest).toMatchObject({ version: 1, row_count: 2 });
  });
});

describe("retype", () => {
  test("rewrites every object, and says what does not hold", async () => {
    for (const rows of ["007\n1e3\n", "12\nabc\n\n"])
      await stack.ingest(
        "codes",
        `code,n\n${rows.replaceAll("\n", ",1\n")}`,
        "&mode=append&types=code:VARCHAR",
      );
    const asked = { name: "codes", column: "code", type: "bigint" };
    await expect(stack.verbs.retype(asked)).rejects.toMatchObject({
      type: "unprocessable",
      message: expect.stringContaining(
        "column 'code': 1 values of an object do not hold in BIGINT, such as 'abc'; on_error=null",
      ),
    });
    const { manifest } = await stack.verbs.retype({ ...asked, on_error: "null" });
    expect(manifest).toMatchObject({ operation: "retype", row_count: 5 });
    expect(manifest.columns.map(({ name, type, field_id }) => `${field_id} ${name} ${type}`)).toEqual([
      "3 code BIGINT",
      "2 n BIGINT",
    ]);
    expect(manifest.schemas).toBeUndefined();
    expect(await stack.rows("SELECT code FROM codes ORDER BY code")).toEqual([
      { code: 7 },
      { code: 12 },
      { code: 1000 },
      { code: null },
      { code: null },
    ]);
    expect(await stack.rows("SELECT code FROM \"codes@2\" WHERE code = 'abc'")).toEqual([{ code: "abc" }]);
  });

  test("sets rows aside whose value does not hold, by one commit; each is there, as JSON", async () => {
    const odd = `it's "ë`;
    for (const [id, code] of [
      [2, 'q"y'],
      [3, "z"],
      [1, "7"],
    ] as const) {
      const row = { id, [odd]: code, d: 0.5, t: "2024-01-31T10:00:00Z", n: [{ a: null, b: "x" }] };
      const { error } = await stack.ingest("aside", JSON.stringify(row), "&mode=append&format=ndjson");
      expect(error.message).toBe("");
    }
    await stack.verbs.updateRows({ name: "aside", set: { d: "'nan'::DOUBLE" }, where: "id < 3" });
    const asked = { name: "aside", column: odd, type: "BIGINT", on_error: "reject" as const };
    const dry = await stack.verbs.retype({ ...asked, dry_run: true });
    expect([dry.rows_matched, dry.rows_rejected, dry.manifest.version]).toEqual([3, 2, 4]);
    await expect(stack.verbs.retype({ ...asked, max_rejects: 1 })).rejects.toMatchObject({
      type: "rejected_rows",
      details: { rows_rejected: 2 },
    });
    expect((await stack.catalogd.list({})).datasets.map(({ name }) => name)).not.toContain("aside__rejects");
    const answer = await stack.verbs.retype(asked);
    const { version } = answer.manifest;
    expect(answer).toMatchObject({ rows_rejected: 2, rejects: "aside__rejects", manifest: { row_count: 1 } });
    expect(await stack.rows(`SELECT id, "${odd.replaceAll('"', '""')}" AS code FROM aside`)).toEqual([
      { id: 1, code: 7 },
    ]);
    const set = await stack.rows(
      'SELECT line, "column", reason, text, file, job, version FROM aside__rejects ORDER BY text',
    );
    expect(set.map(({ text, ...each }) => ({ ...each, row: JSON.parse(String(text)) }))).toEqual(
      [
        [2, 'q"y'],
        [3, "z"],
      ].map(([id, code]) => ({
        ...{
          line: null,
          column: odd,
          reason: `'${code}' does not hold in BIGINT`,
          file: null,
          job: null,
          version,
        },
        row: {
          id,
          [odd]: code,
          d: id === 2 ? "nan" : 0.5,
          t: "2024-01-31 10:00:00+00",
          n: [{ a: null, b: "x" }],
        },
      })),
    );
    // Rows of another change come besides.
    await stack.verbs.retype({ ...asked, column: "d", type: "BIGINT" });
    expect(await stack.rows("SELECT count(*)::INTEGER AS n FROM aside__rejects")).toEqual([{ n: 3 }]);
    expect(await stack.leftovers()).toEqual([]);
  });

  test("a fraction is no whole number, and every value is a text", async () => {
    await stack.ingest("halves", "x\n1.5\n2.0\n");
    await expect(stack.verbs.retype({ name: "halves", column: "x", type: "BIGINT" })).rejects.toThrow(
      "such as '1.5'",
    );
    const { manifest } = await stack.verbs.retype({ name: "halves", column: "x", type: "VARCHAR" });
    expect(manifest.columns[0]).toMatchObject({ type: "VARCHAR", field_id: 2 });
    expect(await stack.rows("SELECT x FROM halves ORDER BY x")).toEqual([{ x: "1.5" }, { x: "2.0" }]);
  });
});

describe("somebody else between", () => {
  test("rows that were added are looked at as well", async () => {
    await three("added");
    const { columns, objects } = await three("other");
    beforeCommit = () => stack.catalogd.register({ name: "added", operation: "append", columns, objects });
    const { manifest, rows_matched } = await stack.verbs.deleteRows({ name: "added", where: "id = 5" });
    expect([rows_matched, manifest.version, manifest.row_count]).toEqual([2, 5, 16]);
    expect(await ids("added", "id = 5")).toEqual([]);
  });

  test("rows that were to change and are gone are a conflict; nothing is left behind", async () => {
    await three("taken");
    const objects = await stack.objects();
    beforeCommit = async () => stack.catalogd.rollback({ name: "taken", version: 1 });
    const work = stack.verbs.updateRows({ name: "taken", set: { kind: "'z'" }, where: "id = 9" });
    await expect(work).rejects.toMatchObject({
      type: "conflict",
      message: expect.stringContaining("changed meanwhile"),
    });
    expect(await ids("taken")).toEqual([1, 2, 3]);
    expect(await stack.objects()).toEqual(objects);
  });

  test("changed columns are a conflict", async () => {
    await three("altered");
    beforeCommit = async () => stack.catalogd.evolve({ name: "altered", drop: ["kind"] });
    await expect(stack.verbs.deleteRows({ name: "altered", where: "id = 9" })).rejects.toMatchObject({
      type: "conflict",
    });
  });

  test("a commit of unknown outcome is not undone", async () => {
    await three("unknown");
    beforeCommit = () => Promise.reject(fail("outcome_unknown", "no answer"));
    const objects = await stack.objects();
    await expect(stack.verbs.deleteRows({ name: "unknown", where: "id = 9" })).rejects.toMatchObject({
      type: "outcome_unknown",
    });
    expect((await stack.objects()).length).toBe(objects.length + 1);
  });
});

test("rows that differ between two versions, by key, whatever their columns are called", async () => {
  await three("differs");
  await stack.catalogd.evolve({ name: "differs", rename: [{ name: "kind", to: "sort" }] });
  await stack.verbs.deleteRows({ name: "differs", where: "id = 2" });
  await stack.verbs.updateRows({ name: "differs", set: { sort: "'z'" }, where: "id IN (4, 6)" });
  await stack.ingest("differs", "id,sort,price\n10,n,0.50\n", "&mode=append");
  const asked = { name: "differs", from: 3, key: ["id"] };
  const { rows, sample, to } = await stack.verbs.diffRows(asked);
  expect([rows, to]).toEqual([{ added: 1, removed: 1, changed: 2 }, 7]);
  expect(sample.map(({ change }) => change).sort()).toEqual(["added", "changed", "changed", "removed"]);
  expect(sample.find(({ before }) => before?.id === "4")).toEqual({
    change: "changed",
    before: { id: "4", kind: "a", price: "4.50" },
    after: { id: "4", sort: "z", price: "4.50" },
  });
  expect((await stack.verbs.diffRows({ ...asked, to: 4, sample: 0 })).rows).toEqual({
    added: 0,
    removed: 0,
    changed: 0,
  });
  await stack.verbs.deleteRows({ name: "differs", where: "true" });
  await stack.catalogd.evolve({ name: "differs", comment: [{ name: "id", text: "none" }] });
  const counts = async (from: number, to: number) =>
    (await stack.verbs.diffRows({ ...asked, from, to, sample: 1 })).rows;
  expect(await counts(8, 9)).toEqual({ added: 0, removed: 0, changed: 0 });
  expect(await counts(7, 9)).toEqual({ added: 0, removed: 9, changed: 0 });
  expect(await counts(9, 7)).toEqual({ added: 9, removed: 0, changed: 0 });
  await expect(stack.verbs.diffRows({ ...asked, key: ["price"] })).rejects.toMatchObject({
    type: "unprocessable",
  });
  await expect(stack.verbs.diffRows({ ...asked, key: ["kind"] })).rejects.toMatchObject({
    type: "invalid_field",
  });
  await expect(stack.verbs.diffRows({ ...asked, from: 70 })).rejects.toMatchObject({ type: "not_found" });
});

test("with an Idempotency-Key a change is made once", async () => {
  await three("once");
  const asked = { name: "once", set: { price: "price + 1" }, where: "id = 1" };
  const first = await stack.verbs.updateRows(asked, { idempotencyKey: "k1" });
  expect(await stack.verbs.updateRows(asked, { idempotencyKey: "k1" })).toEqual(first);
  expect(await stack.rows("SELECT price::VARCHAR AS p FROM once WHERE id = 1")).toEqual([{ p: "2.50" }]);
});

describe("bad input", () => {
  beforeAll(async () => {
    await three("bad");
    await stack.ingest("bads", "a\n1\n1,2\n", "&on_error=reject");
  });
  test.each<[string, string, object, string, string]>([
    ["no such dataset", "nothing/delete", { where: "true" }, "not_found", "nothing"],
    ["no condition", "bad/delete", {}, "invalid_field", "where"],
    ["an empty condition", "bad/delete", { where: "" }, "invalid_field", "where"],
    ["a statement", "bad/delete", { where: "true; DROP TABLE bad" }, "sql_error", "Parser Error"],
    [
      "more than an expression",
      "bad/delete",
      { where: "true) OR (SELECT 1" },
      "sql_error",
      "expected one SQL expression",
    ],
    [
      "a condition and an order",
      "bad/delete",
      { where: "true) ORDER BY (1" },
      "sql_error",
      "expected one SQL expression",
    ],
    [
      "a union",
      "bad/delete",
      { where: "true) UNION ALL SELECT 2 WHERE (true" },
      "sql_error",
      "expected one SQL expression",
    ],
    ["a column that is not there", "bad/delete", { where: "ident = 1" }, "sql_error", "ident"],
    [
      "a file",
      "bad/delete",
      { where: "EXISTS (FROM '/etc/passwd')" },
      "statement_not_allowed",
      "is not a dataset",
    ],
    [
      "a function that reads files",
      "bad/delete",
      { where: "EXISTS (FROM read_csv('/etc/passwd'))" },
      "statement_not_allowed",
      "read_csv",
    ],
    ["an aggregate", "bad/delete", { where: "count(*) > 1" }, "sql_error", "aggregates"],
    ["a condition that is none", "bad/delete", { where: "kind" }, "sql_error", "Conversion Error"],
    ["nothing to set", "bad/update", { set: {} }, "invalid_field", "set"],
    [
      "a column to set that is not there",
      "bad/update",
      { set: { prise: "1" } },
      "unprocessable",
      "did you mean price",
    ],
    ["a value of another type", "bad/update", { set: { price: "kind" } }, "sql_error", "Conversion Error"],
    ["two values", "bad/update", { set: { price: "1, 2" } }, "sql_error", ""],
    [
      "another etag",
      "bad/delete",
      { where: "id = 1", if_match: "x.1.1" },
      "precondition_failed",
      "version 3",
    ],
    [
      "too much time",
      "bad/delete",
      { where: "id = 1", timeout_ms: 10_000_000_000 },
      "invalid_field",
      "timeout_ms",
    ],
    [
      "a type that is none",
      "bad/retype",
      { column: "id", type: "NOPE" },
      "unprocessable",
      "'NOPE' is no type",
    ],
    [
      "a column that is none",
      "bad/retype",
      { column: "idd", type: "DATE" },
      "unprocessable",
      "did you mean id",
    ],
    [
      "rejects of rejects",
      "bads__rejects/retype",
      { column: "text", type: "DATE", on_error: "reject" },
      "invalid_name",
      "kept for the rejected rows",
    ],
    [
      "a limit of rejects without them",
      "bad/retype",
      { column: "id", type: "DATE", max_rejects: 1 },
      "invalid_field",
      "on_error=reject",
    ],
    [
      "another on_error",
      "bad/retype",
      { column: "id", type: "DATE", on_error: "skip" },
      "invalid_field",
      "on_error",
    ],
    ["an unknown field", "bad/retype", { column: "id", type: "DATE", using: "x" }, "unknown_field", "using"],
  ])("%s", async (_name, path, body, type, text) => {
    const before = await stack.catalogd.list({});
    const { error } = await stack.post(`/catalog/datasets/${path}`, JSON.stringify(body), {
      "content-type": "application/json",
    });
    expect([error.type, error.message]).toEqual([type, expect.stringContaining(text)]);
    expect(await stack.catalogd.list({})).toEqual(before);
    expect(await stack.leftovers()).toEqual([]);
  });
});
