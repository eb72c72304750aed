/** Workbooks, JSON documents, Avro, SQLite, archives and several files: what comes of them, and what is refused. */
import { Database } from "bun:sqlite";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { zipOf } from "../../../support/files/zip.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack({ max_ingest_bytes: 2_000_000, max_columns: 50 });
});
afterAll(() => stack.stop());
afterEach(async () => {
  expect(await stack.leftovers()).toEqual([]);
});

/** Written by openpyxl 3.1, odfpy 1.4 and fastavro 1.12 (`make.py` beside them). */
const fixture = (name: string) =>
  Bun.file(join(import.meta.dir, "../../../fixtures/ingestd/sources", name)).bytes();
const formOf = (...files: [name: string, content: string | Uint8Array][]): FormData => {
  const form = new FormData();
  for (const [name, content] of files) form.append("file", new File([content as BlobPart], name));
  return form;
};
async function tarOf(...files: [name: string, content: string][]): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of files) tar.entry({ name }, content);
  tar.finalize();
  return Buffer.concat(await Array.fromAsync(tar as AsyncIterable<Buffer>));
}
function sqliteOf(...statements: string[]): Uint8Array<ArrayBuffer> {
  const database = new Database(":memory:");
  for (const statement of statements) database.run(statement);
  const bytes = new Uint8Array(database.serialize());
  database.close();
  return bytes;
}

let count = 0;
/** Loads as a new dataset; its columns, rows as text of CSV, and warnings. */
async function load(body: BodyInit, query = "") {
  count += 1;
  const name = `t${count}`;
  const { status, answer, error } = await stack.post(`/ingest?name=${name}${query}`, body);
  if (status !== 200) throw new Error(`${error.type}: ${error.message}`);
  const shown = await stack.query(`SELECT to_json(t) FROM ${await stack.relation(answer.manifest)} t`);
  const rows = shown.map(([row]) => JSON.parse(String(row)) as unknown);
  const columns = answer.manifest.columns.map(({ name: called, type }) => `${called} ${type}`).join(", ");
  return { columns, rows, warnings: answer.warnings, answer };
}

