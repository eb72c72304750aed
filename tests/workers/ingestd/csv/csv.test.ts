/** CSV files that are ugly and good: what becomes of each. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { rfc4180 } from "../../../support/clients/rfc4180.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack({ max_ingest_bytes: 200_000_000 });
});
afterAll(() => stack.stop());

let made = 0;
const newName = () => `t${made++}`;

interface Outcome {
  types: Record<string, string>;
  cells: (string | null)[][];
  warnings?: string[];
}

async function outcome(body: string | Uint8Array, query = ""): Promise<Outcome> {
  const { status, answer, error } = await stack.ingest(newName(), body as BodyInit, query);
  expect(`${status} ${error.message}`).toBe("200 ");
  expect(answer.rows_in).toBe(answer.rows_loaded + answer.rows_rejected);
  const { manifest, warnings } = answer;
  return {
    types: stack.types(manifest),
    cells: await stack.cells(manifest),
    ...(warnings.length > 0 && { warnings }),
  };
}

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const utf16 = (text: string, mark = "\ufeff") => new Uint8Array(Buffer.from(mark + text, "utf16le"));
const swapped = (bytes: Uint8Array) => new Uint8Array(Buffer.from(bytes).swap16());
const one = { types: { a: "BIGINT", b: "BIGINT" }, cells: [["1", "2"]] };

const taken: [name: string, body: string | Uint8Array, query: string, outcome: Outcome][] = [
  ["no line end at the end", "a,b\n1,2", "", one],
  ["CRLF", "a,b\r\n1,2\r\n", "", one],
  [
    "CRLF and several rows",
    "a,b\r\n1,2\r\n3,4\r\n",
    "",
    {
      ...one,
      cells: [
        ["1", "2"],
        ["3", "4"],
      ],
    },
  ],
  ["CR alone", "a,b\r1,2\r", "", one],
  [
    "mixed line ends",
    "a,b\r\n1,2\n3,4\r5,6",
    "",
    {
      ...one,
      cells: [
        ["1", "2"],
        ["3", "4"],
        ["5", "6"],
      ],
    },
  ],
  ["a UTF-8 mark", latin1("\xef\xbb\xbfa,b\n1,2\n"), "", one],
  ["UTF-16 with a mark", utf16("a,b\n1,2\n"), "", one],
  ["UTF-16, big end first", swapped(utf16("a,b\n1,2\n")), "", one],
  ["UTF-16 without a mark, as told", utf16("a,b\n1,2\n", ""), "&encoding=utf-16", one],
  [
    "UTF-16, big end first, without a mark, as told",
    swapped(utf16("a,b\n1,2\n", "")),
    "&encoding=utf-16",
    one,
  ],
  [
    "Latin-1, as told",
    latin1("a,b\ncaf\xe9,\x80\n"),
    "&encoding=latin-1",
    { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [["café", "€"]] },
  ],
  ["tabs", "a\tb\n1\t2\n", "", one],
  [
    "semicolons, with commas in numbers",
    "a;b\n1,5;2\n",
    "",
    { types: { a: "VARCHAR", b: "BIGINT" }, cells: [["1,5", "2"]] },
  ],
  ["pipes", "a|b\n1|2\n", "", one],
  ["a delimiter as told", "a~b\n1~2\n", "&delimiter=~", one],
  ["a tab as told by \\t", "a\tb\n1\t2\n", "&delimiter=%5Ct", one],
  ["a delimiter of several characters", "a||b\n1||2\n", "&delimiter=%7C%7C", one],
  [
    "a quote as told",
    "a,b\n'1,5',2\n",
    "&quote='",
    { types: { a: "VARCHAR", b: "BIGINT" }, cells: [["1,5", "2"]] },
  ],
  ["no quote", 'a,b\n"1,2\n', "&quote=", { types: { a: "VARCHAR", b: "BIGINT" }, cells: [['"1', "2"]] }],
  [
    "a quote inside an unquoted field",
    'a,b\n5" pipe,2\n',
    "",
    { types: { a: "VARCHAR", b: "BIGINT" }, cells: [['5" pipe', "2"]] },
  ],
  [
    "a quoted field after a space",
    'a,b\n1, "x"\n',
    "",
    { types: { a: "BIGINT", b: "VARCHAR" }, cells: [["1", ' "x"']] },
  ],
  [
    "quotes, commas and line ends in fields",
    'a,b\n"x ""y"", z","1\r\n2\n3"\n',
    "",
    { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [['x "y", z', "1\r\n2\n3"]] },
  ],
  [
    "the empty text and NULL",
    'a,b\n"",x\n,x\n',
    "",
    {
      types: { a: "VARCHAR", b: "VARCHAR" },
      cells: [
        ["", "x"],
        [null, "x"],
      ],
    },
  ],
  ["spaces are kept", "a,b\n  , x \n", "", { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [["  ", " x "]] }],
  [
    "a text for NULL",
    "a,b\nNA,1\n5,NA\n",
    "&null=NA",
    {
      ...one,
      cells: [
        [null, "1"],
        ["5", null],
      ],
    },
  ],
  [
    "a quoted text for NULL is a text",
    'a,b\n"NA",1\nNA,2\n',
    "&null=NA",
    {
      types: { a: "VARCHAR", b: "BIGINT" },
      cells: [
        ["NA", "1"],
        [null, "2"],
      ],
    },
  ],
  [
    "blank lines between rows",
    "a,b\n1,2\n\n\n3,4\n\n",
    "",
    {
      ...one,
      cells: [
        ["1", "2"],
        ["3", "4"],
      ],
      warnings: ["3 blank lines were skipped"],
    },
  ],
  ["blank lines before the header", "\n\na,b\n1,2\n", "", one],
  [
    "blank lines in one column are NULL",
    "a\n1\n\n2\n",
    "",
    { types: { a: "BIGINT" }, cells: [["1"], [null], ["2"]] },
  ],
  ["one column, one row", "a\n1\n", "", { types: { a: "BIGINT" }, cells: [["1"]] }],
  [
    "one column whose text has commas, quoted",
    'a\n"1,2"\n',
    "",
    { types: { a: "VARCHAR" }, cells: [["1,2"]] },
  ],
  ["a header alone", "a,b\n", "", { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [] }],
  ["a header alone, without a line end", "a,b", "", { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [] }],
  [
    "no header, as told",
    "1,2\n",
    "&header=false",
    { types: { column1: "BIGINT", column2: "BIGINT" }, cells: [["1", "2"]] },
  ],
  [
    "a header of numbers",
    "2019,2020\n1,2\n",
    "",
    {
      types: { "2019": "BIGINT", "2020": "BIGINT" },
      cells: [["1", "2"]],
      warnings: ["the header looks like data: send header=false when the file has none"],
    },
  ],
  [
    "names without text",
    "a,,\n1,2,3\n",
    "",
    {
      types: { a: "BIGINT", column2: "BIGINT", column3: "BIGINT" },
      cells: [["1", "2", "3"]],
      warnings: [
        "column 2 has no name in the header: it is called 'column2'",
        "column 3 has no name in the header: it is called 'column3'",
      ],
    },
  ],
  [
    "names that repeat, whatever their case",
    "a,A,a_2\n1,2,3\n",
    "",
    {
      types: { a: "BIGINT", A_3: "BIGINT", a_2: "BIGINT" },
      cells: [["1", "2", "3"]],
      warnings: ["column 2 repeats the name 'A': it is called 'A_3'"],
    },
  ],
  [
    "names in other scripts, with quotes and spaces",
    'имя,"a ""b""", c \n1,2,3\n',
    "",
    { types: { имя: "BIGINT", 'a "b"': "BIGINT", " c ": "BIGINT" }, cells: [["1", "2", "3"]] },
  ],
  [
    "a header over two lines",
    '"a\nb",c\n1,2\n',
    "",
    { types: { "a\nb": "BIGINT", c: "BIGINT" }, cells: [["1", "2"]] },
  ],
  [
    "a column of NULL alone",
    "a,b\n1,\n2,\n",
    "",
    {
      types: { a: "BIGINT", b: "VARCHAR" },
      cells: [
        ["1", null],
        ["2", null],
      ],
    },
  ],
  [
    "types as told: zeros are given up",
    "zip,n\n02134,1\n",
    "&types=zip:int,n:text",
    { types: { zip: "INTEGER", n: "VARCHAR" }, cells: [["2134", "1"]] },
  ],
  [
    "types for names with commas and quotes",
    'a,"b, ""c"""\n1,2\n',
    `&types=${encodeURIComponent('"b, ""c""":DECIMAL(5,1)')}`,
    { types: { a: "BIGINT", 'b, "c"': "DECIMAL(5,1)" }, cells: [["1", "2.0"]] },
  ],
  [
    "timestamps with T stay text unless told",
    "a,b\n2024-01-01T10:00:00,2024-01-01T10:00:00\n",
    "&types=b:TIMESTAMP",
    { types: { a: "VARCHAR", b: "TIMESTAMP" }, cells: [["2024-01-01T10:00:00", "2024-01-01 10:00:00"]] },
  ],
  [
    "JSON in a CSV",
    'a,b\n"{""k"": 1}",[1]\n',
    "",
    { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [['{"k": 1}', "[1]"]] },
  ],
  [
    "what looks like JSON, when told that it is CSV",
    '{"a":1}\nx\n',
    "&format=csv&header=false&quote=",
    {
      types: { column1: "VARCHAR" },
      cells: [['{"a":1}'], ["x"]],
      warnings: ["the table begins as JSON does, and was read as CSV: format=ndjson reads one object a line"],
    },
  ],
];

describe("a CSV with", () => {
  test.each(taken)("%s", async (_, body, query, expected) => {
    expect(await outcome(body, query)).toEqual(expected);
  });

  test("gzip, zstd, Content-Encoding, several gzip members and a form", async () => {
    const text = "a,b\n1,2\n";
    const gzip = gzipSync(text);
    expect(await outcome(gzip)).toEqual(one);
    expect(await outcome(zstdCompressSync(Buffer.from(text)))).toEqual(one);
    const skippable = (first: number) => Buffer.from([first, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
    for (const first of [0x50, 0x5f])
      expect(await outcome(Buffer.concat([skippable(first), zstdCompressSync(Buffer.from(text))]))).toEqual(
        one,
      );
    const members = Buffer.concat([gzipSync("a,b\n"), gzipSync("1,2\n")]);
    expect(await outcome(members)).toEqual(one);
    const encoded = await stack.ingest(newName(), gzip, "", { "content-encoding": "gzip" });
    expect(await stack.cells(encoded.answer.manifest)).toEqual(one.cells);
    const twice = await stack.ingest(newName(), gzipSync(gzip), "", { "content-encoding": "gzip" });
    expect(await stack.cells(twice.answer.manifest)).toEqual(one.cells);
    const form = new FormData();
    form.append("file", new Blob([text]), "x.csv");
    const sent = await stack.ingest(newName(), form as unknown as BodyInit);
    expect(await stack.cells(sent.answer.manifest)).toEqual(one.cells);
  });

  test("a field of a megabyte and 1,500 columns", async () => {
    const long = "x".repeat(1_000_000);
    const field = await outcome(`a,b\n"${long}\n",2\n`);
    expect(field.cells).toEqual([[`${long}\n`, "2"]]);
    const header = Array.from({ length: 1500 }, (_, index) => `c${index}`).join(",");
    const row = (at: number) => Array.from({ length: 1500 }, (_, index) => String(index * at)).join(",");
    const wide = await outcome(`${header}\n${row(1)}\n${row(2)}\n`);
    expect(wide.cells).toEqual([1, 2].map((at) => row(at).split(",")));
    expect(new Set(Object.values(wide.types))).toEqual(new Set(["BIGINT"]));
  });

  test("twenty megabytes of quoted line ends, over many parts and threads, equals the RFC's reading", async () => {
    const random = seeded(3);
    const pieces = ["\n", "\r\n", '""', ",", "word", "naïve", " ", "\n\n", '"",""'];
    const lines = ["id,text,other"];
    for (let id = 0, bytes = 0; bytes < 20_000_000; id++) {
      const words = Array.from(
        { length: Math.floor(random() * 60) },
        () => pieces[Math.floor(random() * pieces.length)],
      );
      const line = `${id},"${words.join("")}","\n${id}"`;
      bytes += line.length;
      lines.push(line);
    }
    const text = `${lines.join("\n")}\n`;
    const { answer } = await stack.ingest("large", text);
    const expected = rfc4180(text).slice(1);
    expect(answer.rows_loaded).toBe(expected.length);
    const cells = await stack.cells(answer.manifest);
    const differing = cells.findIndex(
      (row, index) => JSON.stringify(row) !== JSON.stringify(expected[index]),
    );
    expect(differing === -1 ? "equal" : [cells[differing], expected[differing]]).toBe("equal");
    // However it arrives, in whichever way it is read, the same rows are the same bytes.
    const bytes = Buffer.from(text);
    let at = 0;
    const pieces_ = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const end = at + 1 + Math.floor(random() * 300_000);
        if (at >= bytes.length) controller.close();
        else controller.enqueue(new Uint8Array(bytes.subarray(at, end)));
        at = end;
      },
    });
    const again = await stack.ingest("large", pieces_);
    expect(again.answer.unchanged).toBe(true);
    // Clean: DuckDB read it as it came.
    expect(stack.ingestd.log.filter(({ msg }) => msg === "the file is read again, row by row")).toEqual([]);
  });
});

describe("rejected rows", () => {
  const body = 'a,b\n1,2\n3\n4,"x\ny",5\n"q"z,6\n7,8\n';

  test("are set aside with line, byte, column, reason and text, and all rows are accounted for", async () => {
    const { answer } = await stack.ingest("mixed", body, "&on_error=reject");
    expect([answer.rows_in, answer.rows_loaded, answer.rows_rejected]).toEqual([5, 2, 3]);
    expect(answer.rejects).toBe("mixed__rejects");
    const rejects = await stack.catalogd.manifest({ name: "mixed__rejects" });
    expect(stack.types(rejects)).toEqual({
      line: "BIGINT",
      byte: "BIGINT",
      column: "VARCHAR",
      reason: "VARCHAR",
      text: "VARCHAR",
      file: "VARCHAR",
      job: "VARCHAR",
      version: "BIGINT",
    });
    expect((await stack.cells(rejects)).map((row) => row.slice(0, 5))).toEqual([
      ["3", "8", "a", "expected 2 fields, found 1 (byte 8)", "3"],
      ["4", "10", "b", "expected 2 fields, found 3 (byte 10)", '4,"x\ny",5'],
      ["6", "20", "a", "text after the closing quote (byte 23)", '"q"z,6'],
    ]);
  });

  test("go away with the file they came from", async () => {
    await stack.ingest("cleaned", body, "&on_error=reject");
    const again = await stack.ingest("cleaned", "a,b\n1,2\n", "&on_error=reject");
    expect(again.answer.rejects).toBeUndefined();
    expect((await stack.catalogd.manifest({ name: "cleaned__rejects" })).row_count).toBe(0);
  });

  test("include values that are not of the type asked for, beside rows that are broken", async () => {
    const { answer } = await stack.ingest(
      "typed",
      "a,d\n1,2024-01-01\nx,soon\n2\n3,2024-02-30\n4,2024-03-01\n",
      "&on_error=reject&types=d:DATE,a:BIGINT",
    );
    expect([answer.rows_in, answer.rows_loaded, answer.rows_rejected]).toEqual([5, 2, 3]);
    expect(await stack.cells(answer.manifest)).toEqual([
      ["1", "2024-01-01"],
      ["4", "2024-03-01"],
    ]);
    const rows = await stack.cells(await stack.catalogd.manifest({ name: "typed__rejects" }));
    expect(rows.map(([line, , column, reason, text]) => [line, column, reason, text])).toEqual([
      ["3", "a", "not a value of type BIGINT", "x,soon"],
      ["4", "a", "expected 2 fields, found 1 (byte 24)", "2"],
      ["5", "d", "not a value of type DATE", "3,2024-02-30"],
    ]);
  });

  test("name bytes that are not UTF-8, and count offsets from a mark", async () => {
    const bytes = latin1("\xef\xbb\xbfa,b\n1,2\n3,\xff\n");
    await stack.ingest("bytes", bytes as unknown as BodyInit, "&on_error=reject");
    const [row] = await stack.cells(await stack.catalogd.manifest({ name: "bytes__rejects" }));
    expect(row?.slice(0, 5)).toEqual(["3", "11", "b", "not valid UTF-8 (byte 13)", "3,\ufffd"]);
  });

  test("of many lines are counted in lines, with a warning; few lines are not", async () => {
    const lines = Array.from({ length: 1000 }, (_, at) =>
      at === 9 ? `${at + 1},"open` : `${at + 1},ok ${at + 1}`,
    );
    const text = `id,note\n${lines.join("\n")}\n`;
    const { status, answer } = await stack.ingest("stray", text, "&on_error=reject");
    expect([status, answer.rows_in, answer.rows_rejected]).toEqual([200, 10, 1]);
    const [row] = await stack.cells(await stack.catalogd.manifest({ name: "stray__rejects" }));
    const opened = text.indexOf('"');
    expect(row?.[3]).toBe(`the quote that opens here is never closed (byte ${opened}); it spans 991 lines`);
    expect(answer.warnings).toEqual([expect.stringContaining("begins on line 11 spans 991 lines: a quote")]);
    const strict = await stack.ingest("stray", text);
    expect([strict.status, strict.error.message]).toEqual([
      422,
      expect.stringContaining("it spans 991 lines"),
    ]);
    const few = await stack.ingest("few_lines", 'a,b\n1,2\n"x\ny"z,3\n', "&on_error=reject");
    expect([few.answer.rows_rejected, few.answer.warnings]).toEqual([1, []]);
  });

  test("that a backslash before a quote explains tell line, byte and the way out", async () => {
    const text = 'id,said\n1,"she said \\"yes\\" twice"\n2,"plain"\n';
    const { status, error } = await stack.ingest("backslash", text);
    expect(status).toBe(422);
    expect(error.message).toContain(
      "line 2, column 'said': text after the closing quote, which a backslash precedes: send escape=\\ if it escapes quotes here (byte 22)",
    );
  });

  test("may be all there is", async () => {
    const { answer } = await stack.ingest("none", "a,b\n1\n2\n", "&on_error=reject");
    expect([answer.rows_in, answer.rows_loaded, answer.rows_rejected, answer.manifest.row_count]).toEqual([
      2, 0, 2, 0,
    ]);
  });
});
