/** Filters: what each condition matches, and random ones against a plain reading of the grammar. */

import { describe, expect, test } from "bun:test";
import { matches as matchesAlone, parseFilter } from "../../../runtime/filter/filter.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import type { Metadata } from "../../../workers/vectord/rows/batch.ts";
import { rowsOf } from "../../../workers/vectord/rows/bitmap.ts";
import { createMetadataIndex } from "../../../workers/vectord/search/metadata-index.ts";
import { seeded } from "../../support/campaigns/seeded.ts";

/** Whole numbers below a bound, the same for the same seed. */
const dice = (seed: number) => {
  const random = seeded(seed);
  return { below: (bound: number) => Math.floor(random() * bound) };
};

const signal = new AbortController().signal;

/** Rows whose ids are their places: `r0`, `r1`. */
const sourceOf = (items: readonly (Metadata | undefined)[]) => ({
  total: () => items.length,
  metadata: (row: number) => items[row],
  id: (row: number) => `r${row}`,
  find: (id: string) => (Number(id.slice(1)) < items.length ? Number(id.slice(1)) : undefined),
});

/** The rows that the filter matches, by the product's indexes. */
async function found(items: readonly (Metadata | undefined)[], filter: unknown): Promise<number[]> {
  const index = createMetadataIndex(sourceOf(items), systemClock);
  const condition = parseFilter(filter);
  if (!condition) return items.map((_, row) => row);
  await index.prepare(condition, signal);
  return [...rowsOf(index.matching(condition, items.length))];
}

const people: Metadata[] = [
  { name: "Ann", state: "IL", rate: 20, active: true, tags: ["java", "sql"], address: { city: "Chicago" } },
  { name: "Bob", state: "TX", rate: 30, active: false, tags: [], address: { city: "Austin", zip: "02134" } },
  {
    name: "Cid",
    state: null,
    rate: "20",
    "address.city": "Dotted",
    shifts: [
      { day: "Mo", hours: 4 },
      { day: "Tu", hours: 12 },
    ],
  },
  { name: "Dee", rate: [10, 50], since: "2024-05-01T00:00:00Z", state: ["IL", "WI"] },
];

const rows: [name: string, filter: unknown, matches: number[]][] = [
  ["equal text", { state: "IL" }, [0, 3]],
  ["equal number, not its text", { rate: 20 }, [0]],
  ["equal text, not its number", { rate: "20" }, [2]],
  ["true", { active: true }, [0]],
  ["false is not absent", { active: false }, [1]],
  ["null that is there", { state: null }, [2]],
  ["ne matches what lacks the field", { active: { ne: true } }, [1, 2, 3]],
  ["in", { state: { in: ["TX", null] } }, [1, 2]],
  ["in nothing", { state: { in: [] } }, []],
  ["nin", { state: { nin: ["IL", "TX"] } }, [2]],
  ["nin nothing", { state: { nin: [] } }, [0, 1, 2, 3]],
  ["gt", { rate: { gt: 20 } }, [1, 3]],
  ["gte", { rate: { gte: 20 } }, [0, 1, 3]],
  ["lt", { rate: { lt: 20 } }, [3]],
  ["lte and gte on one element of a list", { rate: { gte: 20, lte: 30 } }, [0, 1]],
  ["a range of texts", { since: { gte: "2024-01-01", lt: "2025" } }, [3]],
  ["a range of texts skips numbers", { rate: { gte: "1" } }, [2]],
  ["an element of a list", { tags: "sql" }, [0]],
  ["exists", { tags: { exists: true } }, [0, 1]],
  ["does not exist", { tags: { exists: false } }, [2, 3]],
  ["exists with null", { state: { exists: true } }, [0, 1, 2, 3]],
  ["a path", { "address.city": "Austin" }, [1]],
  ["a field with a dot in its name", { "address.city": "Dotted" }, [2]],
  ["an object on the way exists", { address: { exists: true } }, [0, 1]],
  ["objects in a list", { "shifts.day": "Tu" }, [2]],
  ["numbers of objects in a list", { "shifts.hours": { gt: 10 } }, [2]],
  ["contains", { name: { contains: "n" } }, [0]],
  ["contains in a list", { tags: { contains: "av" } }, [0]],
  ["prefix", { name: { prefix: "A" } }, [0]],
  ["prefix is no piece", { name: { prefix: "nn" } }, []],
  ["prefix in a list", { tags: { prefix: "sq" } }, [0]],
  ["a moment, whatever its offset", { since: { since: "2024-05-01T02:00:00+02:00" } }, [3]],
  ["after leaves the moment out", { since: { after: "2024-05-01" } }, []],
  ["since takes it in", { since: { since: "2024-05-01", until: "2024-05-01" } }, [3]],
  ["before", { since: { before: "2024-05-01T00:00:00.000001Z" } }, [3]],
  ["a number is no moment", { rate: { since: "1970-01-01" } }, []],
  ["its own id", { "@id": "r2" }, [2]],
  ["some ids", { "@id": { in: ["r0", "r3", "nope", 3] } }, [0, 3]],
  ["all but some ids", { "@id": { nin: ["r0"] } }, [1, 2, 3]],
  ["the beginning of an id", { "@id": { prefix: "r" }, active: true }, [0]],
  ["two operators", { rate: { gte: 20, ne: 30 } }, [0, 3]],
  ["two fields", { state: "IL", active: true }, [0]],
  ["and", { and: [{ state: "IL" }, { rate: { lt: 15 } }] }, [3]],
  ["or", { or: [{ name: "Ann" }, { name: "Bob" }] }, [0, 1]],
  ["not", { not: { name: "Ann" } }, [1, 2, 3]],
  ["nested", { and: [{ or: [{ state: "IL" }, { state: "TX" }] }, { not: { active: true } }] }, [1, 3]],
  ["an unknown field", { nope: 1 }, []],
  ["not an unknown field", { not: { nope: 1 } }, [0, 1, 2, 3]],
  ["a name of Object.prototype", { constructor: { exists: true } }, []],
  ["no condition", {}, [0, 1, 2, 3]],
];

