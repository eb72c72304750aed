/** Rows of open tables that change: the files alone that hold such rows go, deletes of engines stay done, snapshots add up. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { deletionVector } from "../../../support/tables/engine-files.ts";
import { type OpenIngestStack, startOpenIngestStack } from "../../../support/tables/open-ingestd.ts";
import { inWarehouse } from "../../../support/tables/open-tables.ts";

let stack: OpenIngestStack;
beforeAll(async () => {
  stack = await startOpenIngestStack();
});
afterAll(() => stack.stop());

const summary = async (name: string) => (await stack.load(name)).snapshots.at(-1).summary;
const ids = async (name: string, where = "true") =>
  (await stack.rows(`SELECT id FROM ${name} WHERE ${where} ORDER BY id`)).map(({ id }) => id);
const keysOf = async (name: string, version: number) =>
  (await stack.catalogd.files({ name, version })).files.map(({ key }) => key);

/** A table of three files of three rows: ids 1 to 9. */
const three = async (name: string, make = () => stack.tables.make(name)) => {
  await make();
  for (const from of [1, 4, 7])
    await stack.append(
      `open.${name}`,
      `id,name\n${[0, 1, 2].map((at) => `${from + at},${at === 2 ? "" : "ab"[at]}\n`).join("")}`,
    );
};
const parted =
  (name: string, ...fields: [source: number, transform: string][]) =>
  async () => {
    await stack.tables.make(name);
    const spec = {
      "spec-id": 1,
      fields: fields.map(([source, transform], at) => ({
        ...{ "source-id": source, "field-id": 1000 + at, name: `part ${at}`, transform },
      })),
    };
    await stack.change(name, { action: "add-spec", spec }, { action: "set-default-spec", "spec-id": -1 });
  };

/** A commit of an engine: a file with what a statement gives. */
const commitFile = async (name: string, select: string, { content = 0, ids = "" } = {}) => {
  const metadata = await stack.load(name);
  const file = await stack.engine.file(metadata.location, select, ids === "" ? undefined : ids);
  const answer = await stack.tables.append(name, metadata, [{ ...file, content }]);
  expect([answer.status, answer.body.error]).toEqual([200, undefined]);
};
/** Deletes of an engine: rows of files by their positions. */
const deletePositions = (name: string, rows: readonly [file: string, position: number][]) => {
  const values = rows.map(([file, at]) => `('${file}', ${at}::BIGINT)`).join(", ");
  return commitFile(name, `SELECT * FROM (VALUES ${values}) t(file_path, pos)`, { content: 1 });
};
/** The address of the file with the row. */
const fileOf = async (name: string, id: number): Promise<string> => {
  const metadata = await stack.load(name);
  const version = (await stack.catalogd.manifest({ name: `open.${name}` })).version;
  const { files } = await stack.catalogd.files({ name: `open.${name}`, version });
  for (const { key } of files) {
    const sql = `SELECT count(*)::INT AS n FROM open."${name}@${version}" WHERE id = ${id}`;
    const objects = { [`open.${name}@${version}`]: [key] };
    const answer = await stack.rows(sql, { objects });
    if (answer[0]?.n === 1) return metadata.location + key.slice(key.indexOf("/data/"));
  }
  throw new Error(`no file has ${id}`);
};

