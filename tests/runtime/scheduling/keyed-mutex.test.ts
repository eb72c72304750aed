import { expect, test } from "bun:test";
import { createKeyedMutex } from "../../../runtime/scheduling/limiter.ts";

test("work on one key goes on in order, also after a failure; other keys do not wait", async () => {
  const mutex = createKeyedMutex();
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = mutex("a", async () => {
    await promise;
    order.push("first");
    throw new Error("failed");
  });
  const second = mutex("a", async () => order.push("second"));
  await mutex("b", async () => order.push("other"));
  resolve();
  await expect(slow).rejects.toThrow("failed");
  await second;
  expect(order).toEqual(["other", "first", "second"]);
});

test("so many wait for one key, others are refused", async () => {
  const mutex = createKeyedMutex({ waitingMax: 1, refusal: (key) => new Error(`${key}: too many`) });
  const { promise, resolve } = Promise.withResolvers<void>();
  const held = [mutex("a", () => promise), mutex("a", () => promise)];
  await expect(mutex("a", () => promise)).rejects.toThrow("a: too many");
  await mutex("b", async () => {});
  resolve();
  await Promise.all(held);
  await mutex("a", async () => {});
});

test("settled waits for what is under way, not for what comes after", async () => {
  const mutex = createKeyedMutex();
  const [first, later] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const held = mutex("a", () => first.promise);
  const settled = mutex.settled();
  const after = mutex("a", () => later.promise);
  first.resolve();
  await settled;
  later.resolve();
  await Promise.all([held, after]);
});
