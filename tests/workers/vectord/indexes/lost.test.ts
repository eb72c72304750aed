/**
 * What was acknowledged and is not there any more, or is older, closes its index by name: searches and adds answer
 * `corrupt`, the others go on. A mark that lags behind, as a kill leaves it, closes nothing.
 */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Durable } from "../../../../runtime/durable/inspection.ts";
import { findingsOf } from "../../../support/durability/durable.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

let directory: ReturnType<typeof temporaryDirectory>;
let stack: VectordStack;
const start = async (adopted: string[] = []) => {
  stack = await startVectordStack({ directory: directory.path, adopted });
};
const restart = async (harm: () => unknown = () => {}, adopted: string[] = []) => {
  await stack.stop();
  await harm();
  await start(adopted);
};
const ok = ({ status, body }: { status: number; body: unknown }) => {
  if (status >= 300) throw new Error(JSON.stringify(body));
  return body;
};
const item = (id: string) => ({ id, vector: [id.length, 1, 2] });
const add = async (name: string, ...ids: string[]) =>
  ok(await stack.post(`/index/${name}/add`, { items: ids.map(item) }));
const idsIn = async (name: string): Promise<string[]> => {
  const { results } = ok(await stack.post(`/index/${name}/search`, { vector: [1, 1, 1], k: 100 })) as {
    results: { id: string }[];
  };
  return results.map(({ id }) => id).sort();
};

/** `x`: a checkpoint with two items, then three segments of one item. `y` is another index. */
beforeEach(async () => {
  directory = temporaryDirectory("vectord-lost");
  await start();
  for (const name of ["x", "y"]) ok(await stack.post("/index", { name, dimension: 3 }));
  await add("y", "y1");
  await add("x", "a", "bb");
  ok(await stack.post("/index/x/compact"));
  for (const id of ["ccc", "dddd", "eeeee"]) await add("x", id);
  ok(await stack.put("/alias/blue", { index: "y" }));
});
afterEach(async () => {
  await stack.stop();
  directory.remove();
});

const bucket = () => join(directory.path, "buckets/primary");
const keysUnder = (prefix: string): string[] =>
  readdirSync(join(bucket(), prefix), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(bucket().length + 1))
    .sort();
const kinds: Record<string, () => string> = {
  manifest: () => "vectors/x/manifest.lhv1",
  checkpoint: () => keysUnder("vectors/x").find((key) => /checkpoints\/.*lhv1$/.test(key)) ?? "",
  "the last segment": () =>
    keysUnder("vectors/x")
      .filter((key) => key.includes("/segments/"))
      .at(-1) ?? "",
  "a segment in the middle": () =>
    keysUnder("vectors/x")
      .filter((key) => key.includes("/segments/"))
      .at(-2) ?? "",
};
const erase = (key: string) => stack.storaged.erase({ key });
const damage = async () =>
  (await findingsOf(stack.running.durable as Durable)).filter(({ severity }) => severity === "damage");

const expectClosed = async (key: string) => {
  const answers = await Promise.all([
    stack.post("/index/x/search", { vector: [1, 1, 1], k: 1 }),
    stack.post("/index/x/add", { items: [item("z")] }),
    stack.get("/index/x"),
  ]);
  for (const { status, body } of answers) {
    expect([status, body.error.type]).toEqual([500, "corrupt"]);
    expect(body.error.message).toContain(key);
  }
  expect((await stack.post("/index", { name: "x", dimension: 3 })).status).toBe(409);
  expect(stack.running.notReady?.()).toEqual([expect.stringContaining(key)]);
  const found = await damage();
  expect(found.map(({ place }) => place)).toContain(`primary://${key}`);
  expect(found.every(({ remedy }) => remedy.includes("a backup"))).toBe(true);
  expect(await idsIn("blue")).toEqual(["y1"]);
};

const flip = (path: string) => {
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
};
const harms: [string, (path: string) => void][] = [
  ["a flipped bit", flip],
  ["cut by one byte", (path) => truncateSync(path, readFileSync(path).length - 1)],
  ["emptied", (path) => truncateSync(path)],
  ["removed", (path) => rmSync(path)],
];
test("an engine's file that is gone without a trace is named until it is written anew, and all is served", async () => {
  ok(await stack.post("/index", { name: "graph", dimension: 3, type: "hnsw" }));
  await add("graph", "a", "bb", "ccc");
  ok(await stack.post("/index/graph/compact"));
  const key = keysUnder("vectors/graph").find((each) => each.includes("engine")) ?? "";
  await restart(() => erase(key));
  expect(stack.running.notReady?.()).toEqual([expect.stringContaining(`'${key}' is damaged or missing`)]);
  expect(await idsIn("graph")).toEqual(["a", "bb", "ccc"]);
  ok(await stack.post("/index/graph/compact"));
  expect([stack.running.notReady?.(), await damage()]).toEqual([[], []]);
  await restart();
  expect([stack.running.notReady?.(), await idsIn("graph")]).toEqual([[], ["a", "bb", "ccc"]]);
});