describe("workbooks", () => {
  test("XLSX: each cell as it was stored, and a word for what is NULL", async () => {
    const { columns, rows, warnings } = await load(await fixture("jobs.xlsx"));
    expect(columns).toBe(
      "id BIGINT, zip VARCHAR, hired DATE, at TIMESTAMP, start TIME, ok BOOLEAN, rate DOUBLE, calc VARCHAR, note VARCHAR",
    );
    const none = {
      zip: null,
      hired: null,
      at: null,
      start: null,
      ok: null,
      rate: null,
      calc: null,
      note: null,
    };
    expect(rows).toEqual([
      ...[
        {
          id: 1,
          zip: "02134",
          hired: "2024-01-31",
          at: "2024-01-31 10:00:00",
          start: "08:30:00",
          ok: true,
          rate: 0.1,
          calc: null,
          note: "a",
        },
      ],
      ...[
        {
          id: 2,
          zip: "10001",
          hired: "1900-02-28",
          at: "2024-02-29 00:00:00",
          start: "23:59:59",
          ok: false,
          rate: 12345678.25,
          calc: null,
          note: "b\nc",
        },
      ],
      ...[
        {
          ...none,
          id: 3,
          zip: "00007",
          at: "2024-12-31 23:59:59.5",
          start: "00:00:00",
          rate: -3,
          note: "  x ",
        },
      ],
      ...[
        { ...none, id: 4 },
        { ...none, id: 5 },
      ],
    ]);
    expect(warnings).toEqual([
      "the sheet 'Jobs' is read; the file has 'Two tables' too: send sheet= for another one",
      expect.stringContaining("formulas without a stored result are NULL"),
      "error cells (as #N/A) are NULL: in I6",
      "merged cells have their value in the first of them, the others are NULL: in A8:B8",
    ]);
  });

  test("sheets by name, ranges, repeated names, the calendar from 1904, header=false and null=", async () => {
    const bytes = await fixture("jobs.xlsx");
    expect((await load(bytes, "&sheet=Hidden")).rows).toEqual([{ x: 1 }]);
    const two = await load(bytes, "&sheet=3");
    expect(two.columns).toBe("a BIGINT, a_2 BIGINT, k VARCHAR");
    expect(two.warnings).toContain(
      "column D is empty: there may be two tables beside each other; send range= for one of them",
    );
    const ranged = await load(bytes, "&sheet=3&range=E2:E4&null=q");
    expect([ranged.columns, ranged.rows]).toEqual(["k VARCHAR", [{ k: null }, { k: "r" }]]);
    expect((await load(bytes, "&sheet=Hidden&header=false")).columns).toBe("column1 VARCHAR");
    expect((await load(await fixture("mac.xlsx"))).rows).toEqual([
      { day: "2024-01-31" },
      { day: "1904-01-02" },
    ]);
  });

  test("ODS: repeated rows are rows, a million empty ones are none, a hidden sheet is not the first", async () => {
    const { columns, rows } = await load(await fixture("jobs.ods"));
    expect(columns).toBe("id DOUBLE, zip VARCHAR, hired DATE, at TIMESTAMP, start TIME, ok BOOLEAN");
    const third = { id: 3, zip: null, hired: null, at: null, start: null, ok: null };
    expect(rows).toEqual([
      { id: 1, zip: "02134", hired: "2024-01-31", at: "2024-01-31 10:00:00", start: "08:30:00", ok: true },
      { ...third, id: 2.5, at: "2024-02-29 00:00:00", start: "23:59:59", ok: false },
      ...[third, third],
    ]);
  });

  test("a preview names the sheets, and why one was read", async () => {
    const response = await stack.send(
      new Request("http://localhost/ingest/preview", { method: "POST", body: await fixture("jobs.xlsx") }),
    );
    const answer = (await response.json()) as { format: string; tables: unknown[]; columns: unknown[] };
    expect(answer.format).toBe("xlsx");
    expect(answer.tables).toEqual([
      { name: "Jobs", taken: true, why: "the first sheet that is shown" },
      { name: "Hidden", hidden: true, taken: false, why: "hidden, and not asked for" },
      { name: "Two tables", taken: false, why: "another one is read: send sheet= for this one" },
    ]);
    expect(answer.columns.length).toBe(9);
  });
});

describe("JSON documents", () => {
  test.each([
    ["an array", '[{"a":1},\n {"a":2.50}]', "", [{ a: 1 }, { a: 2.5 }]],
    ["an object over several lines", '{\n "a": "x\\ny",\n "b": [1]\n}', "", [{ a: "x\ny", b: [1] }]],
    ["an array in it", '{"n":{"a/b":[{"v":1}]},"data":[{"v":2}]}', "&path=/n/a~1b", [{ v: 1 }]],
    ["an item of an array", '{"data":[{"v":1},{"v":2}]}', "&path=/data/1", [{ v: 2 }]],
    ["the document itself", '{"data":[{"v":1}]}', "&path=&format=json", [{ data: [{ v: 1 }] }]],
  ])("%s", async (_, body, query, rows) => {
    expect((await load(body, query)).rows).toEqual(rows);
  });
});

