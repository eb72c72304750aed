/** Values that are written straight into the bytes of a result have the same form as their text, digit by digit. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createSink } from "../../../../workers/queryd/values/byte-sink.ts";
import {
  bytesOf,
  type ColumnType,
  type TimestampUnit,
} from "../../../../workers/queryd/values/column-type.ts";
import { csvDoubleWriter, numberWriter } from "../../../../workers/queryd/values/number-writer.ts";
import {
  plainWriter,
  shortestWriter,
  type Write,
  wallClockWriter,
} from "../../../../workers/queryd/values/plain-writer.ts";
import {
  fixedDoubleText,
  floatText,
  plainText,
  type TextOf,
  wallClockText,
} from "../../../../workers/queryd/values/text.ts";
import { type Vector, windowBytes } from "../../../../workers/queryd/values/vector.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { rfc4180 } from "../../../support/clients/rfc4180.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

/** A decimal without zeros behind the point, and without a point that nothing follows. */
const shortestText = (text: string): string => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

const random = seeded(19);

/** 64-bit patterns of every size, both signs, and the edges of powers of two and ten. */
const patterns: bigint[] = [
  ...Array.from({ length: 64 }, (_, bit) => [1n << BigInt(bit), (1n << BigInt(bit)) - 1n]).flat(),
  ...Array.from({ length: 19 }, (_, power) => [10n ** BigInt(power), 10n ** BigInt(power) - 1n]).flat(),
  ...Array.from({ length: 3_000 }, () => BigInt(Math.floor(random() * 2 ** (random() * 53)))),
  ...Array.from({ length: 500 }, () => BigInt(Math.floor(random() * 2 ** 53)) << 10n),
].flatMap((value) => [value, -value]);

/** Doubles of few places and of many, whole ones, and those that have an exponent. */
const doubles: number[] = [
  ...[
    0,
    -0,
    Number.NaN,
    Infinity,
    -Infinity,
    1e15,
    1e16,
    1e17,
    1e21,
    1e22,
    1e-3,
    1e-4,
    9.9999e-5,
    1e-7,
    5e-324,
  ],
  ...[0.1 + 0.2, 4.35, 1.005, 2 ** 52 + 0.5, 2 ** 53 + 2, 123456789.12345, 999999999.9999, 0.00005],
  ...Array.from({ length: 5_000 }, () => Math.round(random() * 1e6) / 100),
  ...Array.from({ length: 5_000 }, () => Math.round(random() * 1e13) / 10 ** Math.floor(random() * 7)),
  ...Array.from({ length: 5_000 }, () => random()),
  ...Array.from({ length: 5_000 }, () => Math.floor(random() * 2 ** (random() * 70))),
  ...Array.from({ length: 5_000 }, () => (random() - 0.5) * 10 ** Math.floor(random() * 60 - 30)),
].flatMap((value) => [value, -value]);

function vectorOf(type: ColumnType, rows: number, fill: (data: DataView, row: number) => void): Vector {
  const data = new DataView(new ArrayBuffer(rows * bytesOf(type)));
  for (let row = 0; row < rows; row++) fill(data, row);
  return { type, rows, valid: null, data, children: [], longMemory: () => new Uint8Array() };
}

function compare(what: string, write: Write | undefined, text: TextOf, rows: number): void {
  if (write === undefined) throw new Error(`no writer for ${what}`);
  const sink = createSink();
  for (let row = 0; row < rows; row++) {
    const from = sink.length;
    write(sink, row);
    const written = Buffer.from(sink.bytes.subarray(from, sink.length)).toString("latin1");
    if (written !== text(row)) expect([what, row, written]).toEqual([what, row, text(row)]);
  }
}

/** Patterns as the low bits of values of the type, sign and all. */
const patternsAs = (type: ColumnType): Vector =>
  vectorOf(type, patterns.length, (data, row) => {
    const pattern = patterns[row] as bigint;
    const bytes = bytesOf(type);
    if (bytes === 1) data.setInt8(row, Number(BigInt.asIntN(8, pattern)));
    else if (bytes === 2) data.setInt16(row * 2, Number(BigInt.asIntN(16, pattern)), true);
    else if (bytes === 4) data.setInt32(row * 4, Number(BigInt.asIntN(32, pattern)), true);
    else data.setBigInt64(row * bytes, pattern, true);
    if (bytes === 16) data.setBigInt64(row * 16 + 8, row % 7 === 0 ? pattern : pattern < 0n ? -1n : 0n, true);
  });

test("integers of all types", () => {
  const read: [ColumnType["kind"], (data: DataView, row: number) => unknown][] = [
    ["int8", (data, row) => data.getInt8(row)],
    ["uint8", (data, row) => data.getUint8(row)],
    ["int16", (data, row) => data.getInt16(row * 2, true)],
    ["uint16", (data, row) => data.getUint16(row * 2, true)],
    ["int32", (data, row) => data.getInt32(row * 4, true)],
    ["uint32", (data, row) => data.getUint32(row * 4, true)],
    ["int64", (data, row) => data.getBigInt64(row * 8, true)],
    ["uint64", (data, row) => data.getBigUint64(row * 8, true)],
  ];
  for (const [kind, valueAt] of read) {
    const vector = patternsAs({ kind, name: kind } as ColumnType);
    compare(kind, numberWriter(vector, true), (row) => String(valueAt(vector.data, row)), vector.rows);
  }
});

