/** Reading the past: versions by number and by time, their list, and what is said of those that are not there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ApiCase, runCases, says } from "../../../support/clients/api-case.ts";
import {
  type Catalog,
  type CatalogManifest,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directory = temporaryDirectory("history");
let catalog: Catalog;
/** Of `jobs`: versions 1 to 3, dropped by 4, and again from 5 on. Of `gone`: one, dropped by 2. */
const made: CatalogManifest[] = [];
let dropped = "";

beforeAll(async () => {
  catalog = await startCatalog(directory.path);
  const { verbs, object } = catalog;
  for (const rows of [1, 2, 3]) {
    const objects = [await object(`datasets/jobs/${rows}`, String(rows), rows)];
    made.push(await verbs.register({ name: "jobs", columns: twoColumns, objects, made_by: "me" }));
    await later();
  }
  await verbs.drop({ name: "jobs" });
  dropped = (await verbs.versions({ name: "jobs", page_size: 1 })).versions[0]?.created_at ?? "";
  await later();
  const columns = [{ name: "x", type: "DATE", nullable: true }];
  made.push(await verbs.register({ name: "jobs", columns, objects: [] }));
  await verbs.register({ name: "gone", columns: twoColumns, objects: [] });
  await verbs.drop({ name: "gone" });
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

/** Until the clock shows another millisecond: versions of one cannot be told apart by time. */
const later = async () => {
  for (const now = Date.now(); Date.now() === now; ) await Bun.sleep(0);
};
const before = (time: string | undefined) => new Date(Date.parse(time ?? "") - 1).toISOString();
const get = async (path: string) => {
  const response = await catalog.send(new Request(`http://localhost${path}`));
  return { status: response.status, etag: response.headers.get("etag"), body: await response.json() };
};

describe("a version", () => {
  test("by its number is what it was when it was made, after a restart too, and of a schema that is no more", async () => {
    for (const manifest of made) {
      const { body, etag } = await get(`/catalog/manifest/jobs?version=${manifest.version}`);
      expect(body).toEqual(manifest);
      expect(etag).toContain(`.${manifest.version}.`);
      expect((await get(`/catalog/manifest/jobs?version=${manifest.version}`)).body).toEqual(manifest);
    }
    expect((await get("/catalog/manifest/jobs")).body).toEqual(made[3]);
    await catalog.stop();
    catalog = await startCatalog(directory.path);
    expect(await catalog.verbs.manifest({ name: "jobs", version: 2 })).toEqual(made[1] as CatalogManifest);
  });

  test("of a dataset that was dropped can still be read", async () => {
    expect(await catalog.verbs.manifest({ name: "gone", version: 1 })).toMatchObject({ version: 1 });
  });

  test("by time is the one that was the latest then", async () => {
    const [first, second, third, fifth] = made;
    const at = (as_of: string) => catalog.verbs.manifest({ name: "jobs", as_of });
    expect(await at(first?.created_at ?? "")).toEqual(first as CatalogManifest);
    expect(await at(before(second?.created_at))).toEqual(first as CatalogManifest);
    expect(await at(before(dropped))).toEqual(third as CatalogManifest);
    expect(await at("9999-01-01T00:00:00+02:00")).toEqual(fifth as CatalogManifest);
  });
});

describe("the list", () => {
  test("has the latest first, drops among them, page by page", async () => {
    const seen: unknown[] = [];
    let token = "";
    do {
      const { body } = await get(`/catalog/versions/jobs?page_size=2${token}`);
      expect(body.versions.length).toBeLessThanOrEqual(2);
      seen.push(
        ...body.versions.map(({ version, operation, row_count }: CatalogManifest) => [
          version,
          operation,
          row_count,
        ]),
      );
      token = body.next_page_token === undefined ? "" : `&page_token=${body.next_page_token}`;
    } while (token !== "");
    expect(seen).toEqual([
      [5, "replace", 0],
      [4, "drop", 0],
      [3, "replace", 3],
      [2, "replace", 2],
      [1, "replace", 1],
    ]);
    const { versions } = await catalog.verbs.versions({ name: "jobs" });
    const { dataset_id, name, version, schema_fingerprint, row_count, bytes, created_at } = made[0] as never;
    expect(versions[4]).toEqual({
      ...{ dataset_id, name, version, schema_fingerprint, row_count, bytes, created_at },
      ...{ columns: 2, objects: 1, operation: "replace", made_by: "me" },
    });
  });
});

test("everything as of a time has the datasets that there were", async () => {
  const named = async (as_of: string) =>
    ((await catalog.verbs.snapshot({ as_of })).manifests ?? []).map(({ name, version }) => [name, version]);
  expect(await named(made[1]?.created_at ?? "")).toEqual([["jobs", 2]]);
  expect(await named(dropped)).toEqual([]);
  expect(await named("2999-01-01T00:00:00Z")).toEqual([["jobs", 5]]);
});

describe("queryd's question", () => {
  test("finds names in any case, and says why there is nothing", async () => {
    const { found } = await catalog.verbs.past({
      asked: [
        { name: "JOBS", version: 2 },
        { name: "jobs", as_of: dropped },
        { name: "never", version: 1 },
        { name: "Gone", version: 7 },
      ],
    });
    expect(found).toEqual([
      { manifest: made[1] as CatalogManifest },
      { problem: `there was no dataset 'jobs' at ${dropped}: it was dropped at ${dropped}, by version 4` },
      {},
      { problem: "there is no version 7 of 'gone': 'gone' has version 1 alone, and was dropped" },
    ]);
  });
});

test("a version that is damaged is named, and nothing is guessed around it", async () => {
  const { storaged, verbs } = catalog;
  const key = "_catalog/manifests/jobs/v00000002.parquet";
  const whole = (await storaged.peer.verbs.read({ key })).bytes;
  await storaged.peer.verbs.write({ key, bytes: whole.slice(0, -9) });
  const corrupt = expect.objectContaining({ type: "corrupt", message: expect.stringContaining("version 2") });
  await expect(verbs.manifest({ name: "jobs", version: 2 })).rejects.toMatchObject({ type: "corrupt" });
  const [first, second, third] = made;
  await expect(verbs.manifest({ name: "jobs", as_of: second?.created_at ?? "" })).rejects.toEqual(corrupt);
  await expect(verbs.manifest({ name: "jobs", as_of: first?.created_at ?? "" })).rejects.toEqual(corrupt);
  expect(await verbs.manifest({ name: "jobs", as_of: third?.created_at ?? "" })).toEqual(
    third as CatalogManifest,
  );
  const page = await verbs.versions({ name: "jobs" });
  expect(page.versions.map(({ version }) => version)).toEqual([5, 4, 3, 1]);
  expect(page.unreadable).toEqual([{ version: 2, reason: expect.stringContaining("v00000002.parquet") }]);
  await storaged.peer.verbs.write({ key, bytes: whole });
});

const invalid = says("invalid_field");
const missing = says("not_found");
const at = "/catalog/manifest/jobs";
const rows: ApiCase[] = [
  { name: "version 0", path: `${at}?version=0`, ...invalid() },
  { name: "a version that is no number", path: `${at}?version=latest`, ...invalid() },
  { name: "a version of nine digits", path: `${at}?version=100000000`, ...invalid() },
  { name: "a fraction", path: `${at}?version=1.5`, ...invalid() },
  { name: "a day without time", path: `${at}?as_of=2026-11-01`, ...invalid() },
  { name: "no time", path: `${at}?as_of=yesterday`, ...invalid() },
  {
    name: "a day that is none",
    path: `${at}?as_of=2026-02-31T00:00:00Z`,
    ...invalid("expected a time as 2026-11-01T00:00:00Z"),
  },
  { name: "an hour that is none", path: `${at}?as_of=2026-02-01T25:00:00Z`, ...invalid() },
  { name: "both", path: `${at}?version=1&as_of=2026-11-01T00:00:00Z`, ...invalid("got both") },
  { name: "another field", path: `${at}?number=1`, type: "unknown_field" },
  {
    name: "a version that is not there",
    path: `${at}?version=9`,
    ...missing("there is no version 9 of 'jobs': 'jobs' has versions 1 to 5"),
  },
  { name: "the drop", path: `${at}?version=4`, ...missing("is its drop") },
  {
    name: "before the first",
    path: `${at}?as_of=2001-01-01T00:00:00Z`,
    ...missing("there was no dataset 'jobs' at 2001-01-01T00:00:00Z: its first version is of 20"),
  },
  { name: "an unknown dataset", path: "/catalog/manifest/never?version=1", ...missing() },
  { name: "another case", path: "/catalog/manifest/JOBS?version=1", ...missing("'jobs'") },
  { name: "versions of an unknown dataset", path: "/catalog/versions/never", ...missing() },
  { name: "a bad name", path: "/catalog/manifest/jobs@3", ...invalid() },
  { name: "a page token that is none", path: `/catalog/versions/jobs?page_token=x`, ...invalid() },
  { name: "too large a page", path: `/catalog/versions/jobs?page_size=10001`, ...invalid() },
];
describe("bad input", () => runCases(rows, () => catalog.send));