describe("Avro and SQLite", () => {
  test("types of Avro are types here, and all values come back", async () => {
    const { columns, rows, warnings } = await load(await fixture("types.avro"));
    expect(columns).toBe(
      "i INTEGER, l BIGINT, f FLOAT, d DOUBLE, s VARCHAR, b BLOB, e VARCHAR, fx BLOB, dec DECIMAL(10,2), day DATE, tm TIME, ts TIMESTAMP WITH TIME ZONE, lts TIMESTAMP, u UUID, rec STRUCT(x BIGINT, p DECIMAL(6,3), raw VARCHAR), arr VARCHAR[], m MAP(VARCHAR, BIGINT), un VARCHAR, again STRUCT(x BIGINT, p DECIMAL(6,3), raw VARCHAR)",
    );
    expect(rows.length).toBe(3);
    expect(rows[1]).toMatchObject({
      ...{
        i: -1,
        l: null,
        f: 1.5,
        d: 0.1,
        s: "t1",
        e: "B",
        dec: -11.34,
        day: "2024-01-02",
        tm: "01:02:03.000001",
      },
      ...{
        lts: "1969-12-31 23:59:59",
        u: "00000000-0000-0000-0000-000000000001",
        arr: ["a", null],
        m: { k: 1 },
      },
      ...{ un: "1", again: null, rec: { x: 1, p: 1.005, raw: "\\x01\\xff" } },
    });
    expect(warnings.join()).toContain("bytes in 'rec' are text of hexadecimal digits");
  });

  const database = () =>
    sqliteOf(
      "CREATE TABLE jobs (id INTEGER, zip TEXT, rate REAL, mixed, raw BLOB, big INTEGER)",
      `INSERT INTO jobs VALUES (1, '02134', 1.0, 1, x'00ff', ${2n ** 62n + 1n}), (2, 'é', 2.5, 'up', NULL, NULL)`,
      "CREATE TABLE empty (a)",
    );

  test("SQLite: values decide of what kind a column is, and wide integers keep their digits", async () => {
    const { columns, rows } = await load(database(), "&table=jobs");
    expect(columns).toBe("id BIGINT, zip VARCHAR, rate DOUBLE, mixed VARCHAR, raw BLOB, big BIGINT");
    expect(rows[0]).toMatchObject({ id: 1, zip: "02134", rate: 1, mixed: "1" });
    const { answer } = await load(database(), "&table=jobs");
    const [big] = await stack.query(
      `SELECT big::VARCHAR, hex(raw) FROM ${await stack.relation(answer.manifest)} LIMIT 1`,
    );
    expect(big).toEqual([String(2n ** 62n + 1n), "00FF"]);
    expect((await load(database(), "&table=EMPTY")).columns).toBe("a VARCHAR");
  });
});

describe("several files", () => {
  const one = "a,b\n1,x\n";
  const two = "b,c\ny,2\n";

  test("files of a form, a zip and a tar.gz are one version, in their order", async () => {
    const files: [string, string][] = [
      ["one.csv", one],
      ["two.csv", "b,a\ny,2\n"],
    ];
    const rows = [
      { a: 1, b: "x" },
      { a: 2, b: "y" },
    ];
    const bodies = [formOf(...files), zipOf(Object.fromEntries(files)), gzipSync(await tarOf(...files))];
    for (const body of bodies) {
      const loaded = await load(body as BodyInit);
      expect([loaded.rows, loaded.answer.manifest.version]).toEqual([rows, 1]);
    }
  });

  test("union_by_name: what a file lacks is NULL; quoted fields, bad rows and their files are known", async () => {
    const form = formOf(["one.csv", one], ["two.csv", two], ["three.csv", 'a,b\n"1\n",x\n2,y,z\n']);
    const { rows, answer } = await load(form, "&union_by_name=true&on_error=reject");
    expect(rows).toEqual([
      { a: "1", b: "x", c: null },
      { a: null, b: "y", c: 2 },
      { a: "1\n", b: "x", c: null },
    ]);
    expect(answer.rows_rejected).toBe(1);
    const rejects = await stack.rows(`SELECT line, file FROM ${answer.rejects}`);
    expect(rejects).toEqual([{ line: 4, file: "three.csv" }]);
  });

  test("lines of JSON, arrays and workbooks go together; each bad line is of its file", async () => {
    const form = formOf(
      ["a.ndjson", '{"a":1}'],
      ["b.json", '[{"a":2.5},{"b":"x"}]'],
      ["c.jsonl", '{"a":3}\n{oops\n'],
    );
    const { rows, answer } = await load(form, "&on_error=reject");
    expect(rows).toEqual([
      { a: 1, b: null },
      { a: 2.5, b: null },
      { a: null, b: "x" },
      { a: 3, b: null },
    ]);
    expect(await stack.rows(`SELECT line, file FROM ${answer.rejects}`)).toEqual([
      { line: 2, file: "c.jsonl" },
    ]);
  });

  test("an error names all files at fault, and nothing of the others is registered", async () => {
    const form = formOf(
      ["good.csv", one],
      ["bad.csv", "a,b\n1\n"],
      ["page.csv", "<html><body>no</body></html>"],
    );
    const { status, error } = await stack.post("/ingest?name=never", form);
    expect([status, error.type]).toEqual([422, "unprocessable"]);
    expect(error.message).toContain("1 of 3 files cannot be loaded: page.csv: the file is an HTML");
    const rows = await stack.post(
      "/ingest?name=never",
      formOf(["good.csv", one], ["bad.csv", "a,b\n1\n"], ["worse.csv", "a,b\n,,\n"]),
    );
    expect(rows.error.type).toBe("rejected_rows");
    for (const part of ["2 of 3 files", "bad.csv: ", "worse.csv: ", "nothing of any file"])
      expect(rows.error.message).toContain(part);
    expect((await stack.catalogd.list({})).datasets.map(({ name }) => name)).not.toContain("never");
  });
});

