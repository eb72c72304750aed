/** Pruned and unpruned give the same rows: random predicates on every type, with NULL, NaN, infinities and texts of any letters. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { numberFields, readStatistics } from "../../../../workers/ingestd/loading/field-ids.ts";
import { type Predicates, placesOf, predicatesOf } from "../../../../workers/queryd/pruning/pruning.ts";
import { matchParameters } from "../../../../workers/queryd/statements/parameters.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

type Manifest = Parameters<typeof placesOf>[0];

const random = seeded(11);
const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
const whole = (least: number, most: number) => least + Math.floor(random() * (most - least + 1));

/** Of each column its type, and texts of values: some beside each other, the greatest, the least, and odd ones. */
const columns = {
  big: {
    type: "BIGINT",
    values: ["-9223372036854775808", "-3", "0", "5", "6", "7", "9007199254740993", "9223372036854775807"],
  },
  small: { type: "UTINYINT", values: ["0", "1", "5", "6", "7", "254", "255"] },
  money: {
    type: "DECIMAL(18,3)",
    values: ["-5.500", "0.000", "4.999", "5.000", "5.001", "6.500", "999999999999999.999"],
  },
  large: {
    type: "DECIMAL(38,4)",
    values: ["-1.0000", "5.0000", "5.0001", "9999999999999999999999999999999999.9999"],
  },
  double: {
    type: "DOUBLE",
    values: ["NaN", "-inf", "inf", "-0.0", "0.0", "5", "5.000000000000001", "5.1", "1e308", "5e-324", "-7"],
  },
  float: { type: "FLOAT", values: ["NaN", "-inf", "inf", "0.1", "5", "5.0000005", "16777216", "-3e38"] },
  text: {
    type: "VARCHAR",
    values: [
      "",
      "5",
      "a",
      "A",
      "ab",
      "abc",
      "abd",
      "b",
      "é",
      "z",
      "\uE000",
      "😀",
      "a'b",
      `a${"x".repeat(40)}`,
      `a${"x".repeat(40)}y`,
      "x".repeat(300),
    ],
  },
  day: {
    type: "DATE",
    values: [
      "0001-01-01",
      "1969-12-31",
      "2024-02-29",
      "2024-03-01",
      "2024-03-31",
      "9999-12-31",
      "infinity",
      "-infinity",
      "0044-03-15 (BC)",
      "12024-01-01",
    ],
  },
  at: {
    type: "TIMESTAMP",
    values: [
      "1969-12-31 23:59:59.999999",
      "2024-03-31 00:00:00",
      "2024-03-31 02:30:00",
      "2024-03-31 02:30:00.5",
      "infinity",
      "-infinity",
      "0044-03-15 (BC) 00:00:00",
    ],
  },
  instant: {
    type: "TIMESTAMP WITH TIME ZONE",
    values: [
      "2024-03-31 00:59:59+00",
      "2024-03-31 01:00:00+00",
      "2024-03-31 01:30:00.25+00",
      "2024-10-27 01:00:00+00",
      "infinity",
    ],
  },
  flag: { type: "BOOLEAN", values: ["true", "false"] },
  moment: { type: "TIMESTAMP_NS", values: ["2024-03-31 00:00:00.000000001", "2024-03-31 00:00:00"] },
} as const;
type Name = keyof typeof columns;
const names = Object.keys(columns) as Name[];
const quote = (text: string) => `'${text.replaceAll("'", "''")}'`;

let directory: { path: string; remove: () => void };
let connection: DuckDBConnection;
let manifest: Manifest;
const filesCount = 40;
const fileOf = (at: number) => join(directory.path, `${at}.parquet`);

