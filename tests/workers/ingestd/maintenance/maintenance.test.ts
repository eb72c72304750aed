/** Maintenance by verb: what is merged is the same to the bit and in its order, whatever others do and wherever it is cut off. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { type ApiCase, runCase } from "../../../support/clients/api-case.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
/** Called before each call of a peer that changes something. */
let before: (verb: string) => Promise<void> | void = () => {};

beforeEach(async () => {
  before = () => {};
  const asked = <T extends object>(verbs: T, names: readonly string[]): T => {
    const wrapped = Object.fromEntries(
      names.map((name) => [
        name,
        async (input: unknown, options: unknown) => {
          await before(name);
          return (verbs as Record<string, (input: unknown, options: unknown) => unknown>)[name]?.(
            input,
            options,
          );
        },
      ]),
    );
    return { ...verbs, ...wrapped };
  };
  stack = await startIngestStack(
    {},
    {
      storaged: (verbs) => asked(verbs, ["stage", "seal", "commit"]),
      catalogd: (verbs) => asked(verbs, ["hold", "compact"]),
    },
  );
});
afterEach(() => stack.stop());

const maintain = (name: string, asked: Record<string, unknown> = {}) =>
  stack.ingestd.peer.verbs.maintain({ name, min_objects: 2, ...asked });
const manifest = (name: string) => stack.catalogd.manifest({ name });
const append = (name: string, rows: string) => stack.ingest(name, `id,text\n${rows}\n`, "&mode=append");

/** A value of every type that a dataset can have, its least and its greatest, and NULL. */
const everyType = (at: number) => `SELECT
  ${at}::BIGINT AS id,
  CASE WHEN i % 3 = 0 THEN NULL ELSE (i - 2)::TINYINT END AS tiny, (i * 1000 - 32768)::SMALLINT AS small,
  i::INTEGER AS int, -9223372036854775808 + i AS big, (i * 80)::UTINYINT AS utiny, i::USMALLINT AS usmall,
  i::UINTEGER AS uint, 18446744073709551615::UBIGINT - i::UBIGINT AS ubig,
  CASE i WHEN 0 THEN 'NaN'::FLOAT WHEN 1 THEN '-inf'::FLOAT ELSE i / 3 END AS float,
  CASE i WHEN 0 THEN -0.0::DOUBLE WHEN 1 THEN 'NaN'::DOUBLE WHEN 2 THEN 5e-324::DOUBLE ELSE 1e308 END AS double,
  (i / 100)::DECIMAL(18, 3) AS money, '-99999999999999999999999999999999999.999'::DECIMAL(38, 3) + i AS large,
  i % 2 = 0 AS flag, DATE '0001-01-01' + i::INTEGER AS day, TIME '23:59:59.999999' AS time,
  TIMESTAMP '1969-12-31 23:59:59.999999' + INTERVAL (i) HOUR AS at, TIMESTAMPTZ '2024-03-31 01:30:00+00' + INTERVAL (i) MINUTE AS instant,
  CASE i WHEN 0 THEN '' WHEN 1 THEN NULL WHEN 2 THEN repeat('é', 3000) ELSE chr(128512) || i END AS text,
  '\\x00\\xFF'::BLOB AS bytes, '0b1d4c8a-0000-4000-8000-00000000000${at % 10}'::UUID AS uuid,
  [i, NULL, ${at}] AS list, {'a': i, 'b': [{'c': 'x' || i}]} AS struct, MAP {'k' || i: i} AS map
  FROM range(4) AS r(i)`;

const checksum = async (name: string) => {
  const version = await manifest(name);
  const relation = await stack.relation(version);
  const columns = version.columns.map((column) => `"${column.name}"`).join(", ");
  return stack.query(
    `SELECT count(*), sum(hash(n, ${columns})::HUGEINT)::VARCHAR, string_agg(to_json(t)::VARCHAR, chr(10) ORDER BY n) FROM (SELECT row_number() OVER () AS n, * FROM ${relation}) AS t`,
  );
};

