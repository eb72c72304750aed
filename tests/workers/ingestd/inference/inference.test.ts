/** The type of a column by inference must be the type that trying every type on every value gives. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { quoteText } from "../../../../runtime/sql/sql.ts";
import {
  allNarrow,
  checkedCast,
  chooseType,
  type Evidence,
  evidence,
  violatedColumn,
} from "../../../../workers/ingestd/inference/inference.ts";
import { holds, inUtc, type Notation, zoned } from "../../../../workers/ingestd/inference/notation.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

const list = (values: readonly (string | null)[]) =>
  values.map((value) => `(${value === null ? "NULL::VARCHAR" : quoteText(value)})`).join(", ");

/** The slow way: each type of the order, on each value, by nothing but casts. */
async function oracle(values: readonly (string | null)[]): Promise<string> {
  const texts = values.filter((value) => value !== null);
  if (texts.length === 0) return "NULL";
  const decimals = (width: number) =>
    Array.from({ length: width - 1 }, (_, index) => `DECIMAL(${width},${index + 1})`);
  const shortest = (width: number) => decimals(width).map((type) => `${type} shortest`);
  const fixed = ["BOOLEAN", "BIGINT", ...decimals(18), ...decimals(38), "DOUBLE"];
  const order = [...fixed, ...shortest(18), ...shortest(38), "DOUBLE shortest", "DATE", "TIMESTAMP"];
  const lengths: Record<string, [number, number]> = { DATE: [10, 10], TIMESTAMP: [19, 26] };
  const readsBack = order.map((type) => {
    const [sql = "", form] = type.split(" ");
    const text = `TRY_CAST(v AS ${sql})::VARCHAR`;
    // Without a point there is no zero behind one.
    const short = `CASE WHEN ${text} = '-0.0' THEN ${text} WHEN contains(${text}, '.') THEN regexp_replace(${text}, '[.]?0*$', '') ELSE ${text} END`;
    return `bool_and(coalesce(${form === undefined ? text : short} = v, false))`;
  });
  const [held = []] = await stack.query(
    `SELECT ${readsBack.join(", ")} FROM (VALUES ${list(texts)}) AS t(v)`,
  );
  for (const [index, type] of order.entries()) {
    const [least, most] = lengths[type] ?? [0, 1000];
    const fits = texts.every((text) => text.length >= least && text.length <= most);
    const words = type.startsWith("DOUBLE") && texts.some((text) => /^-?(inf|nan)/.test(text));
    const identifiers = type.endsWith("shortest") && texts.some((text) => /^(-?\d{19,}|-0)$/.test(text));
    if (held[index] === true && fits && !words && !identifiers) return type;
  }
  // Instants with their offset have no one text: by their pattern, and the days that there are.
  const instants = texts.every(
    (text) =>
      /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)$/.test(text) &&
      !Number.isNaN(Date.parse(text.slice(0, 10))),
  );
  if (instants)
    return `TIMESTAMP WITH TIME ZONE${texts.every((text) => /(Z|[+-]00(:?00)?)$/.test(text)) ? " utc" : ""}`;
  return "VARCHAR";
}

/** A number's sign, digits and exponent, from any of its texts; undefined of a text that is none. */
function numberOf(text: string): string | undefined {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^([+-]?)(?=[.]?\d)(\d*)[.]?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  if (whole + fraction === "") return undefined;
  const digits = (whole + fraction).replace(/^0+/, "");
  const short = digits.replace(/0+$/, "");
  if (short === "") return `${sign === "-" ? "-" : ""}0`;
  const scale = Number(exponent) - fraction.length + digits.length - short.length;
  return `${sign === "-" ? "-" : ""}${short}e${scale}`;
}

async function inferred(values: readonly (string | null)[]): Promise<string> {
  const [row] = await stack.query(
    `SELECT to_json(${evidence("v", allNarrow)}) FROM (VALUES ${list(values)}) AS t(v) WHERE v IS NOT NULL`,
  );
  return chooseType(JSON.parse(String(row?.[0])) as Evidence, allNarrow);
}