beforeAll(async () => {
  directory = temporaryDirectory("pruning");
  connection = await (await DuckDBInstance.create(":memory:", { threads: "2" })).connect();
  await connection.run("SET TimeZone = 'UTC'");
  const described = [
    { name: "id", type: "BIGINT", shape: {} },
    ...names.map((name) => ({ name, type: columns[name].type, shape: {} })),
  ];
  const fields = numberFields(described);
  const objects: Manifest["objects"] = [];
  for (let at = 0; at < filesCount; at++) {
    // A file has a few neighbouring values of each column, so that there is something to rule out.
    const few = names.map((name) => {
      const { values } = columns[name];
      const from = whole(0, values.length - 1);
      const nulls = pick([0, 0, 0.3, 1]);
      return () =>
        random() < nulls ? "NULL" : quote(values[Math.min(values.length - 1, from + whole(0, 2))] as string);
    });
    const rows = Array.from({ length: whole(1, 5) }, (_, row) => {
      const cells = few.map((value, column) => `${value()}::${columns[names[column] as Name].type}`);
      return `SELECT ${at * 100 + row}::BIGINT AS id, ${cells.map((cell, column) => `${cell} AS ${names[column]}`).join(", ")}`;
    });
    const copied = await connection.runAndReadAll(
      `COPY (${rows.join(" UNION ALL ")}) TO '${fileOf(at)}' (FORMAT parquet, RETURN_STATS, FIELD_IDS ${fields.sql})`,
    );
    const [answer] = copied.getRowObjectsJson();
    const statistics = readStatistics(answer as never, fields);
    objects.push({ key: `${at}`, bytes: 1, etag: "e", row_count: rows.length, statistics });
  }
  manifest = {
    columns: fields.columns.map((column) => ({ ...column, nullable: true })),
    objects,
  } as unknown as Manifest;
});
afterAll(() => {
  connection.closeSync();
  directory.remove();
});

const parse = async (sql: string): Promise<Predicates> => {
  const read = await connection.runAndReadAll(`SELECT json_serialize_sql(${quote(sql)})`);
  return predicatesOf(JSON.parse(String(read.getRows()[0]?.[0])));
};
const placesFor = async (sql: string, params: unknown[] = []): Promise<number[]> => {
  const given = matchParameters(
    params.map((_, at) => `${at + 1}`),
    params,
  );
  const alternatives = (await parse(sql)).get("t");
  const all = [...manifest.objects.keys()];
  return alternatives
    ? placesOf(manifest, alternatives, new Map(given.map((each, at) => [`${at + 1}`, each])))
    : all;
};
/** The rows with these files alone, in one order; undefined for a statement that DuckDB refuses. */
const run = async (
  sql: string,
  places: readonly number[],
  params: unknown[],
): Promise<string[] | undefined> => {
  const files = places.map((at) => quote(fileOf(at))).join(", ");
  const rows =
    places.length === 0
      ? `SELECT * FROM read_parquet(${quote(fileOf(0))}) WHERE false`
      : `SELECT * FROM read_parquet([${files}])`;
  try {
    const read = await connection.runAndReadAll(
      `WITH t AS (${rows}) SELECT * FROM (${sql})`,
      params as never,
    );
    return read
      .getRowsJson()
      .map((row) => JSON.stringify(row))
      .sort();
  } catch {
    return undefined;
  }
};

/** A constant of some notation: of the column's own type, of another, or a parameter. */
function constant(name: Name, params: unknown[]): string {
  const { type, values } = columns[random() < 0.8 ? name : pick(names)];
  const value = pick(values);
  const forms = [quote(value), `CAST(${quote(value)} AS ${type})`, `${quote(value)}::${type}`];
  if (/^-?\d+(\.\d+)?$/.test(value))
    forms.push(value, value, value, `${value}.0`.replace(/(\..*)\.0$/, "$1"), `(${value} + 1)`);
  if (type === "DATE") forms.push(`DATE ${quote(value)}`, quote(`${value} 00:00:00`));
  if (type.startsWith("TIMESTAMP"))
    forms.push(
      `TIMESTAMP ${quote(value)}`,
      `TIMESTAMPTZ ${quote(value)}`,
      quote(value.replace("+00", "Z")),
      quote(value.replace(" ", "T")),
      quote(value.replace("+00", "+02")),
      quote(value.slice(0, 10)),
    );
  forms.push("NULL", `${quote(value)} COLLATE NOCASE`);
  if (random() < 0.15) {
    const number = Number(value);
    params.push(Number.isSafeInteger(number) && random() < 0.7 ? number : value);
    return `$${params.length}`;
  }
  return pick(forms);
}

