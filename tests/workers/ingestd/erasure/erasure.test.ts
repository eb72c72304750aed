/** Erasure from datasets and open tables: also what files hold and no query shows, and what is not ours to change is told. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ErasureReport } from "../../../../runtime/contract/contract.ts";
import { cellSql, subjectOf } from "../../../../runtime/erasure/erasure.ts";
import { type OpenIngestStack, startOpenIngestStack } from "../../../support/tables/open-ingestd.ts";

let stack: OpenIngestStack;
beforeAll(async () => {
  stack = await startOpenIngestStack();
});
afterAll(() => stack.stop());

const mail = "jane.doe@example.org";

async function erase(
  subject: Parameters<typeof subjectOf>[0] = mail,
  dryRun = false,
): Promise<ErasureReport> {
  const { running } = stack.ingestd;
  const asked = { who: "us", why: "case 12", dryRun, requestId: "r", signal: new AbortController().signal };
  const report = await running.erase?.({ subject: subjectOf(subject), ...asked });
  if (!report) throw new Error("ingestd erases nothing");
  return report;
}

/** Parquet files of all buckets of which any column names the subject, whatever the catalog says of it. */
async function filesWith(subject = mail): Promise<string[]> {
  const files = (await stack.query(
    `SELECT file FROM glob('${stack.directory}/buckets/**/*.parquet')`,
  )) as unknown as string[][];
  const found: string[] = [];
  for (const [path = ""] of files) {
    const rows = await stack.query(
      `SELECT 1 FROM read_parquet('${path}', hive_partitioning = false) AS r WHERE contains(CAST(r AS VARCHAR), '${subject}')`,
    );
    if (rows.length > 0) found.push(path);
  }
  return found;
}

const three = (name: string, who = mail) => stack.append(name, `id,name\n1,Ann\n2,${who}\n3,Bob\n`);

/** An engine deletes rows of a file in place. */
async function deleteInPlace(name: string, path: string, positions: readonly number[]): Promise<void> {
  const metadata = await stack.load(name);
  const values = positions.map((at) => `('${path}', ${at}::BIGINT)`).join(", ");
  const file = await stack.engine.file(
    metadata.location,
    `SELECT * FROM (VALUES ${values}) t(file_path, pos)`,
  );
  const answer = await stack.tables.append(name, metadata, [{ ...file, content: 1 }]);
  expect(answer.status).toBe(200);
}

async function dataFile(name: string): Promise<string> {
  const { version } = await stack.catalogd.manifest({ name: `open.${name}` });
  const { files } = await stack.catalogd.files({ name: `open.${name}`, version });
  const { location } = await stack.load(name);
  const key = files[0]?.key ?? "";
  return location + key.slice(key.indexOf("/data/"));
}

test("of columns that were dropped", async () => {
  await three("people", mail);
  await stack.catalogd.evolve({ name: "people", drop: ["name"] });
  await stack.catalogd.expire({ name: "people", keep_versions: 1, older_than_days: 0 });
  expect(await filesWith()).toContainEqual(expect.stringContaining("/datasets/people/"));
  expect(await erase(mail, true)).toMatchObject({ removed: [{ place: "catalogd/people", count: 1 }] });
  expect((await erase()).left).toEqual([]);
  expect(await filesWith()).toEqual([]);
  expect(await stack.rows("SELECT * FROM people ORDER BY id")).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
});