test("every type is the same to the bit and in its order, with its field ids and statistics", async () => {
  const file = join(stack.directory, "types.parquet");
  for (let at = 0; at < 12; at++) {
    await stack.query(`COPY (${everyType(at)}) TO '${file}' (FORMAT parquet)`);
    const sent = await stack.ingest("types", Bun.file(file), "&mode=append");
    expect(sent.error.message).toBe("");
  }
  const earlier = await manifest("types");
  const content = await checksum("types");
  const fields = async () =>
    stack.query(
      `SELECT DISTINCT name, type, field_id, logical_type FROM parquet_schema([${(await stack.relation(await manifest("types"))).slice("read_parquet([".length, -2)}]) WHERE field_id IS NOT NULL ORDER BY ALL`,
    );
  const before = await fields();

  const told = await maintain("types", { dry_run: true });
  expect(told).toMatchObject({
    dry_run: true,
    compacted: { runs: [{ objects: 12, rows: 48 }], objects_before: 12, objects_after: 1 },
    expired: { versions: [] },
    orphans: { count: 0 },
  });
  expect(await manifest("types")).toEqual(earlier);

  const done = await maintain("types");
  expect(done.compacted).toMatchObject({ objects_before: 12, objects_after: 1 });
  expect(done.compacted.runs[0]).toMatchObject({
    ...told.compacted.runs[0],
    into: { bytes: expect.any(Number) },
  });
  const after = await manifest("types");
  expect(after).toMatchObject({ version: 13, operation: "compact", made_by: "compaction", row_count: 48 });
  expect(after.objects).toHaveLength(1);
  expect(await checksum("types")).toEqual(content);
  expect(await fields()).toEqual(before);
  expect(after.columns).toEqual(earlier.columns);
  const ids = ({ statistics }: (typeof after.objects)[number]) =>
    statistics.map(({ column, field_id }) => [column, field_id]);
  expect(ids(after.objects[0] as never)).toEqual(ids(earlier.objects[0] as never));
  const id = after.objects[0]?.statistics.find(({ column }) => column === "id");
  expect(id).toMatchObject({ min: "0", max: "11", null_count: 0, value_count: 48 });
  // The version before is as it was.
  expect(await stack.catalogd.manifest({ name: "types", version: 12 })).toEqual(earlier);
  expect((await maintain("types")).compacted.runs).toEqual([]);
  expect(await stack.leftovers()).toEqual([]);
});

test("rows are put in order where that is asked for", async () => {
  for (const row of ["3,c", "1,a", "2,b"]) await append("jobs", row);
  await maintain("jobs", { sort_by: ["id"] });
  expect(await stack.cells(await manifest("jobs"))).toEqual([
    ["1", "a"],
    ["2", "b"],
    ["3", "c"],
  ]);
});

test("after its columns have changed, objects are merged with their like", async () => {
  for (const row of ["3,c", "1,a"]) await append("jobs", row);
  const { version } = await manifest("jobs");
  await stack.catalogd.evolve({
    name: "jobs",
    rename: [{ name: "text", to: "label" }],
    add: [{ name: "more", type: "BIGINT" }],
  });
  for (const row of ["4,d,1", "2,b,2"]) await stack.ingest("jobs", `id,label,more\n${row}\n`, "&mode=append");
  const before = await manifest("jobs");
  const done = await maintain("jobs", { sort_by: ["label"] });
  expect(done.compacted).toMatchObject({ objects_before: 4, objects_after: 2 });
  const after = await manifest("jobs");
  const { objects, version: _, ...rest } = before;
  expect(after).toMatchObject({
    columns: rest.columns,
    schemas: rest.schemas,
    row_count: 4,
    version: version + 5,
  });
  expect(after.objects.map(({ schema_id }) => schema_id)).toEqual([
    objects[0]?.schema_id,
    objects[2]?.schema_id,
  ]);
  const cells = await Promise.all(
    after.objects.map((object) => stack.cells({ ...after, objects: [object] })),
  );
  expect(cells).toEqual([
    [
      ["1", "a"],
      ["3", "c"],
    ],
    [
      ["2", "b", "2"],
      ["4", "d", "1"],
    ],
  ]);
});

test("what is appended meanwhile stays behind it; a replacement is not undone", async () => {
  for (const row of ["1,a", "2,b"]) await append("jobs", row);
  before = async (verb) => {
    if (verb !== "hold") return; // What is to be merged was chosen, and read.
    before = () => {};
    expect((await append("jobs", "3,c")).status).toBe(200);
  };
  await maintain("jobs");
  expect(await stack.cells(await manifest("jobs"))).toEqual([
    ["1", "a"],
    ["2", "b"],
    ["3", "c"],
  ]);
  await append("jobs", "4,d");
  before = async (verb) => {
    if (verb !== "hold") return; // What is to be merged was chosen, and read.
    before = () => {};
    await stack.ingest("jobs", "id,text\n9,z\n");
  };
  const { compacted } = await maintain("jobs");
  expect(compacted).toMatchObject({ runs: [], objects_after: 1 });
  expect(await stack.cells(await manifest("jobs"))).toEqual([["9", "z"]]);
  // What it had written is gone again.
  expect((await stack.catalogd.sweep({ grace_days: 0, dry_run: true })).count).toBe(0);
});

test("a change of rows that comes while objects are merged is done after it", async () => {
  for (const row of ["1,a", "2,b", "3,c"]) await append("jobs", row);
  let changing: Promise<unknown> | undefined;
  before = (verb) => {
    if (verb !== "compact") return;
    before = () => {};
    changing = stack.ingestd.peer.verbs.deleteRows({ name: "jobs", where: "id = 2" });
  };
  expect((await maintain("jobs")).compacted.objects_after).toBe(1);
  expect(await changing).toMatchObject({ rows_matched: 1, objects_removed: 1, objects_added: 1 });
  expect(await stack.cells(await manifest("jobs"))).toEqual([
    ["1", "a"],
    ["3", "c"],
  ]);
});