function condition(depth: number, prefix: string, params: unknown[]): string {
  const name = pick(names);
  const column = pick([name, name, name.toUpperCase(), `"${name}"`]);
  const subject = `${prefix}${random() < 0.9 ? column : pick([`(${prefix}${column})`, `lower(${prefix}text)`, `${prefix}${column} COLLATE NOCASE`]).slice(prefix === "" ? 0 : 0)}`;
  const shape = depth > 0 ? random() : 0;
  if (shape > 0.9) return `NOT (${condition(depth - 1, prefix, params)})`;
  if (shape > 0.75)
    return `(${condition(depth - 1, prefix, params)} OR ${condition(depth - 1, prefix, params)})`;
  if (shape > 0.35)
    return `${condition(depth - 1, prefix, params)} AND ${condition(depth - 1, prefix, params)}`;
  const value = () => constant(name, params);
  const operator = pick(["=", "<", "<=", ">", ">=", "=", "<>", "IS NOT DISTINCT FROM"]);
  const kind = random();
  if (kind < 0.12) return `${subject} IS ${pick(["", "NOT "])}NULL`;
  if (kind < 0.25) return `${subject} ${pick(["", "", "NOT "])}BETWEEN ${value()} AND ${value()}`;
  if (kind < 0.4) return `${subject} ${pick(["", "", "NOT "])}IN (${value()}, ${value()}, ${value()})`;
  return random() < 0.8 ? `${subject} ${operator} ${value()}` : `${value()} ${operator} ${subject}`;
}

/** Statements of many shapes around conditions. */
function statement(params: unknown[]): string {
  const where = (prefix = "") => condition(2, prefix, params);
  return pick([
    () => `SELECT * FROM t WHERE ${where()}`,
    () => `SELECT * FROM t WHERE ${where()}`,
    () => `SELECT count(*), sum(id) FROM T AS x WHERE ${where("x.")}`,
    () => `SELECT -big AS small, text AS big FROM t WHERE ${where()}`,
    () => `SELECT a.id, b.id FROM t AS a JOIN t AS b ON a.id = b.id WHERE ${where("a.")} AND ${where("b.")}`,
    () => `SELECT a.id, b.id FROM t AS a LEFT JOIN t AS b ON a.id = b.id + 100 WHERE ${where("b.")}`,
    () => `SELECT a.id, b.id FROM t AS a FULL JOIN t AS b ON a.id = b.id + 100 WHERE ${where("a.")}`,
    () => `SELECT a.id FROM t AS a SEMI JOIN (SELECT * FROM t WHERE ${where()}) AS b ON a.small = b.small`,
    () =>
      `SELECT a.id FROM t AS a ANTI JOIN (SELECT * FROM t WHERE ${where()}) AS b ON a.small = b.small WHERE ${where("a.")}`,
    () => `SELECT id FROM t WHERE ${where()} UNION ALL SELECT id FROM t WHERE ${where()}`,
    () => `SELECT id FROM t WHERE id NOT IN (SELECT id FROM t WHERE ${where()})`,
    () =>
      `WITH u AS (SELECT * FROM t WHERE ${where()}) SELECT u.id, (SELECT count(*) FROM t WHERE t.small = u.small) FROM u`,
    () => `WITH t AS (SELECT * REPLACE (5 AS big) FROM t) SELECT * FROM t WHERE ${where()}`,
    () => `SELECT q.id FROM t AS q(id, small, big) WHERE ${where("q.")}`,
    () => `SELECT count(*) FILTER (WHERE ${where()}) FROM t`,
    () => `SELECT id FROM t WHERE ${where()} GROUP BY ALL HAVING count(*) > 0`,
    () => `SELECT a.id FROM t AS a, t AS b WHERE a.small = b.big AND ${where("a.")}`,
    () => `SELECT a.id, b.id FROM t AS a POSITIONAL JOIN t AS b WHERE ${where("a.")}`,
  ])();
}

