/** Indexes that do not fit into memory: refused, or left closed and named, while the others serve. */
import { describe, expect, test } from "bun:test";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const dimension = 64;
const itemsOf = (from: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({
    id: `i${from + at}`,
    vector: Array.from({ length: dimension }, (_, place) => Math.sin(from + at + place) + 1),
    metadata: { n: from + at, name: `item ${from + at}` },
  }));
/** With its metadata, of a flat index: about. */
const itemBytes = 620;
const budgetOf = (items: number) => ({ max_memory_bytes: items * itemBytes });
const start = (items: number, directory?: string) =>
  startVectordStack({ settings: budgetOf(items), ...(directory && { directory }) });

async function make(stack: VectordStack, name: string, count: number) {
  expect((await stack.post("/index", { name, dimension, type: "flat" })).status).toBe(201);
  if (count > 0)
    expect((await stack.post(`/index/${name}/add`, { items: itemsOf(0, count) })).status).toBe(200);
}

/** Resolves when it answers with 200: nothing but its opening is waited for. */
async function opened(stack: VectordStack, name: string) {
  for (;;) {
    const { status, body } = await stack.get(`/index/${name}`);
    if (status === 200) return body;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

describe("adding", () => {
  test("is refused with the figures when it does not fit, and nothing of it is there", async () => {
    const stack = await start(300);
    await make(stack, "a", 200);
    const { status, body } = await stack.post("/index/a/add", { items: itemsOf(200, 200) });
    expect([status, body.error.type]).toEqual([507, "memory_full"]);
    expect(body.error.message).toContain("for 200 more items index 'a' needs");
    expect(body.error.message).toContain(
      "delete items and compact, drop an index, or raise vectord.max_memory_bytes",
    );
    const { needed_bytes: needed, taken_bytes: taken, budget_bytes: budget } = body.error.details;
    expect(budget).toBe(300 * itemBytes);
    expect(taken).toBeLessThanOrEqual(budget);
    expect(needed + taken).toBeGreaterThan(budget);
    expect((await stack.get("/index/a")).body.count).toBe(200);
    expect(
      (await stack.post("/index/a/search", { vector: itemsOf(3, 1)[0]?.vector, k: 1 })).body.results[0].id,
    ).toBe("i3");
    await make(stack, "b", 0);
    expect((await stack.post("/index/b/add", { items: itemsOf(0, 200) })).status).toBe(507);
    await stack.del("/index/a");
    expect((await stack.post("/index/b/add", { items: itemsOf(0, 200) })).status).toBe(200);
    await stack.stop();
  });

  test("side by side takes no more than there is", async () => {
    const stack = await start(300);
    await make(stack, "a", 0);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, at) => stack.post("/index/a/add", { items: itemsOf(at * 50, 50) })),
    );
    const good = answers.filter(({ status }) => status === 200).length;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 507]));
    expect(good * 50).toBeLessThanOrEqual(300);
    expect(good * 50).toBeGreaterThan(150);
    expect((await stack.get("/index/a")).body.count).toBe(good * 50);
    await stack.stop();
  });

  test("large metadata counts", async () => {
    const stack = await start(300);
    await make(stack, "a", 0);
    const metadata = { tags: Array.from({ length: 4000 }, (_, at) => `tag ${at}`) };
    const item = { id: "x", vector: itemsOf(0, 1)[0]?.vector, metadata };
    expect((await stack.post("/index/a/add", { items: [item] })).body.error.type).toBe("memory_full");
    await stack.stop();
  });
});

describe("a compaction holds live rows twice", () => {
  test("it is refused where they do not fit, and done when they do; dead rows are free then", async () => {
    const stack = await startVectordStack({ settings: { ...budgetOf(300), compact_deleted_percent: 100 } });
    await make(stack, "a", 250);
    const ids = itemsOf(0, 200).map(({ id }) => id);
    await stack.post("/index/a/delete", { ids: ids.slice(0, 20) });
    const refused = await stack.post("/index/a/compact");
    expect([refused.status, refused.body.error.message]).toEqual([
      507,
      expect.stringContaining("to be compacted index 'a' needs"),
    ]);
    await stack.post("/index/a/delete", { ids: ids.slice(20) });
    expect((await stack.post("/index/a/add", { items: itemsOf(1000, 100) })).status).toBe(507);
    expect((await stack.post("/index/a/compact")).body).toMatchObject({ count: 50, deleted: 0 });
    // The rows before it are given back once no search looks at them.
    while ((await stack.post("/index/a/add", { items: itemsOf(1000, 100) })).status === 507)
      await new Promise<void>((resolve) => setImmediate(resolve));
    expect((await stack.get("/index/a")).body.count).toBe(150);
    await stack.stop();
  });
});