const told: [type: string, values: (string | null)[]][] = [
  ["VARCHAR", ["02134", "10001"]],
  ["VARCHAR", ["+1 555 0100"]],
  ["VARCHAR", ["+1"]],
  ["VARCHAR", ["1e5", "2e5"]],
  ["VARCHAR", ["2024-13-01"]],
  ["VARCHAR", ["2023-02-29"]],
  ["VARCHAR", ["2024-1-5"]],
  ["VARCHAR", ["12345678901234567890"]],
  ["VARCHAR", ["-0"]],
  ["VARCHAR", ["-0.00", "1.00"]],
  ["VARCHAR", [" 1"]],
  ["VARCHAR", ["1 "]],
  ["VARCHAR", ["1_000"]],
  ["VARCHAR", ["1,000"]],
  ["VARCHAR", ["TRUE", "FALSE"]],
  ["VARCHAR", ["true", "False"]],
  ["VARCHAR", ["t", "f"]],
  ["VARCHAR", ["yes", "no"]],
  ["VARCHAR", ["0x1F"]],
  ["VARCHAR", [".5"]],
  ["VARCHAR", ["5."]],
  ["VARCHAR", ["1.10", "1.1"]],
  ["VARCHAR", ["1.10", "1.2", "2.0"]],
  ["VARCHAR", ["1", "1.50"]],
  ["VARCHAR", ["1", "1."]],
  ["VARCHAR", ["1", ".5"]],
  ["VARCHAR", ["+1", "1.5"]],
  ["VARCHAR", ["-0", "1.5"]],
  ["VARCHAR", ["12345678901234567890", "1.5"]],
  ["DECIMAL(18,1) shortest", ["1", "1.5"]],
  ["DECIMAL(18,2) shortest", ["10", "9.5", "100.25", null]],
  ["DECIMAL(18,3) shortest", ["0", "-0.125", "7"]],
  ["DECIMAL(38,20) shortest", ["1", "0.12345678901234567891"]],
  ["DOUBLE shortest", ["1", "1e-07"]],
  ["DOUBLE", ["-0.0", "0.25"]],
  ["DOUBLE shortest", ["-0.0", "10", "0.25"]],
  ["VARCHAR", ["nan"]],
  ["VARCHAR", ["inf", "-inf"]],
  ["VARCHAR", ["Infinity"]],
  ["VARCHAR", ["infinity"]],
  ["VARCHAR", ["epoch"]],
  ["VARCHAR", ["today"]],
  ["VARCHAR", ["2024-01-01T00:00:00"]],
  ["VARCHAR", ["2024-01-01 00:00Z"]],
  ["VARCHAR", ["2024-01-01 00:00:00+25:00"]],
  ["VARCHAR", ["2024-01-01 00:00:00.1234567Z"]],
  ["VARCHAR", ["2024-01-01T00:00:00Z", "2024-01-01T00:00:00"]],
  ["TIMESTAMP WITH TIME ZONE utc", ["2024-01-01 00:00:00Z", "2024-01-01T00:00:00+00"]],
  ["TIMESTAMP WITH TIME ZONE", ["2024-01-01T00:00:00.5Z", "2024-01-01 00:00:00+05:30"]],
  ["VARCHAR", ["2024-01-01 00:00"]],
  ["VARCHAR", ["2024-01-01 00:00:00.50"]],
  ["VARCHAR", ["2024-01-01", "2024-01-01 00:00:00"]],
  ["VARCHAR", ["12/31/2024"]],
  ["VARCHAR", [""]],
  ["VARCHAR", ["1", ""]],
  ["VARCHAR", ["9223372036854775808"]],
  ["BIGINT", ["9223372036854775807", "-9223372036854775808", null]],
  ["BIGINT", ["0", "1"]],
  ["BOOLEAN", ["true", "false", null]],
  ["DECIMAL(18,2)", ["1.10", "-22.00", "0.05", null]],
  ["DECIMAL(38,2)", ["12345678901234567.10"]],
  ["DECIMAL(38,20)", ["0.12345678901234567890"]],
  ["DOUBLE", ["0.5", "0.719", "1.0"]],
  ["DOUBLE", ["1e+20", "0.5"]],
  ["DATE", ["2024-02-29", "0001-01-01", "9999-12-31"]],
  ["TIMESTAMP", ["2024-01-01 00:00:00", "2024-01-01 12:34:56.789", "2024-01-01 12:34:56.000001"]],
  ["NULL", [null, null]],
];