describe("delete", () => {
  test("writes the files alone that hold such rows; snapshots add up", async () => {
    await three("few");
    const before = await keysOf("open.few", 4);
    const answer = await stack.verbs.deleteRows({ name: "open.few", where: "id = 5 OR few.id = 6 -- both" });
    expect(answer).toMatchObject({ rows_matched: 2, objects_removed: 1, objects_added: 1, dry_run: false });
    expect(answer.manifest).toMatchObject({ version: 5, parent: 4, operation: "delete", row_count: 7 });
    expect(await ids("open.few")).toEqual([1, 2, 3, 4, 7, 8, 9]);
    expect(await ids('open."few@4"')).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const after = await keysOf("open.few", 5);
    expect(after.filter((key) => before.includes(key))).toHaveLength(2);
    expect(await summary("few")).toMatchObject({
      ...{ operation: "overwrite", "deleted-data-files": "1", "deleted-records": "3", "added-records": "1" },
      ...{ "total-data-files": "3", "total-records": "7", "total-delete-files": "0" },
    });
    const whole = await stack.verbs.deleteRows({ name: "open.few", where: "id >= 7" });
    expect(whole).toMatchObject({ rows_matched: 3, objects_removed: 1, objects_added: 0 });
    expect(await summary("few")).toMatchObject({
      operation: "delete",
      "total-data-files": "2",
      "total-records": "4",
    });
    const none = await stack.verbs.deleteRows({ name: "open.few", where: "id = 5" });
    expect(none).toMatchObject({ rows_matched: 0, manifest: { version: 6 } });
    const dry = await stack.verbs.deleteRows({ name: "open.few", where: "name IS NULL", dry_run: true });
    expect(dry).toMatchObject({
      dry_run: true,
      rows_matched: 1,
      objects_removed: 1,
      manifest: { version: 6 },
    });
    await stack.verbs.deleteRows({ name: "open.few", where: "true" });
    expect(await ids("open.few")).toEqual([]);
    await stack.append("open.few", "id,name\n1,a\n");
    expect(await ids("open.few")).toEqual([1]);
    expect(await summary("few")).toMatchObject({ "total-data-files": "1", "total-records": "1" });
    expect(await stack.leftovers()).toEqual([]);
  });

  test("many files are looked at together: a few questions for those that hold no such row", async () => {
    await stack.tables.make("many");
    const select = (n: number) => `SELECT ${n}::BIGINT AS id, 'n' AS name`;
    for (let n = 0; n < 20; n++) await commitFile("many", select(n), { ids: "{id: 1, name: 2}" });
    const { statements } = stack;
    const before = statements();
    const answer = await stack.verbs.deleteRows({ name: "open.many", where: "id = 11" });
    expect(answer).toMatchObject({ rows_matched: 1, objects_removed: 1, objects_added: 0 });
    // One of all, one of each eighth of them, and one of each file in the eighth.
    expect(statements() - before).toBeLessThan(16);
    expect(await ids("open.many")).toHaveLength(19);
  });

  test("rows stay in their partitions", async () => {
    await three("kinds", parted("kinds", [2, "identity"], [1, "bucket[2]"]));
    await stack.verbs.deleteRows({ name: "open.kinds", where: "id IN (1, 2, 9)" });
    expect(await ids("open.kinds")).toEqual([3, 4, 5, 6, 7, 8]);
    expect(await ids("open.kinds", "name = 'a'")).toEqual([4, 7]);
  });
});

describe("deletes of engines", () => {
  test("stay done where their files are written anew, and go with the last file that they are of", async () => {
    await three("both");
    const [first, last] = [await fileOf("both", 1), await fileOf("both", 9)];
    await deletePositions("both", [
      [first, 0],
      [last, 2],
    ]);
    expect(await ids("open.both")).toEqual([2, 3, 4, 5, 6, 7, 8]);
    await stack.verbs.updateRows({ name: "open.both", set: { name: "'new'" }, where: "id IN (1, 2, 8)" });
    expect(await ids("open.both")).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect(await ids("open.both", "name = 'new'")).toEqual([2, 8]);
    // It may be of the file in the middle as well.
    expect(await summary("both")).toMatchObject({ "total-delete-files": "1", "total-records": "7" });
    const { rows_matched } = await stack.verbs.deleteRows({ name: "open.both", where: "id <= 6" });
    expect(rows_matched).toBe(5);
    expect(await ids("open.both")).toEqual([7, 8]);
    expect(await summary("both")).toMatchObject({
      ...{ "total-delete-files": "0", "total-position-deletes": "0", "total-records": "2" },
      ...{ "removed-delete-files": "1", "removed-position-deletes": "2" },
    });
    expect((await stack.catalogd.manifest({ name: "open.both" })).row_count).toBe(2);
  });

  test("that come between are seen: the rows that they took do not come back", async () => {
    await three("raced");
    const file = await fileOf("raced", 5);
    stack.beforeCommit(() => deletePositions("raced", [[file, 0]]));
    const update = { name: "open.raced", set: { name: "'new'" }, where: "id IN (4, 5)" };
    expect(await stack.verbs.updateRows(update)).toMatchObject({ rows_matched: 1, objects_added: 1 });
    expect(await ids("open.raced")).toEqual([1, 2, 3, 5, 6, 7, 8, 9]);
    expect(await ids("open.raced", "name = 'new'")).toEqual([5]);
    const last = await fileOf("raced", 9);
    stack.beforeCommit(() => deletePositions("raced", [[last, 2]]));
    const { rows_matched } = await stack.verbs.deleteRows({ name: "open.raced", where: "id = 9" });
    expect([rows_matched, await ids("open.raced")]).toEqual([0, [1, 2, 3, 5, 6, 7, 8]]);
    const { location } = await stack.load("raced");
    const prefix = `${inWarehouse(location)}/data/`;
    const left = await stack.storaged.list({ bucket: "warehouse", prefix });
    // Three files of ingests, one rewritten, two of deletes; `.keep` of the folder.
    expect(left.objects.filter(({ key }) => key.endsWith(".parquet"))).toHaveLength(6);
  });
});

