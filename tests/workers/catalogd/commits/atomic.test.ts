/** Versions of several names: all or none, whatever breaks between the writes. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { manifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import { decodeManifest } from "../../../../workers/catalogd/manifests/manifest.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

/** What happens to a write of a manifest with this beginning: before it, or after it has landed. */
let breaks: { key: string; when: "before" | "after" } | undefined;

let directory: { path: string; remove: () => void };
let catalog: Catalog;
const start = () =>
  startCatalog(directory.path, {
    between: (verbs) => ({
      ...verbs,
      write: async (...asked) => {
        const hit = breaks !== undefined && asked[0].key.startsWith(breaks.key);
        if (hit && breaks?.when === "before") throw fail("unavailable", "broken before");
        const written = await verbs.write(...asked);
        if (hit) throw fail("outcome_unknown", "broken after");
        return written;
      },
    }),
  });
beforeEach(async () => {
  breaks = undefined;
  directory = temporaryDirectory("together");
  catalog = await start();
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

const registration = (name: string, changes: object = {}) => ({
  name,
  columns: twoColumns,
  objects: [],
  ...changes,
});
/** A new version of both, each with an object of its own. */
const both = async (tag: string) =>
  catalog.verbs.commit({
    registrations: [
      registration("rows", { made_by: tag, objects: [await catalog.object(`datasets/rows/${tag}`)] }),
      registration("rejects", { made_by: tag, objects: [await catalog.object(`datasets/rejects/${tag}`)] }),
    ],
  });
/** Who made the head of each; the two of one commit must be alike. */
const heads = async () => {
  const { manifests = [] } = await catalog.verbs.snapshot({});
  return Object.fromEntries(manifests.map(({ name, version, made_by }) => [name, `${version} ${made_by}`]));
};
const files = async (name: string) =>
  (await catalog.storaged.peer.verbs.list({ prefix: `_catalog/manifests/${name}/` })).objects.map(
    ({ key }) => key,
  );
const restart = async () => {
  breaks = undefined;
  await catalog.stop();
  catalog = await start();
};

describe("a commit of two names", () => {
  test("makes both, and their files hold them alone", async () => {
    const { manifests } = await both("one");
    expect(await heads()).toEqual({ rows: "1 one", rejects: "1 one" });
    for (const manifest of manifests) {
      const { bytes } = await catalog.storaged.peer.verbs.read({ key: manifestKey(manifest.name, 1) });
      expect(await decodeManifest(bytes)).toEqual(manifest);
    }
    await restart();
    expect(await heads()).toEqual({ rows: "1 one", rejects: "1 one" });
  });

  test("makes none when one of them is refused", async () => {
    await both("one");
    const refused: readonly (readonly [object, string])[] = [
      [{ columns: twoColumns.slice(1) }, "schema_drift"],
      [{ version: 7 }, "conflict"],
      [{ objects: [{ key: "none", bytes: 1, etag: "x", row_count: 1, statistics: [] }] }, "unprocessable"],
      [{ name: "ROWS" }, "unprocessable"],
      [{ name: "REJECTS" }, "conflict"],
    ];
    for (const [changes, type] of refused) {
      const rows = registration("rows", { objects: [await catalog.object("datasets/rows/next")] });
      const registrations = [rows, registration("rejects", changes)];
      await expect(catalog.verbs.commit({ registrations })).rejects.toMatchObject({ type });
      expect(await heads()).toEqual({ rows: "1 one", rejects: "1 one" });
    }
  });

  test("a number that was asked for is the one that is given", async () => {
    expect(await catalog.verbs.admit({ name: "rows" })).toEqual({ next_version: 1 });
    await both("one");
    await catalog.verbs.drop({ name: "rows" });
    expect(await catalog.verbs.admit({ name: "rows" })).toEqual({ next_version: 3 });
    const { manifests } = await catalog.verbs.commit({
      registrations: [registration("rows", { version: 3 })],
    });
    expect(manifests[0]?.version).toBe(3);
  });

  test("new columns replace the old ones where that is asked for, and the chain holds", async () => {
    const first = (await both("one")).manifests[1];
    const changed = registration("rejects", { columns: twoColumns.slice(1), new_columns: true });
    const { manifests } = await catalog.verbs.commit({ registrations: [changed] });
    expect(manifests[0]).toMatchObject({
      version: 2,
      parent: 1,
      dataset_id: first?.dataset_id,
      columns: twoColumns.slice(1),
    });
  });
});

const rejectsFolder = "_catalog/manifests/rejects/";
const rowsFolder = "_catalog/manifests/rows/";

describe("when storage fails after the first write", () => {
  for (const when of ["before", "after"] as const) {
    test(`${when} the second: both are there, and at the next start, too`, async () => {
      await both("one");
      breaks = { key: rejectsFolder, when };
      await both("two");
      expect(await heads()).toEqual({ rows: "2 two", rejects: "2 two" });
      await restart();
      expect(await heads()).toEqual({ rows: "2 two", rejects: "2 two" });
      expect(await files("rejects")).toEqual([1, 2].map((version) => manifestKey("rejects", version)));
    });
  }

  test("before the second: the next change of either name writes it first", async () => {
    for (const name of ["rejects", "rows"]) {
      breaks = { key: rejectsFolder, when: "before" };
      const { manifests } = await both(`before-${name}`);
      await expect(catalog.verbs.register(registration(name))).rejects.toMatchObject({
        type: "unavailable",
      });
      breaks = undefined;
      const next = await catalog.verbs.register(registration(name));
      expect(next.version).toBe((manifests[0]?.version ?? 0) + 1);
      expect(await files("rejects")).toEqual(
        (await files("rejects")).map((_, at) => manifestKey("rejects", at + 1)),
      );
      await catalog.verbs.register(registration(name === "rows" ? "rejects" : "rows"));
    }
  });

  test("with the first written and not answered: the next change of the second name finds both", async () => {
    await both("one");
    breaks = { key: rowsFolder, when: "after" };
    await expect(both("two")).rejects.toMatchObject({ type: "outcome_unknown" });
    breaks = undefined;
    expect((await catalog.verbs.register(registration("rejects"))).version).toBe(3);
    expect(await heads()).toEqual({ rows: "2 two", rejects: "3 client" });
    await restart();
    expect(await heads()).toEqual({ rows: "2 two", rejects: "3 client" });
  });

  test("with the first not written: none is there, and the numbers are free", async () => {
    await both("one");
    breaks = { key: rowsFolder, when: "before" };
    await expect(both("two")).rejects.toMatchObject({ type: "unavailable" });
    expect(await heads()).toEqual({ rows: "1 one", rejects: "1 one" });
    breaks = undefined;
    await both("three");
    expect(await heads()).toEqual({ rows: "2 three", rejects: "2 three" });
  });

  test("with the first written at the very end: the start makes both", async () => {
    await both("one");
    breaks = { key: rowsFolder, when: "after" };
    await expect(both("two")).rejects.toMatchObject({ type: "outcome_unknown" });
    await restart();
    expect(await heads()).toEqual({ rows: "2 two", rejects: "2 two" });
  });
});