test("of an open table: rows that an engine deleted, earlier snapshots, whatever its own rules keep", async () => {
  await stack.tables.make("deleted", { "history.expire.min-snapshots-to-keep": "9" });
  await three("open.deleted");
  await deleteInPlace("deleted", await dataFile("deleted"), [1]);
  expect(await stack.rows("SELECT id FROM open.deleted ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  await erase();
  expect(await filesWith()).toEqual([]);
  expect(await stack.rows("SELECT id FROM open.deleted ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  expect((await stack.load("deleted")).snapshots).toHaveLength(1);
});

test("of a file all of whose rows an engine deleted", async () => {
  await stack.tables.make("emptied");
  await stack.append("open.emptied", `id,name\n1,${mail}\n`);
  await deleteInPlace("emptied", await dataFile("emptied"), [0]);
  await stack.append("open.emptied", "id,name\n2,Ann\n");
  expect((await erase()).left).toEqual([]);
  expect(await filesWith()).toEqual([]);
  expect(await stack.rows("SELECT id FROM open.emptied")).toEqual([{ id: 2 }]);
});

test("what a tag keeps is told by its file's name; the tag goes, and it is erased", async () => {
  await stack.tables.make("tagged");
  await three("open.tagged");
  const { "current-snapshot-id": id } = await stack.load("tagged");
  await stack.change("tagged", {
    action: "set-snapshot-ref",
    "ref-name": "v1",
    type: "tag",
    "snapshot-id": id,
  });
  const told = await erase();
  expect(told.left).toMatchObject([{ place: expect.stringContaining("warehouse://open/tagged") }]);
  expect(await stack.rows("SELECT id FROM open.tagged ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  await stack.change("tagged", { action: "remove-snapshot-ref", "ref-name": "v1" });
  await stack.catalogd.expire({ name: "open.tagged", keep_versions: 1, older_than_days: 0 });
  expect((await erase()).left).toEqual([]);
  expect(await filesWith()).toEqual([]);
});

const cells: [type: string, equals: string | number | boolean, those: string[], others: string[]][] = [
  ["INTEGER", 42, ["42"], ["41", "421", "-42"]],
  ["INTEGER", 41.7, [], ["41", "42"]],
  ["BIGINT", "9007199254740993", ["9007199254740993"], ["9007199254740992"]],
  ["BIGINT", "042", ["42"], ["4"]],
  ["DECIMAL(10,2)", 12.3, ["12.30"], ["12.31"]],
  ["DECIMAL(10,2)", "12.305", [], ["12.30", "12.31"]],
  ["DOUBLE", 1e-7, ["0.0000001"], ["0"]],
  ["DOUBLE", "true", [], ["1"]],
  ["VARCHAR", 42, ["42"], ["042", "42.0", " 42", "x42"]],
  ["VARCHAR", "Zoe\u0301", ["Zo\u00e9", "Zoe\u0301"], ["Zoe", "zo\u00e9"]],
  ["VARCHAR", "O'Neil", ["O'Neil"], ["o'neil"]],
  ["DATE", "2020-01-31", ["2020-01-31"], ["2020-01-30"]],
  ["DATE", "2020-01-31 12:00:00", [], ["2020-01-31"]],
  ["TIMESTAMP", "2020-01-31T10:00:00.5", ["2020-01-31 10:00:00.500"], ["2020-01-31 10:00:00"]],
  ["TIMESTAMP", "2020-01-31 10:00:00.0000004", [], ["2020-01-31 10:00:00"]],
  ["BOOLEAN", true, ["true"], ["false"]],
  ["BOOLEAN", 1, [], ["true"]],
  [
    "UUID",
    "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
    ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
    ["b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"],
  ],
  ["VARCHAR[]", "[1, 2]", ["[1, 2]"], ["[1]"]],
];

test("a cell is the value by its column's type, and nothing that a cast would make of it", async () => {
  for (const [type, equals, those, others] of cells) {
    const rows = [...those, ...others].map((text) => `('${text.replaceAll("'", "''")}'::${type})`);
    const is = cellSql({ name: "c", type }, equals);
    const found = await stack.query(`SELECT ${is} FROM (VALUES ${rows.join(", ")}, (NULL)) t(c)`);
    const expected = [...those.map(() => true), ...others.map(() => false), false];
    expect([type, equals, found.flat()] as unknown[]).toEqual([type, equals, expected]);
  }
});

test("rows by a cell, of datasets, earlier versions and open tables; what only says the value stays", async () => {
  const csv = "id,name\n41,see 4242\n4242,second\n42421,third\n";
  await stack.tables.make("badges");
  for (const name of ["staff", "open.badges"]) await stack.append(name, csv);
  await stack.append("noted", "number,note\n1,4242\n");
  await stack.append("was", "ID,note\n4242,x\n", "&mode=replace");
  await stack.append("was", "ID,note\n7,x\n", "&mode=replace");
  const subject = { column: "id", equals: 4242 };
  const dry = await erase(subject, true);
  expect(dry.removed.filter(({ what }) => what === "rows")).toEqual([
    { place: "catalogd/open.badges", what: "rows", count: 1 },
    { place: "catalogd/staff", what: "rows", count: 1 },
  ]);
  expect((await erase(subject)).left).toEqual([]);
  for (const name of ["staff", "open.badges"])
    expect(await stack.rows(`SELECT id FROM ${name} ORDER BY id`)).toEqual([{ id: 41 }, { id: 42421 }]);
  expect(await stack.rows("SELECT number FROM noted")).toEqual([{ number: 1 }]);
  expect(await filesWith("second")).toEqual([]);
  const { versions } = await stack.catalogd.versions({ name: "was" });
  expect(versions.map(({ version }) => version)).not.toContain(1);
  expect(await erase(subject)).toEqual({ removed: [], left: [] });
});

test("rejected rows that say the value of a cell are told: they are texts, and have none", async () => {
  await stack.append("badged", "badge,n\n4711,1\n4711,x\n47110,y\n", "&on_error=reject&types=n:BIGINT");
  const report = await erase({ column: "badge", equals: 4711 });
  expect(report).toMatchObject({
    removed: [{ place: "catalogd/badged", what: "rows", count: 1 }, { what: "earlier versions" }],
    left: [{ place: "catalogd/badged__rejects", why: expect.stringContaining("1 rejected rows") }],
  });
  expect(JSON.stringify(report)).not.toContain("4711");
});

test("a table that is not read here is named, and the others are erased", async () => {
  await stack.tables.make("equal");
  await three("open.equal");
  const metadata = await stack.load("equal");
  const file = await stack.engine.file(metadata.location, `SELECT '${mail}' AS name`, "{name: 2}");
  const more = { equality_ids: [2] };
  const answer = await stack.tables.append("equal", metadata, [{ ...file, content: 2, more }]);
  expect(answer.status).toBe(200);
  await three("later");
  const { left } = await erase();
  expect(left).toMatchObject([{ place: "catalogd/open.equal", why: expect.stringContaining("equality") }]);
  expect(await stack.rows("SELECT id FROM later ORDER BY id")).toEqual([{ id: 1 }, { id: 3 }]);
  await stack.catalogd.drop({ name: "open.equal" });
});
