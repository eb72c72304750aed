/** The cache: least recently used first, bounded by bytes that are really taken. */
import { expect, test } from "bun:test";
import { cacheKey, createVectorCache, forget } from "../../../../workers/embedd/embedding/cache.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";

const vector = (value: number, length = 768) => new Float32Array(length).fill(value);
const sizeOf = (key: string, length = 768): number => {
  const cache = createVectorCache(1 << 20);
  cache.set(key, vector(0, length));
  return cache.calculatedSize;
};

test("drops the least recently used, counting a look as use", () => {
  const cache = createVectorCache(3 * sizeOf("a"));
  for (const key of ["a", "b", "c"]) cache.set(key, vector(1));
  expect(cache.get("a")).toEqual(vector(1));
  cache.set("d", vector(2));
  expect(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true, true]);
  expect(cache.size).toBe(3);
});

test("one large vector takes the place of several, and one larger than the cache none", () => {
  const cache = createVectorCache(4 * sizeOf("a", 16));
  for (const key of ["a", "b", "c", "d"]) cache.set(key, vector(1, 16));
  cache.set("large", vector(1, 64));
  expect(cache.get("large")?.length).toBe(64);
  expect(cache.get("d")?.length).toBe(16);
  expect(cache.get("a")).toBeUndefined();
  const before = cache.calculatedSize;
  cache.set("huge", vector(1, 10_000));
  expect(cache.get("huge")).toBeUndefined();
  expect(cache.calculatedSize).toBe(before);
});

test("a cache of no bytes holds nothing", () => {
  const cache = createVectorCache(0);
  cache.set("a", vector(1));
  expect([cache.size, cache.calculatedSize, cache.get("a")]).toEqual([0, 0, undefined]);
});

test("forgets one model's vectors, and no other's", () => {
  const cache = createVectorCache(1 << 20);
  for (const model of ["ollama/a", "ollama/ab"]) cache.set(cacheKey(model, "text"), vector(1));
  forget(cache, "ollama/a\n");
  expect(cache.get(cacheKey("ollama/a", "text"))).toBeUndefined();
  expect(cache.get(cacheKey("ollama/ab", "text"))).toEqual(vector(1));
  expect(cache.size).toBe(1);
});

test("its account of bytes holds through any order of puts, looks and replacements", () => {
  const random = seeded(7);
  const most = 40 * sizeOf("10", 64);
  const cache = createVectorCache(most);
  const kept = new Map<string, number>();
  for (let step = 0; step < 20_000; step++) {
    const key = String(Math.floor(random() * 100));
    if (random() < 0.5) {
      const found = cache.get(key);
      if (found) expect(found[0]).toBe(kept.get(key) as number);
    } else {
      cache.set(key, vector(step, 1 + Math.floor(random() * 64)));
      kept.set(key, step);
    }
    expect(cache.calculatedSize).toBeLessThanOrEqual(most);
  }
  forget(cache, "");
  expect([cache.calculatedSize, cache.size]).toEqual([0, 0]);
});

test("the account is what the process takes", async () => {
  // In a process of its own, whose memory nothing else fills.
  const program = `
    import { cacheKey, createVectorCache, forget } from "${new URL("../../../../workers/embedd/embedding/cache.ts", import.meta.url).pathname}";
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    const cache = createVectorCache(128 << 20);
    for (let at = 0; at < 60_000; at++) cache.set(cacheKey("local", "text " + at), new Float32Array(768).fill(at));
    Bun.gc(true);
    process.stdout.write(JSON.stringify({ taken: process.memoryUsage().rss - before, said: cache.calculatedSize, entries: cache.size }));`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { taken, said, entries } = JSON.parse(await new Response(child.stdout).text());
  expect(entries).toBeLessThan(60_000);
  // Half of the garbage of 30,000 dropped vectors may still be there; the account itself must not be half the truth.
  expect(said / taken).toBeGreaterThan(0.5);
  expect(said / taken).toBeLessThan(1.5);
});
