/** The ring of finished calls, as its reader sees it. */
import { expect, test } from "bun:test";
import { systemClock } from "../../../../runtime/scheduling/clock.ts";
import { createCalls } from "../../../../workers/chatd/answering/calls.ts";

const call = (model: string) => ({
  at: "2026-01-01T00:00:00Z",
  request_id: "r",
  provider: "p",
  model,
  outcome: "ok",
  streamed: false,
  duration_ms: 1,
  fallbacks: 0,
  retries: 0,
  cached: false,
});
const signal = new AbortController().signal;
const now = { waitMs: 0, signal };

test("calls are read in order, each once, and what was forgotten is counted", async () => {
  const calls = createCalls({ kept: 10, life: "a", clock: systemClock });
  for (let at = 1; at <= 25; at++) calls.add(call(`m${at}`));
  const first = await calls.after(0, now);
  expect(first.missed + first.calls.length).toBe(25);
  expect(first.calls.length).toBeGreaterThanOrEqual(10);
  expect(first.calls.at(-1)?.sequence).toBe(25);
  expect((await calls.after(24, now)).calls.map(({ model }) => model)).toEqual(["m25"]);
  expect(await calls.after(25, now)).toEqual({ calls: [], life: "a", missed: 0 });
});

test("pages are bounded and follow on each other", async () => {
  const calls = createCalls({ kept: 2000, life: "a", clock: systemClock });
  for (let at = 1; at <= 1200; at++) calls.add(call("m"));
  let sequence = 0;
  const sizes: number[] = [];
  for (let page = await calls.after(0, now); page.calls.length > 0; page = await calls.after(sequence, now)) {
    expect(page.calls[0]?.sequence).toBe(sequence + 1);
    sequence = page.calls.at(-1)?.sequence ?? sequence;
    sizes.push(page.calls.length);
  }
  expect(sizes).toEqual([500, 500, 200]);
});

test("who waits is woken by a call, by leaving and by the end of the service", async () => {
  const calls = createCalls({ kept: 10, life: "a", clock: systemClock });
  const long = { waitMs: 60_000, signal };
  const woken = calls.after(0, long);
  calls.add(call("m"));
  expect((await woken).calls).toHaveLength(1);
  const controller = new AbortController();
  const left = calls.after(1, { waitMs: 60_000, signal: controller.signal });
  controller.abort();
  expect((await left).calls).toEqual([]);
  const drained = calls.after(1, long);
  calls.drain();
  expect((await drained).calls).toEqual([]);
  expect((await calls.after(1, long)).calls).toEqual([]);
});

test("a number of another life reads this one from its beginning", async () => {
  const calls = createCalls({ kept: 10, life: "b", clock: systemClock });
  calls.add(call("m"));
  expect(await calls.after(900, now)).toMatchObject({ life: "b", missed: 0, calls: [{ sequence: 1 }] });
});
