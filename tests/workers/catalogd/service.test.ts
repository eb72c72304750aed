/** The catalog over a real store: what registering, dropping, listing and waiting do, and what a restart keeps. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Catalog, type Registration, startCatalog, twoColumns } from "../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("catalogd");
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
};
const register = (name: string, objects: Registration["objects"], more: Partial<Registration> = {}) =>
  catalog.verbs.register({ name, columns: twoColumns, objects, ...more });
const files = async (name: string) =>
  (await catalog.storaged.peer.verbs.list({ prefix: `_catalog/manifests/${name}/` })).objects.map(({ key }) =>
    key.slice(-17),
  );
const get = (path: string, headers: Record<string, string> = {}) =>
  catalog.send(new Request(`http://localhost${path}`, { headers }));
const etagOf = async () => (await catalog.verbs.snapshot({})).catalog_etag;

describe("register", () => {
  test("makes versions of one dataset, each a file, the answer after the file", async () => {
    const objects = [await catalog.object("datasets/versions/1", "one", 3)];
    const first = await register("versions", objects, { made_by: "ingestd" });
    expect(first).toMatchObject({
      name: "versions",
      version: 1,
      row_count: 3,
      bytes: 3,
      made_by: "ingestd",
      objects,
    });
    const second = await register("versions", [
      ...objects,
      await catalog.object("datasets/versions/2", "two", 4),
    ]);
    expect(second).toMatchObject({
      dataset_id: first.dataset_id,
      version: 2,
      parent: 1,
      row_count: 7,
      operation: "replace",
    });
    expect(second.schema_fingerprint).toBe(first.schema_fingerprint);
    expect(await files("versions")).toEqual(["v00000001.parquet", "v00000002.parquet"]);
    expect(await catalog.verbs.manifest({ name: "versions" })).toEqual(second);
  });

  test("of the same objects again is the same version, and writes nothing", async () => {
    const objects = [await catalog.object("datasets/same/1")];
    const first = await register("same", objects);
    const etag = await etagOf();
    expect(await register("same", structuredClone(objects), { made_by: "someone else" })).toEqual(first);
    expect(await register("same", [], { operation: "append" })).toEqual(first);
    expect(await files("same")).toEqual(["v00000001.parquet"]);
    expect(await etagOf()).toBe(etag);
  });

  test("by append adds to the objects", async () => {
    const [one, two] = [
      await catalog.object("datasets/append/1"),
      await catalog.object("datasets/append/2", "2", 5),
    ];
    await register("append", [one], { operation: "append" });
    expect(await register("append", [two], { operation: "append" })).toMatchObject({
      version: 2,
      objects: [one, two],
      row_count: 6,
    });
    await expect(register("append", [two], { operation: "append" })).rejects.toMatchObject({
      type: "conflict",
      details: { keys: ["datasets/append/2"] },
    });
  });

  test("keeps statistics, an empty dataset and addresses with a bucket", async () => {
    const empty = await register("empty", []);
    expect(empty).toMatchObject({ objects: [], row_count: 0, bytes: 0 });
    const object = await catalog.object("datasets/empty/1");
    const statistics = [{ column: "id", field_id: 1, null_count: 0, value_count: 1, min: "1", max: "1" }];
    await register("empty", [{ ...object, key: "primary://datasets/empty/1", statistics }]);
    await restart();
    const [kept] = (await catalog.verbs.manifest({ name: "empty" })).objects;
    expect(kept).toEqual({ ...object, key: "primary://datasets/empty/1", statistics });
  });

  test("with an Idempotency-Key answers the first answer again", async () => {
    const send = (key: string) =>
      catalog.send(
        new Request("http://localhost/catalog/register", {
          method: "POST",
          headers: { "idempotency-key": key, "content-type": "application/json" },
          body: JSON.stringify({ name: "once", columns: twoColumns, objects: [] }),
        }),
      );
    const first = await (await send("k1")).text();
    await catalog.verbs.drop({ name: "once" });
    expect(await (await send("k1")).text()).toBe(first);
    await expect(catalog.verbs.manifest({ name: "once" })).rejects.toMatchObject({ type: "not_found" });
  });
});

describe("drop", () => {
  test("hides the dataset and frees the name for any schema; numbers go on", async () => {
    const first = await register("dropped", []);
    expect(await catalog.verbs.drop({ name: "dropped" })).toEqual({ name: "dropped", dropped: true });
    await expect(catalog.verbs.manifest({ name: "dropped" })).rejects.toMatchObject({ type: "not_found" });
    await expect(catalog.verbs.drop({ name: "dropped" })).rejects.toMatchObject({ type: "not_found" });
    await restart();
    await expect(catalog.verbs.manifest({ name: "dropped" })).rejects.toMatchObject({ type: "not_found" });
    const again = await register("dropped", [], { columns: [{ name: "x", type: "DATE", nullable: true }] });
    expect(again.version).toBe(3);
    expect(again.dataset_id).not.toBe(first.dataset_id);
    expect(await files("dropped")).toEqual(["v00000001.parquet", "v00000002.parquet", "v00000003.parquet"]);
  });

  test("frees the name in every case", async () => {
    await register("Cased", []);
    await expect(register("cased", [])).rejects.toMatchObject({
      type: "conflict",
      details: { name: "Cased" },
    });
    await catalog.verbs.drop({ name: "Cased" });
    await register("cased", []);
    await expect(register("Cased", [])).rejects.toMatchObject({ type: "conflict" });
  });
});

describe("reading over HTTP", () => {
  test("a manifest has an etag that answers 304 until it changes", async () => {
    await register("etag", []);
    const first = await get("/catalog/manifest/etag");
    const etag = first.headers.get("etag") ?? "";
    expect(etag).toMatch(/^"[0-9a-f-]{36}\.1\.\d{13}"$/);
    const known = await get("/catalog/manifest/etag", { "if-none-match": etag });
    expect([known.status, await known.text()]).toEqual([304, ""]);
    await register("etag", [await catalog.object("datasets/etag/1")]);
    expect((await get("/catalog/manifest/etag", { "if-none-match": etag })).status).toBe(200);
  });

  test("the list pages by name; its etag answers 304 until anything changes, and across a restart", async () => {
    for (const name of ["page_a", "page_b", "page_c"]) await register(name, []);
    const names: string[] = [];
    let token: string | undefined;
    do {
      const path = `/catalog/list?page_size=2${token === undefined ? "" : `&page_token=${token}`}`;
      const page = (await (await get(path)).json()) as {
        datasets: { name: string }[];
        next_page_token?: string;
      };
      expect(page.datasets.length).toBeLessThanOrEqual(2);
      names.push(...page.datasets.map(({ name }) => name));
      token = page.next_page_token;
    } while (token !== undefined);
    expect(names).toEqual([...names].sort());
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(expect.arrayContaining(["page_a", "page_b", "page_c"]));

    const whole = await get("/catalog/list");
    const text = await whole.text();
    const etag = whole.headers.get("etag") ?? "";
    expect((await get("/catalog/list", { "if-none-match": etag })).status).toBe(304);
    await restart();
    expect((await get("/catalog/list", { "if-none-match": etag })).status).toBe(304);
    expect(await (await get("/catalog/list")).text()).toBe(text);
    await catalog.verbs.drop({ name: "page_b" });
    expect((await get("/catalog/list", { "if-none-match": etag })).status).toBe(200);
  });

  test("a summary counts what the manifest lists", async () => {
    const manifest = await register("counted", [await catalog.object("datasets/counted/1", "abc", 7)]);
    const { datasets } = await catalog.verbs.list({});
    expect(datasets.find(({ name }) => name === "counted")).toEqual({
      dataset_id: manifest.dataset_id,
      name: "counted",
      version: 1,
      schema_fingerprint: manifest.schema_fingerprint,
      columns: 2,
      objects: 1,
      row_count: 7,
      bytes: 3,
      created_at: manifest.created_at,
    });
  });
});

describe("changes and snapshot", () => {
  test("a subscriber hears of a registration and a drop at once", async () => {
    const before = await etagOf();
    const waiting = catalog.verbs.changes({ since: before });
    const manifest = await register("news", []);
    const { catalog_etag: after } = await waiting;
    expect(after).not.toBe(before);
    const { manifests = [] } = await catalog.verbs.snapshot({ known: before });
    expect(manifests.find(({ name }) => name === "news")).toEqual(manifest);
    expect(await catalog.verbs.snapshot({ known: after })).toEqual({ catalog_etag: after });
    const dropped = catalog.verbs.changes({ since: after });
    await catalog.verbs.drop({ name: "news" });
    expect((await dropped).catalog_etag).not.toBe(after);
    expect(await catalog.verbs.snapshot({ known: after })).toMatchObject({
      manifests: [],
      removed: ["news"],
    });
  });

  test("what changed since any state seen, applied to it, is what there is now", async () => {
    const seen: Awaited<ReturnType<typeof catalog.verbs.snapshot>>[] = [await catalog.verbs.snapshot({})];
    for (const [step, name] of ["d1", "d2", "d1", "d3", "d2", "d1"].entries()) {
      if (step === 4) await catalog.verbs.drop({ name });
      else await register(name, []);
      seen.push(await catalog.verbs.snapshot({}));
    }
    const now = seen.at(-1);
    for (const state of seen) {
      const news = await catalog.verbs.snapshot({ known: state.catalog_etag });
      const names = new Map((state.manifests ?? []).map((manifest) => [manifest.name, manifest]));
      for (const name of news.removed ?? []) names.delete(name);
      for (const manifest of news.manifests ?? []) names.set(manifest.name, manifest);
      const sorted = [...names.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      expect(sorted).toEqual(now?.manifests as never);
      expect(news.catalog_etag).toBe(now?.catalog_etag as string);
      expect(news.manifests?.length ?? 0).toBeLessThanOrEqual(3);
    }
    expect((await catalog.verbs.snapshot({ known: "another" })).removed).toBeUndefined();
  });

  test("without `since` or patience the answer is at once", async () => {
    const etag = await etagOf();
    expect(await catalog.verbs.changes({})).toEqual({ catalog_etag: etag });
    expect(await catalog.verbs.changes({ since: etag, wait_ms: 0 })).toEqual({ catalog_etag: etag });
    expect(await catalog.verbs.changes({ since: etag, wait_ms: 5 })).toEqual({ catalog_etag: etag });
    expect(await catalog.verbs.changes({ since: "another" })).toEqual({ catalog_etag: etag });
  });

  test("all is the same after a restart", async () => {
    const before = await catalog.verbs.snapshot({});
    expect((before.manifests ?? []).length).toBeGreaterThan(5);
    await restart();
    expect(await catalog.verbs.snapshot({})).toEqual(before);
    expect(await catalog.verbs.snapshot({ known: before.catalog_etag })).toEqual({
      catalog_etag: before.catalog_etag,
    });
  });
});

test("metrics count what happened", async () => {
  await restart();
  await register("metered", []);
  await register("metered", []);
  await register("metered", [await catalog.object("datasets/metered/1")]);
  await expect(
    register("metered", [], { columns: [{ name: "z", type: "DATE", nullable: true }] }),
  ).rejects.toThrow("schema differs");
  await catalog.verbs.drop({ name: "metered" });
  const page = await (await get("/metrics")).text();
  for (const line of [
    'lakehouse_catalogd_registers_total{outcome="created"} 1',
    'lakehouse_catalogd_registers_total{outcome="unchanged"} 1',
    'lakehouse_catalogd_registers_total{outcome="replace"} 1',
    'lakehouse_catalogd_conflicts_total{type="schema_drift"} 1',
    "lakehouse_catalogd_drops_total 1",
    `lakehouse_catalogd_datasets ${(await catalog.verbs.list({})).datasets.length}`,
    "lakehouse_catalogd_datasets_unreadable 0",
  ])
    expect(page).toContain(`${line}\n`);
  expect(page).toMatch(/lakehouse_catalogd_rehydrate_seconds 0\.\d+\n/);
});

test("a subscriber over HTTP that goes away is no failure", async () => {
  const caller = new AbortController();
  const since = await etagOf();
  const request = new Request(`http://localhost/catalog/changes?since=${since}`, { signal: caller.signal });
  const waiting = catalog.send(request);
  await catalog.verbs.list({});
  caller.abort();
  expect((await waiting).status).toBe(499);
  expect(catalog.catalogd.log.filter(({ level }) => level === "error")).toEqual([]);
});