describe("Prefer: respond-async", () => {
  test("answers 202 with the job, whose result is where Location leads; an error before is one", async () => {
    const headers = { prefer: "respond-async, wait=1", "x-lakehouse-job-id": "later" };
    const sent = await stack.post(
      "/ingest?name=later",
      formOf(["a.csv", "a\n1\n"], ["b.csv", "a\n2\n"]),
      headers,
    );
    expect([sent.status, sent.headers.get("location")]).toEqual([202, "ingest/jobs/later"]);
    const events = await stack.send(new Request("http://localhost/ingest/jobs/later/events"));
    expect(await events.text()).toContain("event: done");
    expect((await stack.verbs.job({ id: "later" })).result?.rows_loaded).toBe(2);
    const bad = await stack.post("/ingest?name=later", "<html><body>no</body></html>", {
      prefer: "respond-async",
    });
    expect([bad.status, bad.error.type]).toEqual([422, "unprocessable"]);
    const plain = await stack.post("/ingest?name=later", "a\n3\n", { prefer: "respond-asynchronously" });
    expect(plain.status).toBe(200);
  });
});

/** Its checksum in the directory (16 bytes behind the mark) is another. */
function damagedZip(): Uint8Array<ArrayBuffer> {
  const bytes = Buffer.from(zipOf({ "a.csv": "a\n1\n" }));
  const at = bytes.indexOf("PK\x01\x02") + 16;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return new Uint8Array(bytes);
}

