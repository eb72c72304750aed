/** The cache: least recently used first, bounded by bytes that are really taken. */
import { expect, test } from "bun:test";
import { cacheKey, createVectorCache } from "../../../workers/embedd/cache.ts";
import { seeded } from "../../support/seeded.ts";

const vector = (value: number, length = 768) => new Float32Array(length).fill(value);
const sizeOf = (key: string, length = 768): number => {
  const cache = createVectorCache(1 << 20);
  cache.put(key, vector(0, length));
  return cache.bytes();
};

test("drops the least recently used, counting a look as use", () => {
  const cache = createVectorCache(3 * sizeOf("a"));
  for (const key of ["a", "b", "c"]) cache.put(key, vector(1));
  expect(cache.get("a")).toEqual(vector(1));
  cache.put("d", vector(2));
  expect(["a", "b", "c", "d"].map((key) => cache.get(key) !== undefined)).toEqual([true, false, true, true]);
  expect(cache.entries()).toBe(3);
});

test("one large vector takes the place of several, and one larger than the cache none", () => {
  const cache = createVectorCache(4 * sizeOf("a", 16));
  for (const key of ["a", "b", "c", "d"]) cache.put(key, vector(1, 16));
  cache.put("large", vector(1, 64));
  expect(cache.get("large")?.length).toBe(64);
  expect(cache.get("d")?.length).toBe(16);
  expect(cache.get("a")).toBeUndefined();
  const before = cache.bytes();
  cache.put("huge", vector(1, 10_000));
  expect(cache.get("huge")).toBeUndefined();
  expect(cache.bytes()).toBe(before);
});

test("a cache of no bytes holds nothing", () => {
  const cache = createVectorCache(0);
  cache.put("a", vector(1));
  expect([cache.entries(), cache.bytes(), cache.get("a")]).toEqual([0, 0, undefined]);
});

test("forgets one model's vectors, and no other's", () => {
  const cache = createVectorCache(1 << 20);
  for (const model of ["ollama/a", "ollama/ab"]) cache.put(cacheKey(model, "text"), vector(1));
  cache.forget("ollama/a\n");
  expect(cache.get(cacheKey("ollama/a", "text"))).toBeUndefined();
  expect(cache.get(cacheKey("ollama/ab", "text"))).toEqual(vector(1));
  expect(cache.entries()).toBe(1);
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
      cache.put(key, vector(step, 1 + Math.floor(random() * 64)));
      kept.set(key, step);
    }
    expect(cache.bytes()).toBeLessThanOrEqual(most);
  }
  cache.forget("");
  expect([cache.bytes(), cache.entries()]).toEqual([0, 0]);
});

test("the account is what the process takes", async () => {
  // In a process of its own, whose memory nothing else fills.
  const program = `
    import { cacheKey, createVectorCache } from "${new URL("../../../workers/embedd/cache.ts", import.meta.url).pathname}";
    Bun.gc(true);
    const before = process.memoryUsage().rss;
    const cache = createVectorCache(128 << 20);
    for (let at = 0; at < 60_000; at++) cache.put(cacheKey("local", "text " + at), new Float32Array(768).fill(at));
    Bun.gc(true);
    process.stdout.write(JSON.stringify({ taken: process.memoryUsage().rss - before, said: cache.bytes(), entries: cache.entries() }));`;
  const child = Bun.spawn([process.execPath, "-e", program], { stdout: "pipe" });
  const { taken, said, entries } = JSON.parse(await new Response(child.stdout).text());
  expect(entries).toBeLessThan(60_000);
  // Half of the garbage of 30,000 dropped vectors may still be there; the account itself must not be half the truth.
  expect(said / taken).toBeGreaterThan(0.5);
  expect(said / taken).toBeLessThan(1.5);
});
