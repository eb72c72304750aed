/** Files of open tables that are gone, cut or no more what they were: fsck and readiness name them, and what is whole is not. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { type Catalog, startCatalog } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { tablesOf } from "../../../support/tables/open-tables.ts";

const directory = temporaryDirectory("inspection-open");
let catalog: Catalog;
let location: string;
const dataFile = "a file of somebody's engine";

beforeAll(async () => {
  catalog = await startCatalog(directory.path);
  const tables = tablesOf(catalog.send, catalog.storaged.peer.verbs);
  let metadata = await tables.make("jobs");
  ({ location } = metadata);
  for (const name of ["a", "b"]) {
    writeFileSync(pathOf(`data/${name}.parquet`), dataFile);
    const file = { path: `${name}.parquet`, rows: 2, bytes: dataFile.length };
    ({ metadata } = (await tables.append("jobs", metadata, [file])).body);
  }
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const pathOf = (file: string) => fileURLToPath(`${location}/${file}`);
const findings = () => findingsOf(catalog.catalogd.running.durable as Durable);
const reasons = () => catalog.catalogd.running.notReady?.() ?? [];
const head = () => catalog.verbs.manifest({ name: "open.jobs" });

test("a table whose files are all there is whole", async () => {
  expect(await findings()).toEqual([]);
  expect(reasons()).toEqual([]);
});

const harms: [string, (path: string) => void][] = [
  ["gone", (path) => rmSync(path)],
  ["cut", (path) => truncateSync(path, readFileSync(path).length - 1)],
  ["emptied", (path) => truncateSync(path)],
];
const files: [string, () => string | Promise<string>][] = [
  ["a data file", () => pathOf("data/a.parquet")],
  ["a manifest", () => pathOf("metadata/m1.avro")],
  ["the list of a snapshot", () => pathOf("metadata/list2.avro")],
  ["its metadata", async () => fileURLToPath((await head()).metadata_location as string)],
];
test.each(files.flatMap(([file, find]) => harms.map(([harm, hurt]) => [file, harm, find, hurt] as const)))(
  "%s is %s",
  async (_file, _harm, find, hurt) => {
    const path = await find();
    const bytes = readFileSync(path);
    hurt(path);
    const found = await findings();
    expect(found).toMatchObject([{ severity: "damage" }]);
    expect(JSON.stringify(found)).toContain(path.slice(pathOf("").length));
    expect(reasons()).toEqual([expect.stringContaining("open table 'open.jobs'")]);
    writeFileSync(path, bytes);
    expect(await findings()).toEqual([]);
    expect(reasons()).toEqual([]);
  },
);

test("a snapshot that cannot be read when its rows are asked for is named by readiness until it can", async () => {
  await catalog.stop();
  catalog = await startCatalog(directory.path);
  const path = pathOf("metadata/m1.avro");
  const bytes = readFileSync(path);
  rmSync(path);
  const { version } = await head();
  await expect(catalog.verbs.files({ name: "open.jobs", version })).rejects.toMatchObject({
    type: "corrupt",
  });
  expect(reasons()).toEqual([expect.stringContaining("m1.avro")]);
  writeFileSync(path, bytes);
  expect(existsSync(path)).toBe(true);
  expect((await catalog.verbs.files({ name: "open.jobs", version })).files).toHaveLength(2);
  expect(reasons()).toEqual([]);
});