describe("what is refused", () => {
  const send = (
    name: string,
    body: BodyInit | (() => Promise<BodyInit>),
    query: string,
    type: string,
    ...contains: string[]
  ) => ({
    ...{ name, body, query, type, contains },
  });
  const rows = [
    send(
      "a document with no such path",
      '{"a":1}',
      "&path=/b&format=json",
      "unprocessable",
      "nothing at '/b'",
    ),
    send("a path that is none", '{"a":1}', "&path=b", "invalid_field", "JSON Pointer"),
    send(
      "an object whose rows lie in arrays",
      '{\n"data":[{"a":1}]}',
      "",
      "unprocessable",
      "send path=/data",
    ),
    send("a single value", "12", "&format=json", "unprocessable", "single value"),
    send("an empty array", "[]", "", "unprocessable", "empty"),
    send("JSON that is cut off", '[{"a":1},{"a":', "", "unprocessable", "cut off"),
    send("JSON with something behind it", '[{"a":1}] x', "", "unprocessable", "byte 11"),
    send("JSON with a comma too many", '[{"a":1},]', "", "unprocessable", "byte 10"),
    send("an array of numbers", "[1,2]", "&format=json", "rejected_rows", "expected an object"),
    send("path for a CSV", "a\n1\n", "&path=/a&format=csv", "invalid_field", "path"),
    send("sheet for a CSV", "a\n1\n", "&sheet=x", "invalid_field", "sheet"),
    send("a workbook that is a CSV", "a\n1\n", "&format=xlsx", "unprocessable", "does not begin"),
    send("Avro that is said to be SQLite", "Obj\x01", "&format=sqlite", "unprocessable", "Avro"),
    send(
      "no such sheet",
      () => fixture("jobs.xlsx") as Promise<BodyInit>,
      "&sheet=Jo",
      "invalid_field",
      "'Jobs', 'Hidden'",
    ),
    send(
      "a range that is none",
      () => fixture("jobs.xlsx") as Promise<BodyInit>,
      "&range=A0",
      "invalid_field",
      "B3:F90",
    ),
    send(
      "a range without cells",
      () => fixture("jobs.xlsx") as Promise<BodyInit>,
      "&range=Z90",
      "unprocessable",
      "no cells",
    ),
    send(
      "a workbook that is cut off",
      async () => (await fixture("jobs.xlsx")).slice(0, 3000),
      "",
      "unprocessable",
      "zip",
    ),
    send(
      "a zip of nothing of ours",
      zipOf({ mimetype: "application/epub+zip" }) as BodyInit,
      "",
      "unsupported_media_type",
      "documents",
    ),
    send(
      "an archive in an archive",
      zipOf({ "in.zip": zipOf({ "a.csv": "a\n1\n" }) }) as BodyInit,
      "",
      "unprocessable",
      "archive in an archive",
    ),
    send(
      "a zip bomb",
      zipOf({ "a.csv": `a\n${"1\n".repeat(2_000_000)}` }) as BodyInit,
      "",
      "unprocessable",
      "larger than 2000000",
    ),
    send("a zip whose bytes are damaged", damagedZip(), "", "unprocessable", "a.csv is another"),
    send(
      "SQLite with several tables",
      sqliteOf("CREATE TABLE a (x)", "CREATE TABLE b (x)") as BodyInit,
      "",
      "unprocessable",
      "'a', 'b'",
    ),
    send(
      "SQLite without tables",
      sqliteOf("CREATE TABLE a (x)", "DROP TABLE a") as BodyInit,
      "",
      "unprocessable",
      "no tables",
    ),
    send(
      "no such table",
      sqliteOf("CREATE TABLE a (x)") as BodyInit,
      "&table=b",
      "invalid_field",
      "it has 'a'",
    ),
    send(
      "SQLite that is cut off",
      sqliteOf("CREATE TABLE a (x)").slice(0, 200) as BodyInit,
      "",
      "unprocessable",
      "SQLite",
    ),
    send(
      "kinds that do not go together",
      formOf(["a.csv", "a\n1\n"], ["b.ndjson", '{"a":1}']),
      "",
      "unprocessable",
      "a.csv is csv",
    ),
    send(
      "workbooks of different columns",
      formOf(["a.json", '[{"a":1}]'], ["b.txt", ""]),
      "",
      "unprocessable",
      "b.txt",
    ),
  ];
  test.each(rows.map((row) => [row.name, row] as const))("%s", async (_, { body, query, type, contains }) => {
    const { error, status } = await stack.post(
      `/ingest?name=refused${query}`,
      typeof body === "function" ? await body() : body,
    );
    expect(`${status} ${error?.type}: ${error?.message}`).toContain(`${type}: `);
    for (const part of contains) expect(error.message).toContain(part);
  });
});
