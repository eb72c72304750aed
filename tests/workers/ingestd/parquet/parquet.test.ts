import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

async function parquetOf(query: string, settings = ""): Promise<Uint8Array> {
  const path = join(stack.directory, `${crypto.randomUUID()}.parquet`);
  await stack.query(`COPY (${query}) TO '${path}' (FORMAT parquet${settings})`);
  return Bun.file(path).bytes();
}

describe("Parquet in", () => {
  test("keeps every common and nested type, and every value", async () => {
    const query = `SELECT i::BIGINT AS a, 'x' || i AS b, i % 2 = 0 AS c, i + 0.25::DECIMAL(10,2) AS d, i / 3::DOUBLE AS e, i::FLOAT AS f,
      DATE '2020-01-01' + i::INTEGER AS g, TIMESTAMP '2020-01-01 00:00:00.123456' AS h, TIME '10:00:00' AS t,
      TIMESTAMPTZ '2020-01-01 00:00:00+00' AS z, uuid() AS u, 'q'::BLOB AS bl, {'x': i, 'l': [i, NULL]} AS s, MAP {'k': i} AS m, [[1], []] AS ll
      FROM range(10) r(i)`;
    const bytes = await parquetOf(query);
    const { status, answer, error } = await stack.ingest("types", bytes as unknown as BodyInit);
    expect(`${status} ${error.message}`).toBe("200 ");
    expect(stack.types(answer.manifest)).toEqual({
      a: "BIGINT",
      b: "VARCHAR",
      c: "BOOLEAN",
      d: "DECIMAL(22,2)",
      e: "DOUBLE",
      f: "FLOAT",
      g: "DATE",
      h: "TIMESTAMP",
      t: "TIME",
      z: "TIMESTAMP WITH TIME ZONE",
      u: "UUID",
      bl: "BLOB",
      s: "STRUCT(x BIGINT, l BIGINT[])",
      m: "MAP(VARCHAR, BIGINT)",
      ll: "INTEGER[][]",
    });
    await Bun.write(join(stack.directory, "in.parquet"), bytes);
    const relation = await stack.relation(answer.manifest);
    const [differing] = await stack.query(
      `SELECT count(*) FROM ((FROM ${relation} EXCEPT ALL FROM '${stack.directory}/in.parquet') UNION ALL (FROM '${stack.directory}/in.parquet' EXCEPT ALL FROM ${relation}))`,
    );
    expect(differing).toEqual(["0"]);
  });

  test("widens the types that open table formats lack, and says so", async () => {
    const bytes = await parquetOf(
      "SELECT 1::TINYINT AS a, 2::SMALLINT AS b, 3::UINTEGER AS c, 18446744073709551615::UBIGINT AS d",
    );
    const { answer } = await stack.ingest("widened", bytes as unknown as BodyInit);
    expect(stack.types(answer.manifest)).toEqual({
      a: "INTEGER",
      b: "INTEGER",
      c: "BIGINT",
      d: "DECIMAL(20,0)",
    });
    expect(await stack.cells(answer.manifest)).toEqual([["1", "2", "3", "18446744073709551615"]]);
    expect(answer.warnings).toHaveLength(4);
  });

  test("no rows, many row groups, other codecs", async () => {
    const none = await stack.ingest(
      "none",
      (await parquetOf("SELECT 1 AS a WHERE false")) as unknown as BodyInit,
    );
    expect([none.status, none.answer.manifest.row_count]).toEqual([200, 0]);
    const many = await parquetOf(
      "SELECT i FROM range(20000) r(i)",
      ", ROW_GROUP_SIZE 2048, COMPRESSION snappy",
    );
    const { answer } = await stack.ingest("many", many as unknown as BodyInit);
    expect([answer.rows_in, answer.rows_loaded]).toEqual([20_000, 20_000]);
  });

  test("a file whose data is damaged is refused, and nothing is registered", async () => {
    const bytes = await parquetOf(
      "SELECT repeat(md5(i::VARCHAR), 3) AS a FROM range(5000) r(i)",
      ", COMPRESSION zstd",
    );
    const broken = Uint8Array.from(bytes);
    broken.fill(0xff, 4, 200);
    const damaged = await stack.ingest("damaged", broken as unknown as BodyInit);
    expect([damaged.status, damaged.error.type]).toEqual([422, "unprocessable"]);
    expect(damaged.error.message).not.toContain(stack.directory);
    const cut = await stack.ingest("damaged", bytes.subarray(0, -50) as unknown as BodyInit);
    expect([cut.status, cut.error.type]).toEqual([422, "unprocessable"]);
    await expect(stack.catalogd.manifest({ name: "damaged" })).rejects.toMatchObject({ type: "not_found" });
  });

  test("an interval is refused by name", async () => {
    const { status, error } = await stack.ingest(
      "interval",
      (await parquetOf("SELECT INTERVAL 1 DAY AS wait")) as unknown as BodyInit,
    );
    expect([status, error.message.includes("'wait' is INTERVAL in the file, which no type")]).toEqual([
      422,
      true,
    ]);
  });

  test("a time beyond the day is refused before DuckDB fails on it, at any depth", async () => {
    const deep = (value: string) => `{'x': [MAP {'k': ${value}}], 'y': NULL::TIME[]}`;
    const query = (value: string) => `SELECT ${deep(value)} AS a UNION ALL SELECT NULL`;
    const whole = await stack.ingest(
      "day",
      (await parquetOf(query("'24:00:00'::TIME"))) as unknown as BodyInit,
    );
    expect(`${whole.status} ${whole.error.message}`).toBe("200 ");
    for (const type of ["TIME", "TIME_NS"]) {
      const bytes = Buffer.from(await parquetOf(query(`'10:00:00'::${type}`), ", COMPRESSION uncompressed"));
      const ten = Buffer.alloc(8);
      ten.writeBigInt64LE(36_000_000_000n * (type === "TIME" ? 1n : 1000n));
      for (let at = bytes.indexOf(ten); at >= 0; at = bytes.indexOf(ten)) bytes.fill(0xff, at, at + 8);
      const { status, error } = await stack.ingest("beyond", bytes as unknown as BodyInit);
      expect([status, error.message]).toEqual([422, expect.stringContaining("1 values beyond the 24 hours")]);
    }
  });

  test("another type than the registered one is a 409", async () => {
    await stack.ingest("drift", (await parquetOf("SELECT 1::BIGINT AS a")) as unknown as BodyInit);
    const { status, error } = await stack.ingest(
      "drift",
      (await parquetOf("SELECT 'x' AS a")) as unknown as BodyInit,
    );
    expect([status, error.message.includes("a (BIGINT → VARCHAR)")]).toEqual([409, true]);
  });
});