const places: Metadata[] = [
  { at: { lat: 41.8781, lon: -87.6298 } },
  { at: { lat: 42.0334, lon: -88.0834 } },
  {
    at: [
      { lat: 40.7128, lon: -74.006 },
      { lat: 41.9, lon: -87.65 },
    ],
  },
  { at: { lat: "41.8781", lon: -87.6298 } },
  { at: { lat: -16.5, lon: 179.9 } },
  { at: "41.8781,-87.6298" },
];
const near = (lat: number, lon: number, radius_m: number) => ({ at: { near: { lat, lon, radius_m } } });
/** From the first place to the second are 41.1 km by the haversine formula. */
const circles: [name: string, filter: unknown, rows: number[]][] = [
  ["the place itself", near(41.8781, -87.6298, 0), [0]],
  ["a city, any place of a list", near(41.8781, -87.6298, 5_000), [0, 2]],
  ["short of the suburb", near(41.8781, -87.6298, 41_000), [0, 2]],
  ["with the suburb", near(41.8781, -87.6298, 41_300), [0, 1, 2]],
  ["over the date line", near(-16.5, -179.9, 25_000), [4]],
  ["not near", { not: near(41.8781, -87.6298, 41_300) }, [3, 4, 5]],
];

describe("matches", () => {
  test.each([...circles])("near: %s", async (_, filter, expected) => {
    expect(await found(places, filter)).toEqual(expected);
    const condition = parseFilter(filter);
    const alone = places.flatMap((item, row) => (condition && matchesAlone(condition, item) ? [row] : []));
    expect(alone).toEqual(expected);
  });

  test.each(rows)("%s", async (_, filter, matches) => expect(await found(people, filter)).toEqual(matches));

  test("fields named as Object's own are fields", async () => {
    const items = [JSON.parse('{"__proto__":1,"constructor":"x"}') as Metadata, {}];
    expect(await found(items, { constructor: "x" })).toEqual([0]);
    expect(await found(items, JSON.parse('{"__proto__":1}'))).toEqual([0]);
  });

  test("items without metadata lack every field", async () => {
    expect(await found([undefined, { a: 1 }], { a: { exists: false } })).toEqual([0]);
  });

  test("rows that were added after an index was made are found", async () => {
    const items: Metadata[] = [];
    const index = createMetadataIndex(sourceOf(items), systemClock);
    const above = parseFilter({ n: { gte: 0.5 } });
    if (!above) throw new Error("expected a condition");
    const random = dice(7);
    for (let round = 0; round < 300; round++) {
      for (let more = random.below(200); more >= 0; more--) items.push({ n: random.below(1000) / 1000 });
      if (round % 3 === 0) await index.prepare(above, signal);
      const expected = items.flatMap((item, row) => ((item.n as number) >= 0.5 ? [row] : []));
      expect([...rowsOf(index.matching(above, items.length))]).toEqual(expected);
    }
  });
});

type Random = ReturnType<typeof dice>;
const fields = ["a", "b", "c.d", "c"];
const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)] as T;
const scalar = (random: Random): unknown =>
  pick(random, [
    0,
    1,
    2,
    -1,
    1.5,
    "x",
    "xy",
    "y",
    "",
    "2024-05-01",
    "2024-05-31T23:00:00-02:00",
    true,
    false,
    null,
  ]);
const value = (random: Random): unknown =>
  random.below(4) === 0 ? Array.from({ length: random.below(3) }, () => scalar(random)) : scalar(random);
