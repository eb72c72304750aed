/** The way back: rollback, undrop and rename, the difference of versions, and what is said of what cannot be done. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ApiCase, runCase, runCases, says } from "../../../support/clients/api-case.ts";
import {
  type Catalog,
  type CatalogManifest,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const unmet = says("precondition_failed");

const directory = temporaryDirectory("returns");
let catalog: Catalog;
beforeAll(async () => {
  catalog = await startCatalog(directory.path);
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});

const restart = async () => {
  await catalog.stop();
  catalog = await startCatalog(directory.path);
  expect(catalog.catalogd.running.notReady?.()).toEqual([]);
};
/** A version of so many rows in an object of its own. */
const version = async (name: string, rows: number, columns = twoColumns) =>
  catalog.verbs.register({
    name,
    columns,
    objects: [await catalog.object(`datasets/${name}/${rows}`, "x".repeat(rows), rows)],
  });
/** `jobs/diff?from=1` is the verb `diff` of the dataset `jobs`; a name alone is its manifest. */
const placeOf = (path: string): string => {
  const [, name, verb = "manifest", query = ""] = /^([^/?]+)(?:\/(\w+))?(\?.*)?$/.exec(path) ?? [];
  return `/catalog/${verb}/${name}${query}`;
};
const post = (path: string, body: Record<string, unknown> = {}, headers: Record<string, string> = {}) =>
  catalog.send(
    new Request(`http://localhost${placeOf(path)}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
    }),
  );
const get = async (path: string) =>
  (await catalog.send(new Request(`http://localhost${placeOf(path)}`))).json();
const etagOf = async (name: string) =>
  (await catalog.send(new Request(`http://localhost/catalog/manifest/${name}`))).headers.get("etag") ?? "";
const wide = [...twoColumns, { name: "more", type: "DATE", nullable: true }];
/** Findings of the whole catalog. */
const findings = async () => {
  const found: unknown[] = [];
  const { durable } = catalog.catalogd.running;
  for await (const inspected of durable?.inspect(new AbortController().signal) ?? [])
    if ("finding" in inspected) found.push(inspected.finding);
  return found;
};

describe("rollback", () => {
  test("makes a version of what an earlier one holds, and keeps those between", async () => {
    const first = await version("back", 3);
    await catalog.verbs.drop({ name: "back" });
    const third = await version("back", 5, wide);
    const back = await catalog.verbs.rollback({ name: "back", version: 1 });
    expect(back).toEqual({
      ...first,
      ...{ version: 4, parent: 3, operation: "rollback", copy_of: "back@1", made_by: "client" },
      ...{ dataset_id: expect.any(String), created_at: expect.any(String) },
      // The third version gave an id more, which is not given again.
      last_column_id: 3,
    });
    // Both before gave the ids of columns by themselves: an open table of the three would mix them.
    expect([first.dataset_id, third.dataset_id]).not.toContain(back.dataset_id);
    expect((await get("back/versions")).versions[0]).toMatchObject({
      operation: "rollback",
      copy_of: "back@1",
    });
    await restart();
    expect(await catalog.verbs.manifest({ name: "back" })).toEqual(back);
    expect(await catalog.verbs.rollback({ name: "back", version: 3 })).toMatchObject({
      row_count: 5,
      version: 5,
    });
    expect(await findings()).toEqual([]);
  });

  test("to what is there already makes no version", async () => {
    const first = await version("same", 1);
    expect(await catalog.verbs.rollback({ name: "same", version: 1 })).toEqual(first);
    await version("same", 2);
    const back = await catalog.verbs.rollback({ name: "same", version: 1 });
    expect(await catalog.verbs.rollback({ name: "same", version: 1 })).toEqual(back);
  });

  test("with a key is done once, and with a condition only where it holds", async () => {
    await version("keyed", 1);
    const before = await etagOf("keyed");
    await version("keyed", 2);
    const stale = await post("keyed/rollback", { version: 1 }, { "if-match": before });
    expect([stale.status, (await stale.json()).error.details.version]).toEqual([412, 2]);
    expect((await post("keyed/rollback", { version: 1, if_match: before })).status).toBe(412);
    const now = await etagOf("keyed");
    const made = await post(
      "keyed/rollback",
      { version: 1 },
      { "if-match": `"x", ${now}`, "idempotency-key": "k" },
    );
    const answer = await made.text();
    expect([made.status, JSON.parse(answer).version]).toEqual([200, 3]);
    await version("keyed", 4);
    const again = await post(
      "keyed/rollback",
      { version: 1 },
      { "if-match": `"x", ${now}`, "idempotency-key": "k" },
    );
    expect(await again.text()).toBe(answer);
    expect((await post("keyed/rollback", { version: 1 }, { "if-match": "*" })).status).toBe(200);
  });

  test("to objects that are gone is refused, and changes nothing", async () => {
    await version("lost", 1);
    await version("lost", 2);
    await catalog.storaged.peer.verbs.erase({ key: "datasets/lost/1" });
    await expect(catalog.verbs.rollback({ name: "lost", version: 1 })).rejects.toMatchObject({
      type: "unprocessable",
      details: { objects: [{ key: "datasets/lost/1", reason: "does not exist" }] },
    });
    expect(await catalog.verbs.manifest({ name: "lost" })).toMatchObject({ version: 2 });
    await catalog.object("datasets/lost/1", "x", 1);
  });
});

describe("undrop", () => {
  test("brings a dataset back as it was, with its identity", async () => {
    await version("gone", 1);
    const second = await version("gone", 2);
    await catalog.verbs.drop({ name: "gone" });
    const { parent: _, ...content } = second;
    const back = await catalog.verbs.undrop({ name: "gone" });
    expect(back).toEqual({
      ...content,
      ...{ version: 4, operation: "undrop", copy_of: "gone@2", made_by: "client" },
      created_at: expect.any(String),
    });
    await restart();
    expect(await catalog.verbs.manifest({ name: "gone" })).toEqual(back);
    expect((await get("gone/versions")).versions.map((one: CatalogManifest) => one.operation)).toEqual([
      "undrop",
      "drop",
      "replace",
      "replace",
    ]);
    expect(await findings()).toEqual([]);
  });
});

describe("rename", () => {
  test("gives all of it another name at once; its past stays under the old one", async () => {
    await version("old", 1);
    const second = await version("old", 2);
    const { catalog_etag: known } = await catalog.verbs.snapshot({});
    const { parent: _, ...content } = second;
    const renamed = await catalog.verbs.rename({ name: "old", to: "new" });
    expect(renamed).toEqual({
      ...content,
      ...{ name: "new", version: 1, operation: "rename", copy_of: "old@2", made_by: "client" },
      created_at: expect.any(String),
    });
    expect(await catalog.verbs.snapshot({ known })).toMatchObject({ manifests: [renamed], removed: ["old"] });
    await expect(catalog.verbs.manifest({ name: "old" })).rejects.toMatchObject({
      type: "not_found",
      message: "there is no dataset named 'old': it was renamed to 'new'",
    });
    expect(await catalog.verbs.manifest({ name: "old", version: 2 })).toEqual(second);
    await restart();
    expect(await catalog.verbs.manifest({ name: "new" })).toEqual(renamed);
    expect((await get("old/versions")).versions[0]).toMatchObject({ operation: "drop", renamed_to: "new" });
    // What was under the old name can be had again, as a dataset of its own.
    const again = await catalog.verbs.undrop({ name: "old" });
    expect(again.dataset_id).not.toBe(renamed.dataset_id);
    expect(await findings()).toEqual([]);
  });

  test("takes a name that a drop has freed, and the way back", async () => {
    await version("here", 1);
    await version("there", 2);
    await catalog.verbs.drop({ name: "there" });
    expect(await catalog.verbs.rename({ name: "here", to: "there" })).toMatchObject({
      version: 3,
      row_count: 1,
    });
    expect(await catalog.verbs.rename({ name: "there", to: "here" })).toMatchObject({
      version: 3,
      row_count: 1,
    });
    await restart();
    expect((await catalog.verbs.list({})).datasets.map(({ name }) => name)).not.toContain("there");
  });

  test("is done for both names or for none, and once for its key", async () => {
    await version("pair", 1);
    const first = await (await post("pair/rename", { to: "pear" }, { "idempotency-key": "p" })).text();
    expect(await (await post("pair/rename", { to: "pear" }, { "idempotency-key": "p" })).text()).toBe(first);
    await Promise.allSettled(["a1", "a2", "a3"].map((to) => catalog.verbs.rename({ name: "pear", to })));
    const names = (await catalog.verbs.list({})).datasets.map(({ name }) => name);
    expect(names.filter((name) => /^(a\d|pear|pair)$/.test(name))).toHaveLength(1);
  });
});

test("the difference of two versions: columns, rows, bytes and objects", async () => {
  await version("two", 2);
  await catalog.verbs.register({
    ...{ name: "two", columns: twoColumns, operation: "append" },
    objects: [await catalog.object("datasets/two/more", "abc", 3)],
  });
  await catalog.verbs.drop({ name: "two" });
  await version("two", 2, [{ name: "id", type: "VARCHAR", nullable: false }, ...wide.slice(2)]);
  const kept = (count: number, bytes: number) => ({ count, bytes });
  expect(await get("two/diff?from=1&to=2")).toMatchObject({
    from: { version: 1, row_count: 2 },
    to: { version: 2, row_count: 5 },
    columns: { added: [], removed: [], renamed: [], retyped: [], nullability: [], reordered: [] },
    ...{ row_count: 3, bytes: 3, objects: { added: kept(1, 3), removed: kept(0, 0), kept: kept(1, 2) } },
  });
  expect(await get("two/diff?from=2")).toMatchObject({
    columns: {
      added: [{ ...wide[2], field_id: 2 }],
      removed: [{ ...twoColumns[1], field_id: 2 }],
      retyped: [{ name: "id", from: "BIGINT", to: "VARCHAR" }],
    },
    ...{ row_count: -3, bytes: -3, objects: { added: kept(0, 0), removed: kept(1, 3), kept: kept(1, 2) } },
  });
});

test("diff knows columns by their field ids", async () => {
  await version("three", 1, wide);
  await catalog.verbs.evolve({
    name: "three",
    rename: [{ name: "name", to: "title" }],
    drop: ["more"],
    add: [
      { name: "more", type: "DATE" },
      { name: "name", type: "VARCHAR" },
    ],
  });
  expect((await get("three/diff?from=1")).columns).toEqual({
    added: [
      { ...wide[2], field_id: 4 },
      { ...twoColumns[1], field_id: 5 },
    ],
    removed: [{ ...wide[2], field_id: 3 }],
    renamed: [{ from: "name", to: "title" }],
    ...{ retyped: [], nullability: [], reordered: [] },
  });
});

describe("bad input", () => {
  beforeAll(async () => {
    await version("jobs", 1);
    await version("jobs", 2);
    await version("away", 1);
    await catalog.verbs.drop({ name: "away" });
    await version("Taken", 1);
  });
  const invalid = says("invalid_field");
  const missing = says("not_found");
  const conflict = says("conflict");
  const row = (
    path: string,
    body: Record<string, unknown>,
    rest: Omit<ApiCase, "name" | "path">,
  ): ApiCase => ({
    ...{ name: `${path} ${JSON.stringify(body)}`, method: "POST", path: placeOf(path), body },
    ...rest,
  });
  const rows: ApiCase[] = [
    row("jobs/rollback", {}, invalid("version")),
    row("jobs/rollback", { version: 0 }, invalid()),
    row("jobs/rollback", { version: "1" }, invalid()),
    row("jobs/rollback", { version: 1, force: true }, { type: "unknown_field" }),
    row("jobs/rollback", { version: 3 }, missing("'jobs' has versions 1 to 2")),
    row("away/rollback", { version: 1 }, conflict("was dropped", "undrop/away")),
    row("away/rollback", { version: 2 }, missing("is its drop")),
    row("never/rollback", { version: 1 }, missing()),
    row("no-name/rollback", { version: 1 }, invalid()),
    row("jobs/rollback", { version: 1, if_match: "x" }, unmet()),
    row("jobs/undrop", {}, conflict("there is a dataset 'jobs', version 2", "rollback/jobs")),
    row("never/undrop", {}, missing()),
    row("jobs/undrop", { version: 1 }, { type: "unknown_field" }),
    row("jobs/rename", {}, invalid("to")),
    row("jobs/rename", { to: "jobs" }, invalid("another name than 'jobs'")),
    row("jobs/rename", { to: "JOBS" }, conflict("differs only by case")),
    row("jobs/rename", { to: "Taken" }, conflict("there is a dataset 'Taken' already")),
    row("jobs/rename", { to: "taken" }, conflict("'Taken'")),
    row("jobs/rename", { to: "a b" }, invalid()),
    row("jobs/rename", { to: "jobs@3" }, invalid()),
    row("jobs/rename", { to: "information_schema" }, { type: "invalid_name" }),
    row("away/rename", { to: "near" }, missing()),
    row("never/rename", { to: "near" }, missing()),
    row("jobs/rename", { to: "near", if_match: '"x"' }, unmet()),
    { name: "diff without from", path: "/catalog/diff/jobs", ...invalid() },
    { name: "diff of a version that is not there", path: "/catalog/diff/jobs?from=1&to=7", ...missing() },
    { name: "diff of a drop", path: "/catalog/diff/away?from=1&to=2", ...missing() },
    { name: "rollback by GET", path: "/catalog/rollback/jobs", type: "method_not_allowed" },
  ];
  runCases(rows, () => catalog.send);

  test("changes nothing", async () => {
    const { catalog_etag } = await catalog.verbs.snapshot({});
    for (const each of rows) await runCase(each, catalog.send);
    expect((await catalog.verbs.snapshot({})).catalog_etag).toBe(catalog_etag);
  });
});
