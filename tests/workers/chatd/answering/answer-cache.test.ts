/** The memory of answers: bounded in bytes and time, the least recently used go first. */
import { expect, test } from "bun:test";
import { cacheKey, createAnswerCache } from "../../../../workers/chatd/answering/answer-cache.ts";

const target = { id: "a", provider: "ollama", model: "a" };
const answer = (characters: number) => ({ target, texts: ["x".repeat(characters)] });

test("it stays within its bytes and forgets what was not used", () => {
  const cache = createAnswerCache({ bytesMax: 10_000, ttlMs: 1000, clock: { elapsed: () => 0 } });
  for (const key of ["a", "b", "c"]) cache.set(key, answer(1000));
  expect(cache.get("a")).toBeDefined();
  cache.set("d", answer(1000));
  expect(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true, true]);
  for (let at = 0; at < 500; at++) {
    cache.set(`k${at % 40}`, answer(at * 3));
    expect(cache.calculatedSize).toBeLessThanOrEqual(10_000);
  }
  cache.set("huge", answer(20_000));
  expect(cache.get("huge")).toBeUndefined();
});

test("it forgets what is old, and its bytes with it", () => {
  let now = 1;
  const cache = createAnswerCache({ bytesMax: 10_000, ttlMs: 1000, clock: { elapsed: () => now } });
  cache.set("a", answer(10));
  now = 1001;
  expect(cache.get("a")).toBeDefined();
  now = 1002;
  expect(cache.get("a")).toBeUndefined();
  expect([cache.calculatedSize, cache.size]).toEqual([0, 0]);
});

test("a key is of all that decides the answer", () => {
  const ask = {
    models: ["a"],
    body: { temperature: 0 },
    streamed: false,
    streamOptions: {},
    cache: "use" as const,
  };
  const keys = [
    cacheKey(ask, [target]),
    cacheKey({ ...ask, streamed: true }, [target]),
    cacheKey({ ...ask, body: { temperature: 1 } }, [target]),
    cacheKey({ ...ask, contextTokens: 64 }, [target]),
    cacheKey(ask, [{ ...target, id: "b" }]),
    cacheKey(ask, [target, { ...target, id: "b" }]),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(cacheKey({ ...ask, cache: "refresh" as never }, [target])).toBe(keys[0] as string);
});