describe("retype", () => {
  test("writes every file anew; the column has another field id, as Iceberg's types do not change so", async () => {
    await three("codes");
    await stack.verbs.updateRows({ name: "open.codes", set: { name: "id * 10" } });
    const wrong = stack.verbs.retype({ name: "open.codes", column: "name", type: "DATE" });
    await expect(wrong).rejects.toMatchObject({ message: expect.stringContaining("do not hold in DATE") });
    const { manifest } = await stack.verbs.retype({ name: "open.codes", column: "name", type: "BIGINT" });
    expect(manifest).toMatchObject({ operation: "retype", row_count: 9 });
    expect(manifest.columns.map(({ name, type, field_id }) => `${field_id} ${name} ${type}`)).toEqual([
      "1 id BIGINT",
      "3 name BIGINT",
    ]);
    const tens = await stack.rows("SELECT name FROM open.codes WHERE id IN (1, 9) ORDER BY id");
    expect(tens).toEqual([{ name: 10 }, { name: 90 }]);
    expect(await stack.rows('SELECT name FROM open."codes@5" WHERE id = 9')).toEqual([{ name: "90" }]);
    await stack.append("open.codes", "id,name\n77,770\n");
    expect(await ids("open.codes", "name = 770")).toEqual([77]);
  });

  test("rows with values that do not hold are set aside, without those that engines deleted", async () => {
    await three("aside");
    await deletePositions("aside", [[await fileOf("aside", 2), 1]]);
    await stack.verbs.updateRows({ name: "open.aside", set: { name: "id" }, where: "id > 7" });
    const asked = { name: "open.aside", column: "name", type: "BIGINT", on_error: "reject" as const };
    // An engine's file comes between.
    stack.beforeCommit(() =>
      commitFile("aside", "SELECT 50::BIGINT AS id, 'late' AS name", { ids: "{id: 1, name: 2}" }),
    );
    const answer = await stack.verbs.retype(asked);
    expect(answer).toMatchObject({ rows_rejected: 5, rejects: "open.aside__rejects" });
    expect(await ids("open.aside")).toEqual([3, 6, 8, 9]);
    const set = await stack.rows(
      "SELECT text->>'id' AS id, text->>'name' AS name, version FROM open.aside__rejects ORDER BY id::INT",
    );
    expect(set.map(({ id, name }) => `${id} ${name}`)).toEqual(["1 a", "4 a", "5 b", "7 a", "50 late"]);
    expect(new Set(set.map(({ version }) => version))).toEqual(new Set([answer.manifest.version]));
    expect((await stack.load("aside")).snapshots.at(-1).summary).toMatchObject({ "total-records": "4" });
    expect(await stack.leftovers()).toEqual([]);
  });
});