const metadata = (random: Random): Metadata | undefined => {
  if (random.below(10) === 0) return undefined;
  const item: Record<string, unknown> = {};
  for (const name of ["a", "b"]) if (random.below(3) > 0) item[name] = value(random);
  if (random.below(2) === 0) item.c = random.below(2) === 0 ? value(random) : { d: value(random) };
  return item;
};

function condition(random: Random, depth: number): Record<string, unknown> {
  const kind = depth === 0 ? 3 : random.below(6);
  if (kind === 0) return { not: condition(random, depth - 1) };
  if (kind <= 2)
    return {
      [kind === 1 ? "and" : "or"]: Array.from({ length: 1 + random.below(3) }, () =>
        condition(random, depth - 1),
      ),
    };
  const bound = random.below(2) === 0 ? pick(random, [0, 1, 1.5]) : pick(random, ["x", "xy"]);
  const operators: Record<string, unknown>[] = [
    { eq: scalar(random) },
    { ne: scalar(random) },
    { in: [scalar(random), scalar(random)] },
    { nin: [scalar(random), scalar(random)] },
    { [pick(random, ["gt", "gte"])]: bound },
    { [pick(random, ["lt", "lte"])]: bound },
    { gte: bound, lte: typeof bound === "string" ? "xz" : 2 },
    { exists: random.below(2) === 0 },
    { contains: pick(random, ["x", "y"]) },
    { prefix: pick(random, ["x", "y"]) },
    { since: pick(random, ["2024-05-01", "2024-05-01T12:00:00+05:00"]), before: "2024-06-01" },
  ];
  return { [pick(random, fields)]: random.below(3) === 0 ? scalar(random) : pick(random, operators) };
}

/** The grammar read plainly, item by item. */
function matches(filter: Record<string, unknown>, item: Metadata): boolean {
  return Object.entries(filter).every(([name, operand]) => {
    if (name === "and") return (operand as Record<string, unknown>[]).every((part) => matches(part, item));
    if (name === "or") return (operand as Record<string, unknown>[]).some((part) => matches(part, item));
    if (name === "not") return !matches(operand as Record<string, unknown>, item);
    const operators = typeof operand === "object" && operand !== null ? operand : { eq: operand };
    return fits(operators as Record<string, unknown>, at(item, name.split(".")));
  });
}
function at(item: unknown, steps: string[]): unknown[] {
  const [step, ...rest] = steps;
  if (step === undefined) return [item];
  if (Array.isArray(item)) return item.flatMap((element) => at(element, steps));
  return typeof item === "object" && item !== null && step in item ? at((item as never)[step], rest) : [];
}
function fits(operators: Record<string, unknown>, there: unknown[]): boolean {
  const values = there.flat(9).filter((one) => typeof one !== "object" || one === null);
  const among = (list: unknown) => values.some((one) => (list as unknown[]).includes(one));
  const { eq, ne, in: any, nin: none, exists, contains, prefix, since, before, ...range } = operators;
  if ("eq" in operators && !among([eq])) return false;
  if ("ne" in operators && among([ne])) return false;
  if (any !== undefined && !among(any)) return false;
  if (none !== undefined && among(none)) return false;
  if (exists !== undefined && there.length > 0 !== exists) return false;
  if (
    contains !== undefined &&
    !values.some((one) => typeof one === "string" && one.includes(String(contains)))
  )
    return false;
  if (
    prefix !== undefined &&
    !values.some((one) => typeof one === "string" && one.startsWith(String(prefix)))
  )
    return false;
  const isThen = (one: unknown) =>
    typeof one === "string" &&
    one.startsWith("2024") &&
    new Date(one) >= new Date(String(since)) &&
    new Date(one) < new Date(String(before));
  if (since !== undefined && !values.some(isThen)) return false;
  const ends = Object.entries(range) as [string, string | number][];
  return ends.length === 0 || values.some((one) => ends.every(([end, bound]) => within(one, end, bound)));
}
function within(one: unknown, end: string, bound: string | number): boolean {
  if (typeof one !== typeof bound) return false;
  const left = one as typeof bound;
  if (left === bound) return end.endsWith("e");
  return end.startsWith("g") ? left > bound : left < bound;
}

test("random filters match what a plain reading of the grammar does", async () => {
  const random = dice(20);
  for (let round = 0; round < 40; round++) {
    const items = Array.from({ length: 1 + random.below(100) }, () => metadata(random));
    for (let each = 0; each < 25; each++) {
      const filter = condition(random, 3);
      const expected = items.flatMap((item, row) => (matches(filter, item ?? {}) ? [row] : []));
      expect({ filter, rows: await found(items, filter) }).toEqual({ filter, rows: expected });
      const parsed = parseFilter(filter);
      const alone = items.flatMap((item, row) => (parsed && matchesAlone(parsed, item ?? {}) ? [row] : []));
      expect({ filter, rows: alone }).toEqual({ filter, rows: expected });
    }
  }
});