test("cut off at any call it leaves the dataset as it was, or merged, and the next one ends it", async () => {
  for (let left = 0; ; left++) {
    const name = `jobs_${left}`;
    for (const row of ["1,a", "2,b", "3,c"]) await append(name, row);
    let calls = 0;
    before = () => {
      if (calls++ >= left) throw fail("unavailable", "cut off");
    };
    const outcome = await maintain(name).then(
      () => "done",
      () => "cut off",
    );
    before = () => {};
    const whole = [
      ["1", "a"],
      ["2", "b"],
      ["3", "c"],
    ];
    expect(await stack.cells(await manifest(name))).toEqual(whole);
    await maintain(name);
    expect((await manifest(name)).objects).toHaveLength(1);
    expect(await stack.cells(await manifest(name))).toEqual(whole);
    if (outcome === "done") return expect(left).toBe(5); // stage, seal, hold, commit, compact.
  }
});

test("objects that were not ingested, or have other columns, stay as they are, and the answer says why", async () => {
  for (const row of ["1,a", "2,b"]) await append("jobs", row);
  const [first, second] = (await manifest("jobs")).objects;
  const file = join(stack.directory, "plain.parquet");
  await stack.query(`COPY (SELECT 1::BIGINT AS id, 'a' AS text) TO '${file}' (FORMAT parquet)`);
  const put = async (key: string) => {
    const bytes = new Uint8Array(await Bun.file(file).arrayBuffer());
    const stored = await stack.storaged.write({ key, bytes });
    return { key, bytes: stored.bytes, etag: stored.etag, row_count: 1, statistics: [] };
  };
  const { columns } = await manifest("jobs");
  await stack.catalogd.register({
    ...{ name: "jobs", columns, operation: "replace" },
    objects: [
      await put("mine/1"),
      await put("mine/2"),
      await put("datasets/jobs/1"),
      await put("datasets/jobs/2"),
      first,
      second,
    ] as never,
  });
  const done = await maintain("jobs");
  expect(done.compacted).toMatchObject({
    objects_before: 6,
    objects_after: 5,
    left: ["its objects have no field ids, or others than its columns"],
  });
  expect((await manifest("jobs")).objects.slice(0, 4).map(({ key }) => key)).toEqual([
    "mine/1",
    "mine/2",
    "datasets/jobs/1",
    "datasets/jobs/2",
  ]);
});

describe("all datasets", () => {
  test("one that cannot be read is named, and the others are maintained", async () => {
    for (const name of ["good", "bad"]) for (const row of ["1,a", "2,b"]) await append(name, row);
    const key = (await manifest("bad")).objects[0]?.key ?? "";
    await stack.storaged.erase({ key });
    const done = await stack.ingestd.peer.verbs.maintainAll({ min_objects: 2 });
    expect(done.datasets.map(({ name }) => name)).toEqual(["good"]);
    expect(done.failed).toMatchObject([{ name: "bad", error: { type: "corrupt" } }]);
    expect((await manifest("good")).objects).toHaveLength(1);
    expect((await stack.ingestd.peer.verbs.maintenance({})).steps).toMatchObject({
      compact: { runs: 1, failed: 1, count: 2, last: { name: "good" }, last_error: { name: "bad" } },
      sweep: { runs: 1 },
    });
  });

  test("versions of a dataset that was dropped go as others do", async () => {
    await append("gone", "1,a");
    await stack.catalogd.drop({ name: "gone" });
    await append("gone", "2,b");
    await stack.catalogd.drop({ name: "gone" });
    const done = await stack.ingestd.peer.verbs.maintainAll({ keep_versions: 1, older_than_days: 0 });
    expect(done.datasets).toMatchObject([{ name: "gone", expired: { versions: [1, 2, 3] } }]);
  });
});

test("bad input", async () => {
  await append("jobs", "1,a");
  const row = (body: Record<string, unknown>, more: Partial<ApiCase> = {}): ApiCase => ({
    ...{ name: JSON.stringify(body), method: "POST", path: "/catalog/maintain/jobs", body },
    ...{ status: 400, type: "invalid_field" },
    ...more,
  });
  const rows = [
    row({ dry_run: "yes" }, { contains: ["dry_run"] }),
    row({ target_bytes: 0 }, { contains: ["target_bytes"] }),
    row({ min_objects: 1 }, { contains: ["min_objects"] }),
    row({ min_objects: 257 }),
    row({ keep_versions: 0 }, { contains: ["keep_versions"] }),
    row({ older_than_days: -1 }),
    row(
      { max_versions: 5, keep_versions: 6 },
      { contains: ["max_versions", "at least keep_versions, which is 6"] },
    ),
    row({ max_versions: 5 }, { contains: ["which is 100, got 5"] }),
    row({ orphan_grace_days: -1 }),
    row({ sort_by: "id" }, { contains: ["sort_by"] }),
    row({ sort_by: ["never"] }, { contains: ["has no column 'never'", "id, text"] }),
    row({ force: true }, { type: "unknown_field", contains: ["force"] }),
    row({}, { path: "/catalog/maintain/never", status: 404, type: "not_found" }),
    row({}, { path: "/catalog/maintain/no-name" }),
    row({ keep: 1 }, { path: "/catalog/maintain", type: "unknown_field" }),
  ];
  for (const each of rows) await runCase(each, stack.send);
});