/** As many as a suite has time for: 2,000 take a minute. */
const rounds = Number(process.env.PRUNING_ROUNDS ?? 300);

test("random statements give the same rows", async () => {
  let ruledOut = 0;
  let ran = 0;
  for (let round = 0; round < rounds; round++) {
    const params: unknown[] = [];
    const sql = statement(params);
    const places = await placesFor(sql, params).catch(() => undefined);
    if (!places) continue; // It does not parse.
    const all = await run(sql, [...manifest.objects.keys()], params);
    if (!all) continue; // DuckDB refuses it, or one of its rows.
    ran += 1;
    ruledOut += filesCount - places.length;
    expect({ sql, params, rows: await run(sql, places, params) }).toEqual({ sql, params, rows: all });
  }
  expect(ran).toBeGreaterThan(rounds / 2);
  expect(ruledOut / ran / filesCount).toBeGreaterThan(0.03);
});

describe("rules out what it can, and no more", () => {
  const rows: [where: string, files: (manifest: Manifest) => boolean][] = [
    ["id = 300", ({ objects }) => objects.length === 1],
    ["id >= 1000 AND id < 1300", ({ objects }) => objects.length === 3],
    ["1000 <= id AND 1299 >= id", ({ objects }) => objects.length === 3],
    ["id BETWEEN 1000 AND 1299", ({ objects }) => objects.length === 3],
    ["id IN (0, 300, 99999)", ({ objects }) => objects.length === 2],
    ["ID = '305'", ({ objects }) => objects.length === filesCount],
    ["id IS NULL", ({ objects }) => objects.length === 0],
    ["id IS NOT NULL", ({ objects }) => objects.length === filesCount],
    ["id = 305 OR id = 1", ({ objects }) => objects.length === filesCount],
    ["abs(id) = 305", ({ objects }) => objects.length === filesCount],
    ["double > 1e300", ({ objects }) => objects.length > 0],
    ["id = $1", ({ objects }) => objects.length === 1],
    ["id = 300.0", ({ objects }) => objects.length === 1],
    ["id = 1e2", ({ objects }) => objects.length === filesCount],
  ];
  test.each(rows)("%s", async (where, holds) => {
    const params = where.includes("$1") ? [300] : [];
    const places = await placesFor(`SELECT * FROM t WHERE ${where}`, params);
    expect({ where, places, holds: holds({ objects: places } as never) }).toMatchObject({ holds: true });
  });

  test("a bound that was cut off is the beginning of greater values", () => {
    const object = (max: string) => ({
      row_count: 2,
      statistics: [{ column: "text", field_id: 1, null_count: 0, min: "a", max }],
    });
    const cut = {
      columns: [{ name: "text", type: "VARCHAR", field_id: 1 }],
      objects: [object("abc"), object("abz")],
    } as never;
    const asks = (operator: "=" | ">", value: string) =>
      placesOf(
        cut,
        [[{ column: "text", is: "compared", operator, literal: { kind: "text", value } }]],
        new Map(),
      );
    expect(asks("=", "abcd")).toEqual([0, 1]);
    expect(asks(">", "abc")).toEqual([0, 1]);
    expect(asks("=", "abd")).toEqual([1]);
    expect(asks("=", "b")).toEqual([]);
  });

  test("statistics under another name or number are not the column's", () => {
    const statistics = [{ column: "a", field_id: 2, null_count: 0, min: "1", max: "2" }];
    const odd = {
      columns: [
        { name: "a", type: "BIGINT", field_id: 1 },
        { name: "b", type: "BIGINT", field_id: 2 },
      ],
      objects: [{ row_count: 2, statistics }],
    } as never;
    for (const column of ["a", "b"])
      expect(
        placesOf(
          odd,
          [[{ column, is: "compared", operator: ">", literal: { kind: "integer", value: 9n } }]],
          new Map(),
        ),
      ).toEqual([0]);
  });
});