describe("inference", () => {
  test.each(told)("%s for %j", async (type, values) => {
    expect(await inferred(values)).toBe(type);
    expect(await oracle(values)).toBe(type);
  });

  test("agrees with the slow oracle on random columns", async () => {
    const random = seeded(11);
    const below = (limit: number) => Math.floor(random() * limit);
    const digits = (most: number) => Array.from({ length: 1 + below(most) }, () => below(10)).join("");
    const kinds: (() => string)[] = [
      () => String(below(1000)),
      () => digits(20),
      () => `${below(100)}.${digits(3)}`,
      () => `-${below(10)}.${below(10)}${below(10)}`,
      () => `${below(10)}.${below(10)}${below(10)}`,
      () => String(random()),
      () => (random() < 0.5 ? "true" : "false"),
      () =>
        `202${below(10)}-${String(1 + below(13)).padStart(2, "0")}-${String(1 + below(30)).padStart(2, "0")}`,
      () => `2024-01-0${1 + below(9)} 0${below(10)}:00:0${below(10)}${random() < 0.3 ? `.${digits(6)}` : ""}`,
      () => String(below(100000) / 100),
      () => `2024-01-0${1 + below(9)}T0${below(10)}:00:0${below(10)}${["Z", "+05:30", "-08"][below(3)]}`,
      () => ["", " ", "x", "-0", "+1", "NULL", "nan", "1e5", "01"][below(9)] ?? "",
    ];
    for (let round = 0; round < 40; round++) {
      const kind = kinds[below(kinds.length)] ?? (() => "");
      const stray = kinds[below(kinds.length)] ?? (() => "");
      const values = Array.from({ length: 1 + below(6) }, () =>
        random() < 0.15 ? null : random() < 0.1 ? stray() : kind(),
      );
      expect(await inferred(values), JSON.stringify(values)).toBe(await oracle(values));
    }
  });

  test("the cast that is checked row by row stops at the first value that does not hold", async () => {
    const run = (type: string, value: string) =>
      stack.query(`SELECT ${checkedCast("v", type, 3)} FROM (VALUES (${quoteText(value)})) AS t(v)`);
    expect(await run("BIGINT", "12")).toEqual([["12"]]);
    const refused: [string, string][] = [
      ["BIGINT", "012"],
      ["DOUBLE", "1"],
      ["DATE", "x"],
      ["BOOLEAN", "TRUE"],
      ["DECIMAL(18,2)", "1.1"],
      ["NULL", "x"],
      ["TIMESTAMP", "2024-01-01"],
    ];
    for (const [type, value] of refused) {
      const message = await run(type, value).then(
        () => "",
        (error: Error) => error.message,
      );
      expect(violatedColumn(message), `${type} ${value}`).toBe(3);
    }
    expect(
      violatedColumn("Invalid Input Error: CSV Error on Line: 1\nOriginal Line: lakehouse:3"),
    ).toBeUndefined();
  });

  test("NULL holds in every type, form and notation, and no text is neither in nor out", async () => {
    const types = [
      ...[
        "BOOLEAN",
        "INTEGER",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(18,2)",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "UUID",
      ],
      ...["DOUBLE shortest", "DECIMAL(18,2) shortest", zoned, inUtc, "VARCHAR"],
    ];
    const notations: Notation[] = [
      ...(["exact", "asked", "values"] as const).map((mode) => ({ mode })),
      { mode: "exact", dateFormat: "%d/%m/%Y", timestampFormat: "%d/%m/%Y %H:%M" },
      { mode: "asked", timestampFormat: "%d/%b/%Y:%H:%M:%S %z" },
    ];
    const texts = [
      null,
      "",
      " ",
      "x",
      "1",
      "-0",
      "1e400",
      "2024-01-31",
      "31/01/2024 10:00",
      "NaN",
      "€",
      "a'b\\",
    ];
    for (const notation of notations) {
      const checks = types.map((type) => `(${holds("v", type, notation)}) AS "${type}"`);
      const rows = await stack.query(`SELECT ${checks.join(", ")} FROM (VALUES ${list(texts)}) AS t(v)`);
      expect(rows[0]?.every((value) => value === true)).toBe(true);
      expect(rows.flat()).not.toContain(null);
    }
  });

  test("a number that is asked for is the very number of its text, or does not hold", async () => {
    const random = seeded(12);
    const digits = (most: number) =>
      Array.from({ length: 1 + Math.floor(random() * most) }, () =>
        random() < 0.4 ? 0 : Math.floor(random() * 10),
      ).join("");
    const pick = (among: readonly string[]) => among[Math.floor(random() * among.length)] ?? "";
    const drawn = Array.from({ length: 2000 }, () => {
      const fraction = pick(["", ".", `.${digits(3)}`, `.${digits(25)}`]);
      const exponent = pick(["", "", `e${digits(1)}`, `E+${digits(2)}`, `e-${digits(1)}`]);
      return `${pick(["", "", "-", "+"])}${pick([digits(2), digits(17), ""])}${fraction}${exponent}`;
    });
    const texts = [
      ...new Set([...drawn, "-0", "-0.00", "-0e5", "1e400", ".", "-", "e5", "1e", "0x1F", "1_0", "nan"]),
    ];
    for (const type of ["INTEGER", "BIGINT", "DECIMAL(18,0)", "DECIMAL(18,2)", "DECIMAL(38,10)", "DOUBLE"]) {
      const rows = await stack.query(
        `SELECT v, ${holds("v", type, { mode: "asked" })}, CAST(TRY_CAST(v AS ${type}) AS VARCHAR) FROM (VALUES ${list(texts)}) AS t(v)`,
      );
      const isInteger = !/^D/.test(type);
      let held = 0;
      for (const [text, isHeld, read] of rows) {
        const number = numberOf(String(text));
        const same = number !== undefined && read !== null && number === numberOf(String(read));
        // Not taken: an integer with an exponent or without a digit before its point, and a decimal with an exponent
        // and more digits than a double tells apart.
        const isTaken = isInteger
          ? /^[+-]?\d[^e]*$/i.test(String(text))
          : type === "DOUBLE" || /^[+-]?.{1,15}e|^[^e]*$/i.test(String(text));
        expect([type, text, isHeld]).toEqual([type, text, same && isTaken]);
        held += Number(isHeld === true);
      }
      expect(held).toBeGreaterThan(50);
    }
  });

  test("a wide file of numbers in words' clothes is read by value, in the memory that there is", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `c${index}`);
    const line = (row: number) =>
      names.map((_, index) => (index % 2 === 0 ? ` ${row} ` : `"1,${100 + row}.5"`));
    const lines = Array.from({ length: 60 }, (_, row) => line(row).join(","));
    const wide = await stack.ingest("wide", `${names.join(",")}\n${lines.join("\n")}\n`, "&infer=values");
    const types = Object.values(stack.types(wide.answer.manifest));
    expect([wide.status, types]).toEqual([
      200,
      names.map((_, index) => (index % 2 === 0 ? "BIGINT" : "DECIMAL(18,1)")),
    ]);
    expect((await stack.cells(wide.answer.manifest)).at(-1)?.slice(0, 2)).toEqual(["59", "1159.5"]);
  });

  test("the whole file decides: a value beyond the sample widens its column, and only its column", async () => {
    const rows = Array.from({ length: 6000 }, (_, index) => `${index},${index}.25,2024-01-01,`);
    const late = await stack.ingest("late", `a,b,c,d\n${rows.join("\n")}\n007,1.5,2024-02-30,5\n`);
    expect(stack.types(late.answer.manifest)).toEqual({
      a: "VARCHAR",
      b: "DOUBLE",
      c: "VARCHAR",
      d: "BIGINT",
    });
    expect(late.answer.rows_loaded).toBe(6001);
    const cells = await stack.cells(late.answer.manifest);
    expect(cells.at(-1)).toEqual(["007", "1.5", "2024-02-30", "5"]);
    expect(cells[0]).toEqual(["0", "0.25", "2024-01-01", null]);
  });
});
