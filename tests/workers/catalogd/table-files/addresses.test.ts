/** Where tables' files are: in a store that was moved, and in places that the operator allows. */
import { afterEach, expect, test } from "bun:test";
import { mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../../../../runtime/config/loading.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { schema, tablesOf } from "../../../support/tables/open-tables.ts";

const directory = temporaryDirectory("addresses");
let catalog: Catalog | undefined;
afterEach(async () => {
  await catalog?.stop();
  catalog = undefined;
});
const begin = async (path: string, open_locations: string[] = []) => {
  mkdirSync(path, { recursive: true });
  catalog = await startCatalog(path, { settings: { open_locations } });
  return { catalog, tables: tablesOf(catalog.send, catalog.storaged.peer.verbs) };
};

test("a store that was moved, twice, has its tables' versions and files, and takes commits", async () => {
  const places = ["one", "two", "three"].map((name) => join(directory.path, name));
  const [first = "", ...later] = places;
  let { catalog: running, tables } = await begin(first);
  const object = await running.object("datasets/jobs/1");
  await running.verbs.register({ name: "jobs", columns: twoColumns, objects: [object] });
  await running.verbs.open({ name: "jobs" });
  let metadata = await tables.make("kept");
  ({ metadata } = (await tables.append("kept", metadata, [{ path: "a.parquet", rows: 2 }])).body);
  let before = first;
  for (const place of later) {
    await running.stop();
    catalog = undefined;
    renameSync(before, place);
    before = place;
    ({ catalog: running, tables } = await begin(place));
    const kept = await running.verbs.files({ name: "open.kept", version: 2 });
    expect(kept.files.map(({ key }) => key)).toEqual([
      expect.stringMatching(/^warehouse:\/\/open\/kept-.*\/a\.parquet$/),
    ]);
    const jobs = await running.verbs.files({ name: "jobs", version: 2 });
    expect(jobs.files.map(({ key }) => key)).toEqual(["datasets/jobs/1"]);
    const told = (await tables.ask("GET", "/namespaces/open/tables/kept")).body.metadata;
    expect(told.location).toStartWith(`file://${place}/`);
    const ids = ({ snapshots }: typeof told) => snapshots.map((each: typeof told) => each["snapshot-id"]);
    expect([ids(told), told.schemas]).toEqual([ids(metadata), metadata.schemas]);
    const changed = await tables.ask("POST", "/namespaces/open/tables/kept", {
      requirements: [],
      updates: [{ action: "set-properties", updates: { moved: place } }],
    });
    expect(changed.status).toBe(200);
    ({ metadata } = changed.body);
    expect(
      (await tables.ask("POST", "/namespaces/open/tables", { name: `new${later.indexOf(place)}`, schema }))
        .status,
    ).toBe(200);
  }
});

test("what was remembered of addresses is damaged: tables are found where they are, and it is left as it is", async () => {
  const place = join(directory.path, "damaged");
  let { catalog: running, tables } = await begin(place);
  await tables.make("kept");
  const key = "_catalog/addresses.json";
  const bytes = new TextEncoder().encode('{"format":1,');
  await running.storaged.peer.verbs.write({ key, bytes });
  await running.stop();
  catalog = undefined;
  ({ catalog: running, tables } = await begin(place));
  expect((await tables.ask("GET", "/namespaces/open/tables/kept")).status).toBe(200);
  expect((await running.storaged.peer.verbs.read({ key })).bytes).toEqual(bytes);
});

test("places that the operator allows hold data files, and tables where a bucket is above them", async () => {
  const outside = "file:///elsewhere/shared";
  const { tables } = await begin(join(directory.path, "allowed"), [outside]);
  const metadata = await tables.make("wide");
  const path = "/namespaces/open/tables";
  const added = (file: string) => tables.append("wide", metadata, [{ path: file, rows: 1 }]);
  expect((await added(`${outside}x/a.parquet`)).body.error.message).toContain("expected an address below");
  expect((await added(`${outside}/../a.parquet`)).status).toBe(400);
  expect((await added(`${outside}/a.parquet`)).status).toBe(200);
  const made = await tables.ask("POST", path, { name: "there", schema, location: `${outside}/t` });
  expect(made).toMatchObject({
    status: 400,
    body: { error: { message: expect.stringContaining("[buckets.<name>]") } },
  });
  const refused = await tables.ask("POST", path, { name: "there", schema, location: "file:///elsewhere/t" });
  expect(refused.body.error.message).toContain(outside);
});

test.each(["elsewhere", "file://", "s3:", "http://localhost/a", "file:///a b", "file:///a/../b"])(
  "a setting of %p is refused",
  (address) => {
    const flags = [`catalogd.open_locations=${address}`];
    expect(() => loadConfig({ directory: directory.path, flags })).toThrow(/open_locations expects a list/);
  },
);
