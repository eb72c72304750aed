/** What an inspection finds in a damaged catalog, and that what it says to do helps. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { manifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import { encodeManifest } from "../../../../workers/catalogd/manifests/manifest.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import {
  type Catalog,
  type CatalogObject,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

let directory: { path: string; remove: () => void };
let catalog: Catalog;
let objects: CatalogObject[];

beforeEach(async () => {
  directory = temporaryDirectory("inspection");
  catalog = await startCatalog(directory.path);
  objects = [];
  for (const key of ["datasets/a/1", "datasets/a/2", "datasets/a/3", "datasets/a/4"])
    objects.push(await catalog.object(key));
  await register([0]);
  await register([1]);
  await register([1, 2]);
  await catalog.verbs.register({ name: "gone", columns: twoColumns, objects: [] });
  await catalog.verbs.drop({ name: "gone" });
  await catalog.verbs.register({ name: "gone", columns: twoColumns, objects: [] });
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

const register = (numbers: number[], name = "a") =>
  catalog.verbs.register({
    name,
    columns: twoColumns,
    objects: numbers.map((at) => objects[at] as CatalogObject),
  });
const restart = async (adopted: string[] = []) => {
  await catalog.stop();
  catalog = await startCatalog(directory.path, { adopted });
};
/** The way out where there is no backup. */
const adopt = (name = "a") => restart([`catalogd/${name}`]);
const inspect = async () => findingsOf(catalog.catalogd.running.durable as Durable);
const store = () => catalog.storaged.peer.verbs;
const fileOf = (key: string) => join(directory.path, "buckets/primary", key);
const flip = (key: string) => {
  const bytes = readFileSync(fileOf(key));
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(fileOf(key), bytes);
};
const write = (key: string, bytes: Uint8Array) => store().write({ key, bytes });
const bytesOf = async (key: string) => (await store().read({ key })).bytes;
const v = (version: number) => manifestKey("a", version);

interface Row {
  name: string;
  hurt: () => unknown;
  /** What is named, and what is said of it. */
  place: string;
  problem: string;
  remedy: string;
  /** Does what the remedy says. */
  mend: () => unknown;
}

let kept: Uint8Array;
const rows: Row[] = [
  {
    name: "the latest manifest is damaged",
    hurt: () => flip(v(3)),
    place: v(3),
    problem: "cannot be used",
    remedy: "go on from version 2: bun run supervisor --adopt=catalogd/a",
    mend: async () => {
      await adopt();
      const { version, parent, objects: now } = await catalog.verbs.manifest({ name: "a" });
      expect({ version, parent, now }).toEqual({ version: 4, parent: 3, now: [objects[1] as CatalogObject] });
    },
  },
  {
    name: "the only manifest is cut short",
    hurt: async () => {
      await register([], "one");
      truncateSync(fileOf(manifestKey("one", 1)), 100);
      await restart();
    },
    place: manifestKey("one", 1),
    problem: "cannot be used",
    remedy: "ingest the files of 'one' again: bun run supervisor --adopt=catalogd/one",
    mend: async () => {
      await adopt("one");
      expect((await register([], "one")).version).toBe(3);
    },
  },
  {
    name: "an earlier manifest is damaged, and put back",
    hurt: async () => {
      kept = await bytesOf(v(2));
      flip(v(2));
    },
    place: v(2),
    problem: "cannot be used",
    remedy: "put it back from a backup",
    mend: () => write(v(2), kept),
  },
  {
    name: "an earlier manifest is missing, and there is no backup",
    hurt: () => store().erase({ key: v(2) }),
    place: v(2),
    problem: "it is missing, and later versions are there",
    remedy: "take the latest version as it is: bun run supervisor --adopt=catalogd/a",
    mend: () => adopt(),
  },
  {
    name: "an object of the latest version is missing",
    hurt: () => store().erase({ key: "datasets/a/3" }),
    place: "primary://datasets/a/3",
    problem: "version 3 of dataset 'a' needs it, and it does not exist",
    remedy: "PUT /v1/storage/put/datasets/a/3",
    mend: () => catalog.object("datasets/a/3"),
  },
  {
    name: "an object of the latest version has other bytes",
    hurt: () => catalog.object("datasets/a/3", "short"),
    place: "primary://datasets/a/3",
    problem: "it has 5 bytes, not 12",
    remedy: "put the same bytes back under this key",
    mend: () => catalog.object("datasets/a/3"),
  },
  {
    name: "an object of an earlier version is missing",
    hurt: () => store().erase({ key: "datasets/a/1" }),
    place: "primary://datasets/a/1",
    problem: "version 1 of dataset 'a' needs it",
    remedy: "nothing that is served is lost, as version 1 is not the latest; accept that: bun run supervisor",
    mend: () => adopt(),
  },
  {
    name: "the latest manifest was deleted behind catalogd's back",
    hurt: () => store().erase({ key: v(3) }),
    place: v(3),
    problem: "it is missing: catalogd knows version 3 of 'a', and in storage is the latest is version 2",
    remedy: "take what is there: bun run supervisor --adopt=catalogd/a",
    mend: () => adopt(),
  },
  {
    name: "all manifests of a dataset were deleted behind its back",
    hurt: async () => {
      await register([], "one");
      await store().erase({ key: manifestKey("one", 1) });
    },
    place: manifestKey("one", 1),
    problem: "it is missing: catalogd knows version 1 of 'one', and in storage is none of its manifests",
    remedy: "bun run restore",
    mend: () => adopt("one"),
  },
  {
    name: "a manifest was written by somebody else",
    hurt: async () =>
      write(
        v(4),
        encodeManifest({ ...(await catalog.verbs.manifest({ name: "a" })), version: 4, parent: 3 }),
      ),
    place: v(4),
    problem: "it is the latest of 'a' in storage, and catalogd holds version 3",
    remedy: "restart catalogd",
    mend: () => restart(),
  },
  {
    name: "a whole manifest does not fit into its chain",
    hurt: async () => {
      const { parent: _, ...head } = await catalog.verbs.manifest({ name: "a" });
      await write(v(4), encodeManifest({ ...head, version: 4, row_count: 7, schema_fingerprint: "0" }));
      await restart();
    },
    place: v(4),
    problem:
      "its schema_fingerprint is not that of its columns; its row_count is 7, and its objects have 2 together; its parent is none, expected 3",
    remedy: "go on from version 3: bun run supervisor --adopt=catalogd/a",
    mend: () => adopt(),
  },
];