describe.each(Object.keys(kinds))("%s", (kind) => {
  test.each(harms)("%s on the disk", async (_, harm) => {
    const key = kinds[kind]?.() ?? "";
    const path = join(bucket(), key);
    copyFileSync(path, `${directory.path}-kept`);
    await restart(() => harm(path));
    await expectClosed(key);
    // The bytes that belong there mend it.
    await stack.storaged.write({ key, bytes: readFileSync(`${directory.path}-kept`) });
    rmSync(`${directory.path}-kept`);
    await restart();
    expect([await idsIn("x"), await damage()]).toEqual([["a", "bb", "ccc", "dddd", "eeeee"], []]);
  });

  test("gone without a trace in storage", async () => {
    const key = kinds[kind]?.() ?? "";
    await erase(key);
    // Who runs has it in memory, and an inspection tells.
    expect(await idsIn("x")).toHaveLength(5);
    expect((await damage()).map(({ place }) => place)).toContain(`primary://${key}`);
    await restart();
    await expectClosed(key);
    await restart();
    await expectClosed(key);
    ok(await stack.del("/index/x"));
    expect([stack.running.notReady?.(), await damage(), existsSync(join(bucket(), "vectors/x"))]).toEqual([
      [],
      [],
      false,
    ]);
    ok(await stack.post("/index", { name: "x", dimension: 3 }));
    await add("x", "new");
    await restart();
    expect(await idsIn("x")).toEqual(["new"]);
  });
});

test("an earlier manifest, with all that it names", async () => {
  const key = "vectors/x/manifest.lhv1";
  const { bytes } = await stack.storaged.read({ key });
  ok(await stack.post("/index/x/snapshots"));
  await stack.storaged.write({ key, bytes });
  await restart();
  await expectClosed(key);
  await restart(undefined, ["vectord/x"]);
  expect(await idsIn("x")).toHaveLength(5);
  await restart();
  expect([await idsIn("x"), await damage()]).toEqual([["a", "bb", "ccc", "dddd", "eeeee"], []]);
});

test("the last segments are taken as lost when an operator says so", async () => {
  await erase(kinds["the last segment"]?.() ?? "");
  await restart(undefined, ["vectord/x"]);
  expect(await idsIn("x")).toEqual(["a", "bb", "ccc", "dddd"]);
  await add("x", "ffffff");
  await restart();
  expect([await idsIn("x"), await damage()]).toEqual([["a", "bb", "ccc", "dddd", "ffffff"], []]);
});

test("a whole index, and the aliases with it", async () => {
  const meta = join(bucket(), ".lakehouse/meta");
  await restart(() => {
    rmSync(join(bucket(), "vectors/x"), { recursive: true });
    rmSync(join(bucket(), "vectors/_aliases.json"));
    cpSync(meta, `${directory.path}-meta`, { recursive: true });
  });
  rmSync(`${directory.path}-meta`, { recursive: true });
  expect(stack.running.notReady?.()).toEqual([
    expect.stringContaining("vectors/x/manifest.lhv1"),
    expect.stringContaining("vectors/_aliases.json"),
  ]);
  expect((await stack.get("/alias")).body.error.type).toBe("corrupt");
  expect((await stack.post("/index/x/search", { vector: [1, 1, 1], k: 1 })).body.error.type).toBe("corrupt");
  expect(await idsIn("y")).toEqual(["y1"]);
});

test("a dropped index does not come back, and leaves no mark", async () => {
  ok(await stack.del("/index/x"));
  await restart();
  expect((await stack.get("/index/x")).status).toBe(404);
  expect([stack.running.notReady?.(), await damage()]).toEqual([[], []]);
});

test("a restored index must reach as far as the snapshot", async () => {
  const { id } = ok(await stack.post("/index/x/snapshots")) as { id: string };
  ok(await stack.post(`/index/x/snapshots/${id}/restore`, { as: "copy" }));
  await restart();
  expect(await idsIn("copy")).toHaveLength(5);
  const last =
    keysUnder("vectors/copy")
      .filter((key) => key.includes("/segments/"))
      .at(-1) ?? "";
  await erase(last);
  await restart();
  expect((await stack.get("/index/copy")).body.error.message).toContain(last);
  expect(await idsIn("x")).toHaveLength(5);
});

test("marks that lag behind, or that are not there, close nothing", async () => {
  const marks = join(directory.path, "marks");
  const kept = `${directory.path}-marks`;
  await restart(() => cpSync(marks, kept, { recursive: true }));
  await add("x", "ffffff");
  ok(await stack.post("/index", { name: "new", dimension: 3 }));
  await restart(() => {
    rmSync(marks, { recursive: true });
    cpSync(kept, marks, { recursive: true });
  });
  expect([await idsIn("x"), await idsIn("new"), stack.running.notReady?.()]).toEqual([
    ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"],
    [],
    [],
  ]);
  rmSync(kept, { recursive: true });
  await restart(() => rmSync(marks, { recursive: true }));
  expect([(await idsIn("x")).length, stack.running.notReady?.()]).toEqual([6, []]);
  // What was taken is known from then on.
  await erase(kinds["the last segment"]?.() ?? "");
  await restart();
  expect((await stack.get("/index/x")).body.error.type).toBe("corrupt");
});
