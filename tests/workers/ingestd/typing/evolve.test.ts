/** Files with other columns than their dataset, by evolve=true: what is taken, what the files hold, and what stays drift. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

const evolve = "&evolve=true";
const append = `&mode=append${evolve}`;
const columnsOf = async (name: string) => {
  const { columns } = await stack.catalogd.manifest({ name });
  return columns.map(({ name: column, type, field_id }) => `${field_id} ${column} ${type}`).join(", ");
};
/** Names, types and ids in the file of the last object. */
const fileOf = async (name: string) => {
  const manifest = await stack.catalogd.manifest({ name });
  const relation = await stack.relation({ ...manifest, objects: manifest.objects.slice(-1) });
  const paths = relation.slice("read_parquet([".length, -2);
  const fields = await stack.query(
    `SELECT field_id, name FROM parquet_schema(${paths}) WHERE field_id IS NOT NULL`,
  );
  return fields.map((field) => field.join(" ")).join(", ");
};

describe("append", () => {
  test.each<[string, string, string, string]>([
    [
      "a column more",
      "id,x,city\n2,b,Ulm\n",
      "1 id BIGINT, 2 x VARCHAR, 3 city VARCHAR",
      "1 id, 2 x, 3 city",
    ],
    ["a column less", "x\nb\n", "1 id BIGINT, 2 x VARCHAR", "2 x"],
    [
      "another order and a column more",
      "new,x,id\n1.5,b,2\n",
      "1 id BIGINT, 2 x VARCHAR, 3 new DECIMAL(18,1)",
      "1 id, 2 x, 3 new",
    ],
    [
      "lines of JSON with a key more",
      '{"id":2,"tags":["a"]}\n',
      "1 id BIGINT, 2 x VARCHAR, 3 tags VARCHAR[]",
      "1 id, 2 x, 3 tags, 4 element",
    ],
  ])("%s", async (title, body, columns, file) => {
    const name = title.replace(/\W/g, "_");
    await stack.ingest(name, "id,x\n1,a\n");
    const strict = await stack.ingest(name, body, "&mode=append");
    if (!title.startsWith("lines"))
      expect([strict.status, strict.error.type, strict.error.message]).toEqual([
        409,
        "schema_drift",
        expect.stringContaining("send evolve=true"),
      ]);
    const { status, error, answer } = await stack.ingest(name, body, append);
    expect([status, error.message]).toEqual([200, ""]);
    expect(answer.manifest.version).toBe(2);
    expect(await columnsOf(name)).toBe(columns);
    expect(await fileOf(name)).toBe(file);
  });

  test("wider numbers of Parquet, and narrower ones", async () => {
    const parquet = async (select: string) => {
      const path = `${stack.directory}/${crypto.randomUUID()}.parquet`;
      await stack.query(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
      return (await Bun.file(path).bytes()) as unknown as BodyInit;
    };
    await stack.ingest(
      "wide",
      await parquet("SELECT 1::INTEGER AS n, 1::FLOAT AS f, 1.5::DECIMAL(6,2) AS d"),
    );
    const wider = await stack.ingest(
      "wide",
      await parquet("SELECT 2.25::DECIMAL(9,2) AS d, 5000000000 AS n, 0.1::DOUBLE AS f"),
      append,
    );
    expect(wider.error.message).toBe("");
    const narrower = await stack.ingest(
      "wide",
      await parquet("SELECT 3::INTEGER AS n, 3::FLOAT AS f, 3::DECIMAL(6,2) AS d"),
      append,
    );
    expect(narrower.error.message).toBe("");
    expect(await columnsOf("wide")).toBe("1 n BIGINT, 2 f DOUBLE, 3 d DECIMAL(9,2)");
    expect(narrower.answer.manifest.objects.map(({ schema_id }) => schema_id)).toEqual([
      undefined,
      1,
      undefined,
    ]);
    const text = await stack.ingest("wide", await parquet("SELECT 'x' AS n"), append);
    expect([text.status, text.error.type]).toEqual([409, "schema_drift"]);
    expect(text.error.message).toContain(
      "retyped: n (BIGINT → VARCHAR); with evolve=true a type may become a wider one",
    );
  });

  test("a value that does not hold in its type is drift, unless the type is wider", async () => {
    await stack.ingest("values", "n\n1\n");
    const { status, error } = await stack.ingest("values", "n\nabc\n", append);
    expect([status, error.type]).toEqual([409, "schema_drift"]);
    expect(error.message).toContain("retype");
    expect(await stack.objects()).not.toContain(expect.stringContaining("datasets/values/2"));
  });

  test("a column that is empty throughout takes any type", async () => {
    await stack.ingest("empty", "id,when\n1,\n");
    expect(await columnsOf("empty")).toBe("1 id BIGINT, 2 when VARCHAR");
    const { error } = await stack.ingest("empty", "id,when\n2,2026-01-01\n", append);
    expect(error.message).toBe("");
    expect(await columnsOf("empty")).toBe("1 id BIGINT, 3 when DATE");
    await stack.ingest("empty", "id,when\n3,\n", append);
    expect(await columnsOf("empty")).toBe("1 id BIGINT, 3 when DATE");
  });

  test("a name that differs by case is refused", async () => {
    await stack.ingest("cases", "id\n1\n");
    const { status, error } = await stack.ingest("cases", "ID\n1\n", append);
    expect([status, error.type]).toEqual([422, "unprocessable"]);
    expect(error.message).toContain("'ID' is there twice");
  });
});

test("replace takes the file's columns, and the same file again is the same version", async () => {
  await stack.ingest("whole", "id,a,b\n1,x,2\n");
  const { error, answer } = await stack.ingest("whole", "c,id,b\n9,2,y\n", evolve);
  expect(error.message).toBe("");
  expect(await columnsOf("whole")).toBe("1 id BIGINT, 4 b VARCHAR, 5 c BIGINT");
  expect(answer.manifest.schemas).toBeUndefined();
  expect((await stack.ingest("whole", "c,id,b\n9,2,y\n", evolve)).answer.unchanged).toBe(true);
  // Of a column that was dropped meanwhile the same file brings the values back.
  await stack.catalogd.evolve({ name: "whole", drop: ["c"] });
  const again = await stack.ingest("whole", "c,id,b\n9,2,y\n", evolve);
  expect([again.answer.unchanged, await columnsOf("whole")]).toEqual([
    false,
    "1 id BIGINT, 4 b VARCHAR, 6 c BIGINT",
  ]);
});
