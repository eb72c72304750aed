/** Rows that are nothing but structure: they cost in proportion to their bytes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { beginRow, parseRow, readRow, type Stop } from "../../../../workers/ingestd/csv/row-reader.ts";
import { marksOf, problemOf } from "../../../../workers/ingestd/csv/rows.ts";
import { nameColumns } from "../../../../workers/ingestd/tables/text-columns.ts";
import { processorMs } from "../../../support/product/processor-time.ts";
import { startIngestStack } from "../../../support/stacks/ingestd.ts";

const least = async (tracked: () => unknown): Promise<number> => {
  const costs: number[] = [];
  for (let round = 0; round < 3; round++) costs.push(await processorMs(tracked));
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

test.each([
  ["delimiters", ",".repeat(100_000)],
  ["quotes", '"'.repeat(100_000)],
  ["lines in quotes", `"${"\r\n".repeat(50_000)}"`],
  ["text behind a quote", `"a"${"b".repeat(100_000)}`],
  ["delimiters of several bytes", `a${"||".repeat(50_000)}`],
])("a row of %s that comes in pieces is read once, and as it is when it comes at once", (what, text) => {
  const delimiter = what.includes("several") ? "||" : ",";
  const marks = marksOf({ delimiter, quote: '"' });
  const buffer = Buffer.from(`${text}\n`);
  const reading = beginRow(0);
  let stop: Stop = "more";
  let bytes = 0;
  for (let come = 1; stop !== "ended"; come = Math.min(buffer.length, come + 77)) {
    do {
      const { at } = reading;
      const input = { buffer: buffer.subarray(0, come), isWhole: come === buffer.length };
      stop = readRow(reading, input, marks, 50);
      // One byte may be looked at again, and what two characters say is read at once.
      expect(reading.at - at).toBeLessThanOrEqual(52);
      bytes += Math.max(1, reading.at - at);
    } while (stop === "paused");
  }
  expect(bytes).toBeLessThan(1.1 * buffer.length);
  expect(JSON.stringify(reading.row)).toBe(JSON.stringify(parseRow(buffer, 0, true, marks)));
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