describe("Parquet out", () => {
  test("has field ids, statistics, Zstandard, and the same bytes for the same file", async () => {
    const text = "id,name,note\n1,b,\n2,a,x\n";
    const { answer } = await stack.ingest("out", text);
    const [object] = answer.manifest.objects;
    expect(object?.statistics).toMatchObject([
      { column: "id", field_id: 1, null_count: 0, value_count: 2, min: "1", max: "2" },
      { column: "name", field_id: 2, null_count: 0, value_count: 2, min: "a", max: "b" },
      { column: "note", field_id: 3, null_count: 1, value_count: 2, min: "x", max: "x" },
    ]);
    expect(object?.key).toBe(`datasets/out/${object?.etag}.parquet`);
    const path = (await stack.relation(answer.manifest)).slice("read_parquet([".length, -2);
    expect(await stack.query(`SELECT DISTINCT compression FROM parquet_metadata(${path})`)).toEqual([
      ["ZSTD"],
    ]);
    expect(
      await stack.query(`SELECT name, field_id FROM parquet_schema(${path}) WHERE field_id IS NOT NULL`),
    ).toEqual([
      ["id", "1"],
      ["name", "2"],
      ["note", "3"],
    ]);
    const other = await stack.ingest("other", text);
    expect(other.answer.manifest.objects[0]?.etag).toBe(object?.etag ?? "");
  });

  test("of a dataset that is known has its field ids", async () => {
    const columns = [
      { name: "l", type: "BIGINT[]", nullable: true, field_id: 7, nested_ids: [9] },
      { name: "id", type: "BIGINT", nullable: true, field_id: 4 },
    ];
    await stack.catalogd.register({ name: "known_ids", columns, objects: [] });
    const bytes = await parquetOf("SELECT 1::BIGINT AS id, [2::BIGINT] AS l");
    const { answer } = await stack.ingest("known_ids", bytes as unknown as BodyInit, "&mode=append");
    expect(answer.manifest.columns).toEqual(columns);
    const path = (await stack.relation(answer.manifest)).slice("read_parquet([".length, -2);
    expect(
      await stack.query(`SELECT name, field_id FROM parquet_schema(${path}) WHERE field_id IS NOT NULL`),
    ).toEqual([
      ["l", "7"],
      ["element", "9"],
      ["id", "4"],
    ]);
    expect(answer.manifest.objects[0]?.statistics.map(({ field_id }) => field_id)).toEqual([4, 9]);
  });

  test("nested fields have ids after the columns'", async () => {
    const { answer } = await stack.ingest("nested", '{"s":{"x":1,"l":[{"y":"q"}]},"t":2}\n');
    const path = (await stack.relation(answer.manifest)).slice("read_parquet([".length, -2);
    const ids = await stack.query(
      `SELECT name, field_id FROM parquet_schema(${path}) WHERE field_id IS NOT NULL ORDER BY field_id::INTEGER`,
    );
    expect(ids).toEqual([
      ["s", "1"],
      ["t", "2"],
      ["x", "3"],
      ["l", "4"],
      ["element", "5"],
      ["y", "6"],
    ]);
    const columns = answer.manifest.objects[0]?.statistics.map(({ column, field_id }) => [column, field_id]);
    expect(columns).toEqual([
      ["t", 2],
      ["s.x", 3],
      ["s.l.element.y", 6],
    ]);
  });
});