test("decimals of all widths and scales", () => {
  for (const [bytes, scaleMax] of [
    [2, 4],
    [4, 9],
    [8, 18],
    [16, 38],
  ] as const)
    for (let scale = 0; scale <= scaleMax; scale++) {
      const name = `DECIMAL of ${bytes} bytes, ${scale}`;
      const vector = patternsAs({ kind: "decimal", width: scaleMax, scale, bytes, name });
      const text = plainText(vector) as TextOf;
      const write = plainWriter(vector) as Write;
      compare(name, write, text, vector.rows);
      compare(`${name}, shortest`, shortestWriter(write), (row) => shortestText(text(row)), vector.rows);
    }
});

test("UUIDs, days and moments", () => {
  const ofPattern: ColumnType[] = [
    { kind: "uuid", name: "UUID" },
    { kind: "date", name: "DATE" },
    ...(["s", "ms", "us", "ns"] as const).map(
      (unit: TimestampUnit): ColumnType => ({
        kind: "timestamp",
        unit,
        zoned: false,
        name: `TIMESTAMP ${unit}`,
      }),
    ),
  ];
  for (const type of ofPattern) {
    const vector = patternsAs(type);
    compare(type.name, plainWriter(vector), plainText(vector) as TextOf, vector.rows);
    if (type.kind !== "timestamp") continue;
    const wall: TextOf = (row) => wallClockText(vector.data.getBigInt64(row * 8, true), type.unit);
    compare(`${type.name}, no zone`, wallClockWriter(vector, type), wall, vector.rows);
  }
  const days = vectorOf({ kind: "date", name: "DATE" }, 60_000, (data, row) =>
    data.setInt32(row * 4, ([-719_528, 2_932_896, 0][row % 3] as number) + ((row / 3) | 0) - 10_000, true),
  );
  compare("days", plainWriter(days), plainText(days) as TextOf, days.rows);
});

test("doubles and floats", () => {
  const vector = vectorOf({ kind: "double", name: "DOUBLE" }, doubles.length, (data, row) =>
    data.setFloat64(row * 8, doubles[row] as number, true),
  );
  const valueAt = (row: number) => vector.data.getFloat64(row * 8, true);
  const asJson = (value: number, text: string) => {
    if (!Number.isFinite(value)) return `"${value}"`;
    if (Object.is(value, -0)) return "-0.0";
    return Number.isInteger(value) && !/[.e]/.test(text) ? `${text}.0` : text;
  };
  const json: TextOf = (row) => asJson(valueAt(row), String(valueAt(row)));
  const fixed: TextOf = (row) => fixedDoubleText(valueAt(row));
  compare("JSON", numberWriter(vector, true), json, vector.rows);
  compare("CSV, fixed", csvDoubleWriter(vector.data, true), fixed, vector.rows);
  const short: TextOf = (row) => fixed(row).replace(/^(-?[1-9]\d*|0)\.0$/, "$1");
  compare("CSV", csvDoubleWriter(vector.data, false), short, vector.rows);
  const floats = vectorOf({ kind: "float", name: "FLOAT" }, doubles.length, (data, row) =>
    data.setFloat32(row * 4, doubles[row] as number, true),
  );
  const floatAt = (row: number) => floats.data.getFloat32(row * 4, true);
  const text = (value: number) =>
    Object.is(value, -0) ? "-0.0" : Number.isFinite(value) ? floatText(value) : String(value);
  compare("FLOAT in CSV", numberWriter(floats, false), (row) => text(floatAt(row)), floats.rows);
  const floatJson: TextOf = (row) => asJson(floatAt(row), text(floatAt(row)));
  compare("FLOAT in JSON", numberWriter(floats, true), floatJson, floats.rows);
});

let stack: QuerydStack;
beforeAll(async () => {
  stack = await startQuerydStack();
});
afterAll(() => stack.stop());

test("texts of all lengths, wherever they lie in memory, in formats that have their bytes", async () => {
  const lengths = [0, 1, 11, 12, 13, 14, 100, 1000, windowBytes - 1, windowBytes, windowBytes + 1, 600_000];
  const textOf = (row: number) => `${row}:${'ž,"\n'.repeat(200_000)}`.slice(0, lengths[row % lengths.length]);
  // Each length twice with a name and without one.
  const rows = 120;
  const sql = `SELECT i, left(i || ':' || repeat('ž,"' || chr(10), 200000), [${lengths}][i % ${lengths.length} + 1])
    AS t, CASE WHEN i % 5 > 0 THEN 'the row of number ' || i END AS n FROM range(${rows}) AS r(i) ORDER BY i`;
  const nameOf = (row: number) => (row % 5 > 0 ? `the row of number ${row}` : null);
  const ask = async (accept: string) => {
    const request = { method: "POST", headers: { accept, "content-type": "application/json" } };
    const answer = await stack.send(
      new Request("http://localhost/sql", { ...request, body: JSON.stringify({ sql }) }),
    );
    expect(answer.status).toBe(200);
    return answer.text();
  };
  const expected = Array.from({ length: rows }, (_, i) => ({ i, t: textOf(i), n: nameOf(i) }));
  const digest = (value: unknown) => Bun.hash(JSON.stringify(value));
  const lines = expected.map((row) => `${JSON.stringify(row)}\n`).join("");
  expect(digest(await ask("application/x-ndjson"))).toBe(digest(lines));
  const [, ...records] = rfc4180(await ask("text/csv"));
  expect(digest(records)).toBe(digest(expected.map(({ i, t, n }) => [String(i), t, n])));
});
