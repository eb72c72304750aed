import { expect, test } from "bun:test";
import { createTurns } from "../../../workers/ingestd/turns.ts";

const never = new AbortController().signal;
const state = async (promise: Promise<unknown>): Promise<"taken" | "waits"> =>
  Promise.race([promise.then(() => "taken" as const), Bun.sleep(0).then(() => "waits" as const)]);

test("so many run at once, the rest wait in order", async () => {
  const turns = createTurns(2, 10);
  const [a, b, c, d] = ["a", "b", "c", "d"].map((name) => turns.take(name, never));
  expect(await state(b as Promise<unknown>)).toBe("taken");
  expect(await state(c as Promise<unknown>)).toBe("waits");
  (await a)?.();
  expect(await state(c as Promise<unknown>)).toBe("taken");
  expect(await state(d as Promise<unknown>)).toBe("waits");
  (await b)?.();
  (await c)?.();
  (await d)?.();
  expect([turns.running(), turns.waiting()]).toEqual([0, 0]);
});

test("one name takes turns without holding up other names", async () => {
  const turns = createTurns(3, 10);
  const first = turns.take("same", never);
  const second = turns.take("same", never);
  const other = turns.take("other", never);
  expect(await state(other)).toBe("taken");
  expect(await state(second)).toBe("waits");
  (await first)();
  expect(await state(second)).toBe("taken");
});

test("too many waiting is refused at once, with a time to come back", async () => {
  const turns = createTurns(1, 1);
  await turns.take("a", never);
  const waiting = turns.take("b", never);
  await expect(turns.take("c", never)).rejects.toMatchObject({ type: "overloaded", retryAfterSeconds: 2 });
  expect(await state(waiting)).toBe("waits");
});

test("one that gives up leaves the queue; ending a turn twice counts once", async () => {
  const turns = createTurns(1, 5);
  const end = await turns.take("a", never);
  const leaving = new AbortController();
  const left = turns.take("b", leaving.signal);
  leaving.abort(new Error("gone"));
  await expect(left).rejects.toThrow("gone");
  expect(turns.waiting()).toBe(0);
  end();
  end();
  expect(turns.running()).toBe(0);
});