describe("damage is reported, and the remedy helps", () => {
  test.each(rows)("$name", async ({ hurt, place, problem, remedy, mend }) => {
    expect(await inspect()).toEqual([]);
    await hurt();
    const found = (await inspect()).filter((finding) => finding.place.endsWith(place));
    expect(found).toMatchObject([
      {
        severity: "damage",
        problem: expect.stringContaining(problem),
        remedy: expect.stringContaining(remedy),
      },
    ]);
    await mend();
    // What was accepted takes room, and no more.
    expect((await inspect()).filter(({ severity }) => severity === "damage")).toEqual([]);
    expect(catalog.catalogd.running.notReady?.()).toEqual([]);
    await restart();
    expect(catalog.catalogd.running.notReady?.()).toEqual([]);
  });
});

test("objects that no version refers to are left over once they are old", async () => {
  await catalog.object("datasets/b/young");
  await catalog.object("datasets/b/old");
  // A sidecar that no longer fits makes storaged hash the file again: its time is the file's.
  utimesSync(fileOf("datasets/b/old"), new Date(0), new Date(0));
  const [finding, ...more] = await inspect();
  expect(more).toEqual([]);
  expect(finding).toMatchObject({ severity: "leftover", place: "primary://datasets/b/" });
  expect(finding?.problem).toContain(
    "1 object of 14 bytes, older than 60 minutes, that no version refers to: datasets/b/old",
  );
  // A manifest that cannot be read may be what refers to it.
  flip(v(2));
  expect((await inspect()).map(({ severity }) => severity)).toEqual(["damage"]);
});

test("an inspection while datasets are written finds nothing", async () => {
  let writing = true;
  const write = async () => {
    for (let n = 0; writing; n++) {
      objects.push(await catalog.object(`datasets/w/${n}`));
      await register([objects.length - 1], n % 3 === 0 ? "w" : `w${n % 3}`);
      if (n % 4 === 0) await catalog.verbs.drop({ name: "w" }).catch(() => undefined);
    }
  };
  const work = write();
  for (let time = 0; time < 10; time++) expect(await inspect()).toEqual([]);
  writing = false;
  await work;
});

test("a catalog that is not read yet is not called whole", async () => {
  await catalog.stop();
  catalog = await startCatalog(directory.path, {
    between: (verbs) => ({ ...verbs, list: () => Promise.reject(new Error("away")) }),
  });
  await expect(inspect()).rejects.toMatchObject({ type: "unavailable" });
});