describe("update and upsert", () => {
  test("rows go to the partition of what they are now", async () => {
    await three("moved", parted("moved", [2, "truncate[1]"], [1, "bucket[3]"]));
    await stack.verbs.updateRows({
      name: "open.moved",
      set: { name: "'zz' || id", id: "id + 100" },
      where: "id < 5",
    });
    expect(await ids("open.moved", "name LIKE 'zz%'")).toEqual([101, 102, 103, 104]);
    const put = await stack.append("open.moved", "id,name\n7,seven\n50,\n", "&mode=upsert&key=id");
    expect(put).toMatchObject({
      rows_loaded: 2,
      rows_replaced: 1,
      manifest: { operation: "upsert", row_count: 10 },
    });
    expect(await ids("open.moved")).toEqual([5, 6, 7, 8, 9, 50, 101, 102, 103, 104]);
    expect(await ids("open.moved", "name = 'seven'")).toEqual([7]);
    const body = JSON.stringify({ key: ["id"], rows: [{ id: 50, name: "fifty" }] });
    const json = { "content-type": "application/json" };
    const { status } = await stack.post("/catalog/datasets/open.moved/upsert", body, json);
    expect([status, await ids("open.moved", "name = 'fifty'")]).toEqual([200, [50]]);
    const { rows } = await stack.verbs.diffRows({ name: "open.moved", from: 6, to: 7, key: ["id"] });
    expect(rows).toEqual({ added: 1, removed: 0, changed: 1 });
  });

  test("rows that come between are looked at as well", async () => {
    await three("added");
    stack.beforeCommit(() =>
      commitFile("added", "SELECT 5::BIGINT AS id, 'late' AS name", { ids: "{id: 1, name: 2}" }),
    );
    const answer = await stack.verbs.deleteRows({ name: "open.added", where: "id = 5" });
    expect([answer.rows_matched, await ids("open.added")]).toEqual([2, [1, 2, 3, 4, 6, 7, 8, 9]]);
    stack.beforeCommit(() =>
      commitFile("added", "SELECT 6::BIGINT AS id, 'late' AS name", { ids: "{id: 1, name: 2}" }),
    );
    const put = await stack.append("open.added", "id,name\n6,six\n10,ten\n", "&mode=upsert&key=id");
    expect(put).toMatchObject({ rows_loaded: 2, rows_replaced: 2 });
    expect(await ids("open.added")).toEqual([1, 2, 3, 4, 6, 7, 8, 9, 10]);
    stack.beforeCommit(() => stack.catalogd.rollback({ name: "open.added", version: 2 }));
    const work = stack.verbs.updateRows({ name: "open.added", set: { name: "'x'" }, where: "id = 8" });
    await expect(work).rejects.toMatchObject({
      ...{ type: "conflict", message: expect.stringContaining("changed meanwhile") },
    });
    expect(await ids("open.added", "name = 'x'")).toEqual([]);
    expect(await stack.leftovers()).toEqual([]);
  });
  test("after a lost commit others wait until ours is made", async () => {
    await three("turn");
    const engines: Promise<void>[] = [];
    const again = async () => {
      stack.beforeCommit(again);
      const updates = { n: String(engines.length) };
      const engine = stack.change("turn", { action: "set-properties", updates });
      engines.push(engine);
      // Made before ours, unless it waits for ours.
      await Promise.race([engine, Bun.sleep(1000)]);
    };
    stack.beforeCommit(again);
    await stack.verbs.deleteRows({ name: "open.turn", where: "id = 5" });
    stack.beforeCommit(async () => {});
    await Promise.all(engines);
    expect([engines.length, await ids("open.turn")]).toEqual([2, [1, 2, 3, 4, 6, 7, 8, 9]]);
    const { operation } = await summary("turn");
    expect([operation, (await stack.load("turn")).properties.n]).toEqual(["overwrite", "1"]);
  });
});

