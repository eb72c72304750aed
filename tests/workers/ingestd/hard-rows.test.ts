/** Rows that are nothing but structure: they cost in proportion to their bytes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { marksOf, parseRow, problemOf } from "../../../workers/ingestd/csv-rows.ts";
import { nameColumns } from "../../../workers/ingestd/dialect.ts";
import { startIngestStack } from "../../support/ingest-stack.ts";
import { processorMs } from "../../support/processor-time.ts";

const least = async (deed: () => unknown): Promise<number> => {
  const costs: number[] = [];
  for (let round = 0; round < 3; round++) costs.push(await processorMs(deed));
  return Math.min(...costs);
};

test("eight times as many columns of one name cost about eight times as much", async () => {
  const named = (count: number) => () => nameColumns(Array<string>(count).fill("a"));
  named(1000)();
  // Ten milliseconds are as little as can be told; what costs the square takes 64 times as long.
  expect(await least(named(16_000))).toBeLessThan(24 * Math.max(10, await least(named(2000))));
});

test("columns of one name keep their numbers", () => {
  const { names } = nameColumns(["a", "a", "A", "a_2", "", "a", ""]);
  expect(names).toEqual(["a", "a_3", "A_4", "a_2", "column5", "a_5", "column7"]);
});

test("a row of a million delimiters is one bad row, of which few fields are kept", () => {
  const marks = marksOf({ delimiter: ",", quote: '"' });
  const row = parseRow(Buffer.from(`${",".repeat(1_000_000)}\n`), 0, true, marks);
  if (row === undefined) throw new Error("no row");
  expect([row.fields.length, row.next]).toEqual([32_768, 1_000_001]);
  expect(problemOf(Buffer.alloc(1_000_001, ","), row, 2)?.reason).toBe(
    "expected 2 fields, found 32768 or more",
  );
});

let stack: Awaited<ReturnType<typeof startIngestStack>>;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

test("a long row is not read anew for each piece of it that comes", async () => {
  const ofDelimiters = (bytes: number) => async () => {
    const { status, error } = await stack.ingest("long", `a\n${",".repeat(bytes)}`);
    expect([status, error.type]).toEqual([422, "rejected_rows"]);
  };
  await ofDelimiters(1000)();
  const few = await least(ofDelimiters(1_500_000));
  // Read anew for each piece, it takes fifteen times as long and more.
  expect(await least(ofDelimiters(15_000_000))).toBeLessThan(11 * Math.max(70, few));
});
