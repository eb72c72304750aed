import { expect, test } from "bun:test";
import { createLimiter } from "../../../runtime/scheduling/limiter.ts";

const refusal = (running: number, waiting: number) => new Error(`${running} run, ${waiting} wait`);
const never = new AbortController().signal;
const state = async (promise: Promise<unknown>): Promise<"taken" | "waits"> =>
  Promise.race([promise.then(() => "taken" as const), Bun.sleep(0).then(() => "waits" as const)]);

test("so many run at once, the rest wait in order", async () => {
  const limiter = createLimiter(2);
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => limiter.take(never, name));
  expect(await state(b as Promise<unknown>)).toBe("taken");
  expect(await state(c as Promise<unknown>)).toBe("waits");
  (await a)?.();
  expect(await state(c as Promise<unknown>)).toBe("taken");
  expect(await state(d as Promise<unknown>)).toBe("waits");
  (await b)?.();
  (await c)?.();
  (await d)?.();
  expect([limiter.running(), limiter.waiting()]).toEqual([0, 0]);
});

test("one name goes one after the other without holding up other names", async () => {
  const limiter = createLimiter(3);
  const first = limiter.take(never, "same");
  const second = limiter.take(never, "same");
  const other = limiter.take(never, "other");
  expect(await state(other)).toBe("taken");
  expect(await state(second)).toBe("waits");
  (await first)();
  expect(await state(second)).toBe("taken");
});

test("too many waiting is refused at once", async () => {
  const limiter = createLimiter(1, { waitingMax: 1, refusal });
  await limiter.take(never, "a");
  const waiting = limiter.take(never, "b");
  await expect(limiter.take(never, "c")).rejects.toThrow("1 run, 1 wait");
  expect(await state(waiting)).toBe("waits");
});

test("one that gives up leaves the queue; ending twice counts once", async () => {
  const limiter = createLimiter(1, { waitingMax: 5, refusal });
  const end = await limiter.take(never, "a");
  const leaving = new AbortController();
  const left = limiter.take(leaving.signal, "b");
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  expect(limiter.waiting()).toBe(0);
  end();
  end();
  expect(limiter.running()).toBe(0);
});