describe("format 3", () => {
  /** Of each row: its id, and the snapshot that changed it last, by its number. */
  const lineage = async (name: string) => {
    const { version } = await stack.catalogd.manifest({ name });
    const objects = { [`${name}@${version}`]: await keysOf(name, version) };
    const [schema, table] = name.split(".");
    const sql = `SELECT id, _row_id AS row, _last_updated_sequence_number AS seq FROM ${schema}."${table}@${version}" ORDER BY id`;
    const found = await stack.rows(sql, { objects, row_ids: true });
    return found.map(({ id, row, seq }) => [id, row, seq]);
  };
  /** An engine deletes rows of two files, by one Puffin file with a vector for each. */
  const deleteByVectors = async (name: string, rows: readonly [file: string, position: number][]) => {
    const metadata = await stack.load(name);
    const key = `${inWarehouse(metadata.location)}/data/v${metadata["last-sequence-number"]}.puffin`;
    const blobs = rows.map(([, position]) => deletionVector([position]));
    const bytes = Buffer.concat([Buffer.from("PFA1"), ...blobs]);
    await stack.storaged.write({ bucket: "warehouse", key, bytes });
    let offset = 4;
    const added = rows.map(([file], at) => {
      const size = blobs[at]?.length ?? 0;
      const more = { referenced_data_file: file, content_offset: offset, content_size_in_bytes: size };
      offset += size;
      return {
        ...{ path: key.slice(key.lastIndexOf("/") + 1), rows: 1, bytes: bytes.length },
        ...{ content: 1, format: "PUFFIN", more },
      };
    });
    const answer = await stack.tables.append(name, metadata, added);
    expect([answer.status, answer.body.error]).toEqual([200, undefined]);
  };

  test("rows keep their ids, and those that change are as of their snapshot", async () => {
    await three("ids", () => stack.tables.make("ids", { "format-version": "3" }));
    expect((await stack.load("ids"))["next-row-id"]).toBe(9);
    const whole = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => [id, id - 1, Math.ceil(id / 3)]);
    expect(await lineage("open.ids")).toEqual(whole);
    await stack.verbs.updateRows({ name: "open.ids", set: { name: "'new'" }, where: "id IN (2, 9)" });
    const updated = whole.map(([id, row, seq]) => [id, row, id === 2 || id === 9 ? 4 : seq]);
    expect(await lineage("open.ids")).toEqual(updated);
    // Files written anew are in manifests that take ids as well, whatever their rows keep.
    const metadata = await stack.load("ids");
    const [before, snapshot] = metadata.snapshots.slice(-2);
    expect(snapshot["first-row-id"]).toBe(before["first-row-id"] + before["added-rows"]);
    expect(metadata["next-row-id"]).toBe(snapshot["first-row-id"] + snapshot["added-rows"]);
    await stack.verbs.deleteRows({ name: "open.ids", where: "id = 1" });
    await stack.append("open.ids", "id,name\n5,five\n10,ten\n", "&mode=upsert&key=id");
    const next = (await stack.load("ids")).snapshots.at(-1);
    const now = await lineage("open.ids");
    // Rows that take the place of others by their key are new ones.
    expect(now.filter(([id]) => id !== 5 && id !== 10)).toEqual(
      updated.filter(([id]) => id !== 1 && id !== 5),
    );
    const fresh = now.filter(([id]) => id === 5 || id === 10);
    expect(fresh.map(([, , seq]) => seq)).toEqual([6, 6]);
    for (const [, row] of fresh) expect(row).toBeGreaterThanOrEqual(next["first-row-id"]);
    expect(new Set(now.map(([, row]) => row)).size).toBe(now.length);
    expect(await ids("open.ids", "name IN ('five', 'ten')")).toEqual([5, 10]);
  });

  test("deletion vectors in one file stay for the data files that are left", async () => {
    await three("vectors", () => stack.tables.make("vectors", { "format-version": "3" }));
    await deleteByVectors("vectors", [
      [await fileOf("vectors", 1), 0],
      [await fileOf("vectors", 9), 2],
    ]);
    expect(await ids("open.vectors")).toEqual([2, 3, 4, 5, 6, 7, 8]);
    await stack.verbs.updateRows({ name: "open.vectors", set: { name: "'new'" }, where: "id = 2" });
    expect(await ids("open.vectors")).toEqual([2, 3, 4, 5, 6, 7, 8]);
    expect((await lineage("open.vectors")).slice(0, 3)).toEqual([
      [2, 1, 5],
      [3, 2, 1],
      [4, 3, 2],
    ]);
    expect(await summary("vectors")).toMatchObject({
      "total-delete-files": "1",
      "total-position-deletes": "1",
    });
    await stack.verbs.deleteRows({ name: "open.vectors", where: "id = 8" });
    expect(await ids("open.vectors")).toEqual([2, 3, 4, 5, 6, 7]);
    expect(await summary("vectors")).toMatchObject({ "total-delete-files": "0", "total-records": "6" });
  });

  test("a table of format 2 that an engine upgrades has ids from the next commit on", async () => {
    await three("upgraded");
    await stack.change("upgraded", { action: "upgrade-format-version", "format-version": 3 });
    expect((await lineage("open.upgraded")).map(([, row]) => row)).toEqual(Array(9).fill(null));
    await stack.append("open.upgraded", "id,name\n10,x\n");
    const all = await lineage("open.upgraded");
    expect(new Set(all.map(([, row]) => row)).size).toBe(10);
    expect((await stack.load("upgraded"))["next-row-id"]).toBe(10);
    await stack.verbs.deleteRows({ name: "open.upgraded", where: "id = 4" });
    expect(await lineage("open.upgraded")).toEqual(all.filter(([id]) => id !== 4));
  });
});

