/** Transforms as SQL, by the values of Iceberg's specification (Appendix B, "32-bit Hash Requirements") and of PyIceberg. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { partitionValue } from "../../../../workers/catalogd/partitioning/partitioning.ts";
import { textSql, transformed } from "../../../../workers/catalogd/partitioning/transforms.ts";

let db: DuckDBConnection;
beforeAll(async () => {
  const instance = await DuckDBInstance.create(":memory:");
  db = await instance.connect();
  await db.run("SET TimeZone = 'UTC'");
});
afterAll(() => db.closeSync());

const textOf = async (transform: string, type: string, literal: string): Promise<unknown> => {
  const made = transformed(transform, type, "v");
  if (!made) return undefined;
  const found = await db.runAndReadAll(`SELECT ${textSql(made)} FROM (SELECT ${literal} AS v)`);
  return found.getRows()[0]?.[0];
};

/** A number of buckets that leaves the hash as good as whole. */
const buckets = 999_999_937;
test.each([
  ["int", "34::INTEGER", 2017239379],
  ["long", "34::BIGINT", 2017239379],
  ["decimal(9,2)", "14.20::DECIMAL(9,2)", -500754589],
  ["date", "DATE '2017-11-16'", -653330422],
  ["time", "TIME '22:31:08'", -662762989],
  ["timestamp", "TIMESTAMP '2017-11-16 22:31:08'", -2047944441],
  ["timestamptz", "TIMESTAMPTZ '2017-11-16 14:31:08-08'", -2047944441],
  ["string", "'iceberg'", 1210000089],
  ["uuid", "UUID 'f79c3e09-677c-4bbd-a479-3f349cb785e7'", 1488055340],
  ["binary", "unhex('00010203')", -188683207],
])("the hash of %s %s", async (type, literal, hash) => {
  const bucket = String((hash & 0x7fffffff) % buckets);
  expect(await textOf(`bucket[${buckets}]`, type, literal)).toBe(bucket);
  expect(await textOf("bucket[16]", type, `NULLIF(${literal}, ${literal})`)).toBeNull();
});

test.each([
  ["year", "date", "DATE '1969-12-31'", "-1"],
  ["month", "date", "DATE '1969-12-31'", "-1"],
  ["month", "timestamp", "TIMESTAMP '2001-02-03 04:05:06'", "373"],
  ["day", "timestamp", "TIMESTAMP '1969-12-31 23:59:59.9'", "1969-12-31"],
  ["day", "timestamptz", "TIMESTAMPTZ '2001-01-01 00:30:00+01'", "2000-12-31"],
  ["hour", "timestamp", "TIMESTAMP '1969-12-31 23:30:00'", "-1"],
  ["truncate[10]", "int", "-1::INTEGER", "-10"],
  ["truncate[10]", "long", "(-9223372036854775800)::BIGINT", "-9223372036854775800"],
  ["truncate[50]", "decimal(10, 2)", "-14.51::DECIMAL(10,2)", "-15.00"],
  ["truncate[50]", "decimal(10, 2)", "0.05::DECIMAL(10,2)", "0.00"],
  ["truncate[50]", "decimal(10, 2)", "1234567.89::DECIMAL(10,2)", "1234567.50"],
  ["truncate[3]", "string", "'né mal'", "né "],
  ["truncate[1]", "binary", "unhex('AB01')", "AB"],
  ["identity", "boolean", "true", "1"],
  ["identity", "timestamptz", "TIMESTAMPTZ '2001-01-01 00:30:00+01'", "2000-12-31 23:30:00+00"],
  ["void", "long", "5", null],
  ["zorder[3]", "long", "5", undefined],
  ["bucket[4]", "double", "5", undefined],
  ["bucket[4]", "decimal(36,0)", "5", undefined],
  ["hour", "date", "5", undefined],
])("%s of %s %s", async (transform, type, literal, text) => {
  expect(await textOf(transform, type, literal)).toBe(text);
});

test.each([
  ["int", "-2", -2],
  ["date", "1969-12-31", -1],
  ["double", "0.0", 0],
  ["decimal(10, 2)", "-15.00", Uint8Array.of(255, 255, 255, 250, 36)],
  ["boolean", "1", true],
  ["string", "a text of more than sixteen characters", "a text of more than sixteen characters"],
  ["date", "10000-01-01", undefined],
  ["uuid", "f79c", undefined],
])("a partition's value: %s %s", (type, text, avro) => {
  expect(partitionValue(type, text)?.avro).toEqual(avro as never);
});