test.each([
  [6e6, 0],
  [20e6, 1],
])(
  "of %p bytes, FAISS takes what it needs to save its structure, or it is not saved",
  async (bytes, kept) => {
    const stack = await startVectordStack({ settings: { max_memory_bytes: bytes } });
    expect((await stack.post("/index", { name: "a", dimension, type: "Flat" })).status).toBe(201);
    expect((await stack.post("/index/a/add", { items: itemsOf(0, 2000) })).status).toBe(200);
    await stack.indexed("a");
    const compacted = await stack.post("/index/a/compact");
    expect([compacted.status, compacted.body.count]).toEqual([200, 2000]);
    const { objects } = await stack.storaged.list({ prefix: "vectors/a/" });
    expect(objects.filter(({ key }) => key.includes("engine"))).toHaveLength(kept);
    const told = stack.log.filter((line) =>
      JSON.stringify(line).includes("for its engine to be saved index 'a' needs 4.7"),
    );
    expect(told).toHaveLength(1 - kept);
    await stack.stop();
  },
);

test("a snapshot that would not fit is not restored: what is there goes on", async () => {
  const stack = await startVectordStack({ settings: { ...budgetOf(700), compact_deleted_percent: 100 } });
  await make(stack, "a", 300);
  const { id } = (await stack.post("/index/a/snapshots")).body;
  const ids = itemsOf(0, 280).map((item) => item.id);
  await stack.post("/index/a/delete", { ids });
  await stack.post("/index/a/compact");
  await make(stack, "b", 500);
  const other = await stack.post(`/index/a/snapshots/${id}/restore`, { as: "c" });
  for (const { status, body } of [await stack.post(`/index/a/snapshots/${id}/restore`, {}), other])
    expect([status, body.error?.message]).toEqual([
      507,
      expect.stringContaining("to be restored the index needs"),
    ]);
  expect((await stack.get("/index/a")).body.count).toBe(20);
  expect((await stack.get("/index/c")).status).toBe(404);
  await stack.del("/index/b");
  expect((await stack.post(`/index/a/snapshots/${id}/restore`, {})).body.count).toBe(300);
  await stack.stop();
});

describe("a start", () => {
  test("leaves closed what does not fit, says so, and opens it when there is room", async () => {
    const directory = temporaryDirectory("vectord-memory");
    const first = await start(2000, directory.path);
    await make(first, "a", 200);
    await make(first, "b", 500);
    await make(first, "c", 100);
    const { id } = (await first.post("/index/a/snapshots")).body;
    await first.post("/index/a/compact");
    await first.stop();

    const stack = await start(600, directory.path);
    const reason = (await stack.get("/index/b")).body.error;
    expect([reason.code, reason.type]).toEqual([507, "memory_full"]);
    expect(reason.message).toContain("index 'b': it is closed: to be read it needs");
    expect(stack.running.notReady?.()).toEqual([reason.message]);
    const { body: list } = await stack.get("/index");
    expect(list.indexes.map(({ name }: { name: string }) => name)).toEqual(["a", "c"]);
    expect(list.unreadable).toEqual([{ name: "b", reason: reason.message }]);
    for (const verb of ["search", "add", "items/scroll", "compact", "delete"])
      expect((await stack.post(`/index/b/${verb}`, verb === "delete" ? { ids: ["x"] } : {})).status).toBe(
        507,
      );
    expect((await stack.post("/index", { name: "b", dimension })).status).toBe(409);
    expect(
      (await stack.post("/index/a/search", { vector: itemsOf(3, 1)[0]?.vector, k: 1 })).body.results[0].id,
    ).toBe("i3");
    expect((await stack.post(`/index/a/snapshots/${id}/restore`, {})).status).toBe(200);

    await stack.del("/index/a");
    expect((await opened(stack, "b")).count).toBe(500);
    expect(stack.running.notReady?.()).toEqual([]);
    await stack.stop();

    const smaller = await start(400, directory.path);
    expect((await smaller.get("/index/b")).status).toBe(507);
    await smaller.stop();
    const larger = await start(2000, directory.path);
    expect((await larger.get("/index/b")).body.count).toBe(500);
    await larger.stop();
    directory.remove();
  });

  test("an index whose texts turn out larger than expected is closed while it is read", async () => {
    const directory = temporaryDirectory("vectord-memory-texts");
    const first = await start(5000, directory.path);
    await make(first, "b", 0);
    const metadata = { tags: Array.from({ length: 300 }, () => "a") };
    const items = itemsOf(0, 40).map((item) => ({ ...item, metadata }));
    expect((await first.post("/index/b/add", { items })).status).toBe(200);
    await first.stop();
    const stack = await startVectordStack({
      directory: directory.path,
      settings: { max_memory_bytes: 300_000 },
    });
    expect((await stack.get("/index/b")).body.error.message).toContain("it is closed: to be read");
    await stack.stop();
    directory.remove();
  });

  test("a closed index can be dropped", async () => {
    const directory = temporaryDirectory("vectord-memory-drop");
    const first = await start(2000, directory.path);
    await make(first, "b", 500);
    await first.stop();
    const stack = await start(100, directory.path);
    expect((await stack.get("/index/b")).status).toBe(507);
    expect((await stack.del("/index/b")).body).toEqual({ dropped: true, name: "b" });
    expect((await stack.get("/index/b")).status).toBe(404);
    expect(stack.running.notReady?.()).toEqual([]);
    await stack.stop();
    directory.remove();
  });
});