const spec = (transform: string, source = 2) => [
  {
    action: "add-spec",
    spec: { "spec-id": 1, fields: [{ "source-id": source, "field-id": 1000, name: "p", transform }] },
  },
  { action: "set-default-spec", "spec-id": -1 },
];
const named = {
  type: "struct",
  fields: ["id", "_row_id"].map((name, at) => ({ id: at + 1, name, required: false, type: "long" })),
};
const fixed = { type: "struct", fields: [{ id: 1, name: "id", required: false, type: "fixed[4]" }] };
const refusals: [what: string, updates: object[], type: string, words: RegExp][] = [
  [
    "a column named _row_id in format 3",
    [
      { action: "upgrade-format-version", "format-version": 3 },
      { action: "add-schema", schema: named },
      { action: "set-current-schema", "schema-id": -1 },
    ],
    "unprocessable",
    /has a column '_row_id', the name of what its rows are told apart by/,
  ],
  [
    "encrypted",
    [{ action: "set-properties", updates: { "encryption.key-id": "k" } }],
    "unprocessable",
    /is encrypted/,
  ],
  ["zorder", spec("zorder[3]"), "unprocessable", /lays out its rows by zorder\[3\] of the field 2/],
  ["hours", spec("hour"), "unprocessable", /by hour of the field 2/],
  ["gone", spec("identity", 77), "unprocessable", /by identity of the field 77/],
  [
    "fixed",
    [
      { action: "add-schema", schema: fixed },
      { action: "set-current-schema", "schema-id": -1 },
    ],
    "unprocessable",
    /the column 'id' with values of a fixed length/,
  ],
];
test.each(refusals)("refused by name: a table with %s", async (what, updates, type, words) => {
  const table = what.replaceAll(" ", "_");
  await stack.tables.make(table);
  await stack.change(table, ...updates);
  const name = `open.${table}`;
  const before = (await stack.catalogd.manifest({ name })).version;
  const works = [
    () => stack.verbs.deleteRows({ name, where: "true" }),
    () => stack.verbs.updateRows({ name, set: { id: "id" } }),
    () => stack.catalogd.admit({ name }),
  ];
  for (const work of works)
    await expect(work()).rejects.toMatchObject({ type, message: expect.stringMatching(words) });
  expect((await stack.catalogd.manifest({ name })).version).toBe(before);
});

test.each([
  [{ name: "open.none", where: "true" }, "not_found", /open\.none/],
  [{ name: "open.bad", where: "id = " }, "sql_error", /syntax error/],
  [{ name: "open.bad", where: "true; SELECT 1" }, "sql_error", /./],
  [{ name: "open.bad", where: "nope = 1" }, "sql_error", /nope/],
  [
    { name: "open.bad", where: "true", if_match: '"another"' },
    "precondition_failed",
    /if_match does not name/,
  ],
])("a delete refused: %j", async (asked, type, words) => {
  await stack.tables.make("bad").catch(() => {});
  await stack.append("open.bad", "id,name\n1,a\n", "&mode=replace");
  const { version } = await stack.catalogd.manifest({ name: "open.bad" });
  await expect(stack.verbs.deleteRows(asked)).rejects.toMatchObject({
    type,
    message: expect.stringMatching(words),
  });
  expect((await stack.catalogd.manifest({ name: "open.bad" })).version).toBe(version);
});
