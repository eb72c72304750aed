/** What is kept in memory is bounded: the ring by number and bytes, the sources by number. */
import { expect, test } from "bun:test";
import type { Operation } from "../../../../workers/observerd/contract.ts";
import { createRing } from "../../../../workers/observerd/operations/ring.ts";
import { createStats } from "../../../../workers/observerd/operations/stats.ts";

const operation = (n: number, source = "mcp"): Operation => ({
  id: `${n}`,
  timestamp: "2026-01-01T00:00:00.000Z",
  source,
  endpoint: "/a",
  success: n % 2 === 0,
  duration_ms: 1,
});
const ids = (operations: Iterable<Operation>) => [...operations].map(({ id }) => Number(id));

test("a ring holds the latest, oldest first, and gives them newest first", () => {
  for (const most of [1, 2, 7, 100]) {
    const ring = createRing(most, 1e9);
    for (let n = 1; n <= 50; n++) {
      ring.add({ ordinal: n, operation: operation(n) }, 100);
      const held = Math.min(n, most);
      const expected = Array.from({ length: held }, (_, at) => n - held + 1 + at);
      expect(ids(ring.operations())).toEqual(expected);
      expect([...ring.newestFirst()].map(({ ordinal }) => ordinal)).toEqual(expected.toReversed());
    }
  }
});

test("a ring of bytes lets the oldest go, and keeps one that is larger alone", () => {
  const ring = createRing(100, 1000);
  for (let n = 1; n <= 20; n++) ring.add({ ordinal: n, operation: operation(n) }, 300);
  expect(ids(ring.operations())).toEqual([18, 19, 20]);
  ring.add({ ordinal: 21, operation: operation(21) }, 5000);
  expect(ids(ring.operations())).toEqual([21]);
  ring.add({ ordinal: 22, operation: operation(22) }, 300);
  expect(ids(ring.operations())).toEqual([22]);
});

test("sources beyond the first thousand are counted as other, and all are counted", () => {
  const stats = createStats(10);
  for (let n = 0; n < 1500; n++) stats.add(operation(n, `source-${n}`));
  for (let n = 0; n < 10; n++) stats.add(operation(n, "source-3"));
  const { total, successes, failures, by_source } = stats.read();
  expect([total, successes, failures]).toEqual([1510, 755, 755]);
  expect([by_source.other, by_source["source-3"]]).toEqual([500, 11]);
  expect(Object.values(by_source).reduce((sum, count) => sum + count, 0)).toBe(1510);
  const restored = createStats(10);
  restored.restore(JSON.parse(JSON.stringify(stats.read())));
  expect(restored.read()).toEqual(stats.read());
});
