/** Writes whose answer never came: readers see what is there, as soon as storage can be asked. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { fail } from "../../../../runtime/errors/errors.ts";
import { manifestKey } from "../../../../workers/catalogd/manifests/key.ts";
import { encodeManifest } from "../../../../workers/catalogd/manifests/manifest.ts";
import { type Catalog, startCatalog, twoColumns } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

/** What becomes of the next write of a manifest, of which the catalog hears nothing. */
let cut: "landed" | "lost" | undefined;
let isDown: boolean;
let directory: { path: string; remove: () => void };
let catalog: Catalog;

beforeEach(async () => {
  cut = undefined;
  isDown = false;
  directory = temporaryDirectory("unknown-outcomes");
  catalog = await startCatalog(directory.path, {
    between: (verbs) => ({
      ...verbs,
      list: async (...asked) => {
        if (isDown) throw fail("unavailable", "storaged cannot be reached");
        return verbs.list(...asked);
      },
      write: async (...asked) => {
        const becomes = cut;
        cut = undefined;
        const written = becomes === "lost" ? undefined : await verbs.write(...asked);
        if (becomes !== undefined || written === undefined)
          throw fail("outcome_unknown", "storaged ended the connection");
        return written;
      },
    }),
  });
});
afterEach(async () => {
  await catalog.stop();
  directory.remove();
});

const register = (name: string) => catalog.verbs.register({ name, columns: twoColumns, objects: [] });
const cutShort = async (becomes: "landed" | "lost", work: () => Promise<unknown>) => {
  cut = becomes;
  await expect(work()).rejects.toMatchObject({ type: "outcome_unknown" });
};
const ways: Record<string, () => Promise<number | undefined>> = {
  manifest: async () => (await catalog.verbs.manifest({ name: "a" })).version,
  admit: async () => (await catalog.verbs.admit({ name: "a" })).next_version - 1,
  list: async () => (await catalog.verbs.list({})).datasets[0]?.version,
  snapshot: async () => (await catalog.verbs.snapshot({})).manifests?.[0]?.version,
};

test.each(Object.keys(ways))("what was written is there for whoever asks next: %s", async (way) => {
  await cutShort("landed", () => register("a"));
  expect(await ways[way]?.()).toBe(1);
});

test("what was dropped is not", async () => {
  await register("a");
  await cutShort("landed", () => catalog.verbs.drop({ name: "a" }));
  await expect(catalog.verbs.manifest({ name: "a" })).rejects.toMatchObject({ type: "not_found" });
});

test("what was not written is not, and its number is free", async () => {
  await cutShort("lost", () => register("a"));
  await expect(catalog.verbs.manifest({ name: "a" })).rejects.toMatchObject({ type: "not_found" });
  expect((await register("a")).version).toBe(1);
});

test("while storage cannot be asked that dataset is left out, and all else is served", async () => {
  await register("b");
  await cutShort("landed", () => register("a"));
  isDown = true;
  for (const way of ["manifest", "admit"])
    await expect(ways[way]?.()).rejects.toMatchObject({ type: "unavailable" });
  expect((await catalog.verbs.manifest({ name: "b" })).version).toBe(1);
  expect((await catalog.verbs.list({})).datasets.map(({ name }) => name)).toEqual(["b"]);
  isDown = false;
  expect((await catalog.verbs.list({})).datasets.map(({ name }) => name)).toEqual(["a", "b"]);
});

test("what landed after it was looked for is there when it is asked for by its operation", async () => {
  const first = await register("a");
  await cutShort("lost", () => catalog.verbs.drop({ name: "a" }));
  const late = { ...first, version: 2, parent: 1, operation_id: crypto.randomUUID() };
  expect((await catalog.verbs.manifest({ name: "a" })).version).toBe(1);
  await catalog.storaged.peer.verbs.write({ key: manifestKey("a", 2), bytes: encodeManifest(late) });
  const asked = { name: "a", operation_id: late.operation_id };
  expect((await catalog.verbs.made(asked)).manifest?.version).toBe(2);
  expect((await catalog.verbs.manifest({ name: "a" })).version).toBe(2);
});
