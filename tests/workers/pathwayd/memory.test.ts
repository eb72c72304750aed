/** Traces that do not fit into memory: refused, or left closed and named. */
import { expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { openMemory, perTest } from "../../support/stacks/pathwayd.ts";

const made = perTest();
const content = { what: "x".repeat(500) };
const full = { type: "memory_full" };

test("what does not fit is refused with the figures, also side by side; retiring goes on", async () => {
  const memory = await made.start(made.directory(), { config: { max_memory_bytes: 40_000 } });
  const added = await Promise.allSettled(
    Array.from({ length: 30 }, (_, at) => memory.verbs.add({ uid: `t${at}`, content })),
  );
  const good = added.filter(({ status }) => status === "fulfilled").length;
  expect(good).toBeGreaterThan(3);
  expect(good).toBeLessThan(30);
  const refused = added.find((one) => one.status === "rejected");
  expect(refused?.reason).toMatchObject({ ...full, status: 507, details: { budget_bytes: 40_000 } });
  expect(refused?.reason.message).toContain("pathwayd.max_memory_bytes is 40000");
  expect((await memory.verbs.stats({})).total).toBe(good);
  await memory.verbs.retire({ uid: "t0" });
});

test("a start leaves a log closed that does not fit, names it, and loses nothing", async () => {
  const directory = made.directory();
  const first = await openMemory(directory);
  for (let at = 0; at < 20; at++) await first.verbs.add({ uid: `t${at}`, content });
  await first.stop();
  const { size } = statSync(join(directory, "pathwayd/traces.log"));
  const small = await openMemory(directory, { config: { max_memory_bytes: 20_000 } });
  const reason = "traces.log stays closed: to be read it needs";
  expect(small.notReady()).toEqual([expect.stringContaining(reason)]);
  expect(small.notReady()[0]).toContain("raise pathwayd.max_memory_bytes");
  const { add, get, search } = small.verbs;
  for (const call of [() => add({ content }), () => get({ uid: "t1" }), () => search({})])
    await expect(call()).rejects.toMatchObject({ ...full, message: expect.stringContaining(reason) });
  await small.stop();
  expect(statSync(join(directory, "pathwayd/traces.log")).size).toBe(size);
  const again = await made.start(directory);
  expect((await again.verbs.stats({})).total).toBe(20);
});
