/** Aliases: other names that are switched in one step and survive a restart. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const directory = temporaryDirectory("vectord-aliases");
let stack: VectordStack;
const start = async (adopted: string[] = []) => {
  stack = await startVectordStack({ directory: directory.path, adopted });
};
const found = async () => (await stack.post("/index/live/search", { vector: [1, 1] })).body.results[0].id;

beforeAll(async () => {
  await start();
  for (const name of ["blue", "green"]) {
    await stack.post("/index", { name, dimension: 2 });
    await stack.post(`/index/${name}/add`, { items: [{ id: `in ${name}`, vector: [1, 1] }] });
  }
});
afterAll(async () => {
  await stack.stop();
  directory.remove();
});

test("an alias is a name of its index, for reading and for writing", async () => {
  expect((await stack.put("/alias/live", { index: "blue" })).body).toEqual({ alias: "live", index: "blue" });
  expect(await found()).toBe("in blue");
  expect((await stack.get("/index/live")).body).toMatchObject({ name: "blue", aliases: ["live"] });
  await stack.post("/index/live/add", { items: [{ id: "more", vector: [0, 1] }] });
  expect((await stack.get("/index/blue/items/more")).status).toBe(200);
});

test("switch, roll back, roll forward; each survives a restart", async () => {
  expect((await stack.put("/alias/live", { index: "green" })).body).toEqual({
    alias: "live",
    index: "green",
    previous: "blue",
  });
  expect(await found()).toBe("in green");
  expect((await stack.put("/alias/live", { index: "green" })).body.previous).toBe("blue");
  expect((await stack.post("/alias/live/rollback")).body).toEqual({
    alias: "live",
    index: "blue",
    previous: "green",
  });
  await stack.stop();
  await start();
  expect(await found()).toBe("in blue");
  expect((await stack.post("/alias/live/rollback")).body.index).toBe("green");
  await stack.stop();
  await start();
  expect((await stack.get("/alias")).body).toEqual({
    aliases: [{ alias: "live", index: "green", previous: "blue" }],
  });
});

test("many searches during many switches: each sees one index or the other", async () => {
  let over = false;
  const switching = (async () => {
    for (let at = 0; at < 30; at++)
      await stack.put("/alias/live", { index: at % 2 === 0 ? "blue" : "green" });
    over = true;
  })();
  while (!over) expect(await found()).toMatch(/^in (blue|green)$/);
  await switching;
});

test("changes of many aliases at once all happen", async () => {
  const names = Array.from({ length: 20 }, (_, at) => `n${at}`);
  await Promise.all(names.map((name) => stack.put(`/alias/${name}`, { index: "blue" })));
  expect((await stack.get("/alias")).body.aliases.length).toBe(21);
  expect((await stack.get("/index/blue")).body.aliases.length).toBe(20);
  await Promise.all(names.map((name) => stack.del(`/alias/${name}`)));
  expect((await stack.get("/alias")).body.aliases.length).toBe(1);
});

test("an index with an alias is not dropped; one that was previous may be", async () => {
  await stack.put("/alias/live", { index: "green" });
  const refused = await stack.del("/index/green");
  expect([refused.status, refused.body.error.message]).toEqual([409, expect.stringContaining("live")]);
  expect((await stack.del("/index/blue")).status).toBe(200);
  const gone = await stack.post("/alias/live/rollback");
  expect([gone.status, gone.body.error.message]).toEqual([
    409,
    expect.stringContaining("that index is gone"),
  ]);
  expect((await stack.del("/alias/live")).status).toBe(200);
  expect((await stack.get("/index/live")).status).toBe(404);
  expect((await stack.get("/index/green")).status).toBe(200);
});

describe("what is stored", () => {
  const key = "vectors/_aliases.json";
  const put = (text: string) => stack.storaged.write({ key, bytes: new TextEncoder().encode(text) });
  test.each([
    ["a newer format", '{"format":"lakehouse-vector-aliases","version":2,"aliases":{}}', "newer Lakehouse"],
    ["something else", '{"aliases":[]}', "cannot be read"],
    ["no JSON", "[", "cannot be read"],
  ])("%s: refused with its name, and indexes go on by their own", async (_, text, words) => {
    await put(text);
    await stack.stop();
    await start();
    const { status, body } = await stack.get("/alias");
    expect([status, body.error.type]).toEqual([500, "corrupt"]);
    expect(body.error.message).toContain(words);
    expect(stack.running.notReady?.().join()).toContain(key);
    expect((await stack.put("/alias/x", { index: "green" })).status).toBe(500);
    expect(new TextDecoder().decode((await stack.storaged.read({ key })).bytes)).toBe(text);
    expect((await stack.get("/index/green")).status).toBe(200);
  });

  test("someone else's change, or an earlier copy, is not taken for what was acknowledged", async () => {
    await stack.storaged.erase({ key });
    await stack.stop();
    await start();
    expect((await stack.get("/alias")).body.error.message).toContain("'vectors/_aliases.json' is missing");
    await stack.stop();
    await start(["vectord/_aliases.json"]);
    expect((await stack.put("/alias/ours", { index: "green" })).status).toBe(200);
    await put(
      '{"format":"lakehouse-vector-aliases","version":1,"aliases":[{"alias":"theirs","index":"green"}]}',
    );
    const { status, body } = await stack.put("/alias/more", { index: "green" });
    expect([status, body.error.type]).toEqual([500, "corrupt"]);
    expect(body.error.message).toContain("'vectors/_aliases.json' is not what was written last");
    expect((await stack.get("/index/ours")).status).toBe(200);
    await stack.stop();
    await start();
    expect((await stack.get("/alias")).body.error.message).toContain("is not what was written last");
    await stack.stop();
    await start(["vectord/_aliases.json"]);
    expect((await stack.get("/index/green")).body.aliases).toEqual(["theirs"]);
    await stack.stop();
    await start();
    expect((await stack.put("/alias/ours", { index: "green" })).status).toBe(200);
    expect((await stack.get("/index/green")).body.aliases).toEqual(["ours", "theirs"]);
  });
});
