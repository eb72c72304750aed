/** Files whose first lines are no header, or whose marks are others: recognised or refused, never read wrongly. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

let made = 0;
const rows = [
  ["1", "Ann"],
  ["2", "Bob"],
];
interface Taken {
  name: string;
  body: string;
  query?: string;
  columns: string[];
  cells: (string | null)[][];
  /** In the preview's dialect. */
  dialect?: Record<string, unknown>;
  warnings?: string[];
}
const taken: Taken[] = [
  {
    name: "Excel's first line",
    body: "sep=;\nid;name\n1;Ann\n2;Bob\n",
    columns: ["id", "name"],
    cells: rows,
    dialect: { delimiter: ";", sep_line: "sep=;" },
    warnings: ["'sep=;'"],
  },
  {
    name: "Excel's first line with CRLF, quotes and a delimiter that is rarer than another",
    body: '"sep=|"\r\nid|name\r\n1|Ann\r\n2|Bob\r\n',
    columns: ["id", "name"],
    cells: rows,
    dialect: { delimiter: "|", sep_line: '"sep=|"' },
    warnings: ["sep="],
  },
  {
    name: "a delimiter as told above Excel's line",
    body: "sep=;\nid,name\n1,Ann\n2,Bob\n",
    query: "&delimiter=,",
    columns: ["id", "name"],
    cells: rows,
    warnings: ["sep="],
  },
  {
    name: "a title with as many fields as the table",
    body: "Payroll,,\nid,name,pay\n1,Ann,19.50\n",
    columns: ["Payroll", "column2", "column3"],
    cells: [
      ["id", "name", "pay"],
      ["1", "Ann", "19.50"],
    ],
    warnings: ["one cell of 3 is filled in the first line", "skip=1", "column 2", "column 3"],
  },
  {
    name: "a title in another cell than the first",
    body: ",,Payroll\nid,name,pay\n1,Ann,19.50\n",
    columns: ["column1", "column2", "Payroll"],
    cells: [
      ["id", "name", "pay"],
      ["1", "Ann", "19.50"],
    ],
    warnings: ["one cell of 3 is filled in the first line", "column 1", "column 2"],
  },
  {
    name: "control characters for delimiters, as told",
    body: "id\u0001name\n1\u0001Ann\n2\u0001Bob\n",
    query: "&delimiter=%01",
    columns: ["id", "name"],
    cells: rows,
  },
  {
    name: "one column of times",
    body: "opens\n10:00:00\n11:30:00\n",
    columns: ["opens"],
    cells: [["10:00:00"], ["11:30:00"]],
  },
  {
    name: "names in angle brackets",
    body: "<id>,<name>\n1,Ann\n2,Bob\n",
    columns: ["<id>", "<name>"],
    cells: rows,
  },
  {
    name: "JSON in a column, as told",
    body: '{"a":1}\n{"a":2}\n',
    query: "&format=csv&header=false&delimiter=tab&quote=",
    columns: ["column1"],
    cells: [['{"a":1}'], ['{"a":2}']],
    warnings: ["begins as JSON does"],
  },
  {
    name: "a title that is skipped",
    body: "Payroll,,\nid,name,pay\n1,Ann,19.50\n",
    query: "&skip=1",
    columns: ["id", "name", "pay"],
    cells: [["1", "Ann", "19.50"]],
    dialect: { skip: 1 },
  },
  {
    name: "several lines above the table, one blank",
    body: 'Payroll "of" week 12\r\n\r\nid;name\r\n1;Ann\r\n2;Bob\r\n',
    query: "&skip=2",
    columns: ["id", "name"],
    cells: rows,
    dialect: { skip: 2, delimiter: ";" },
  },
  {
    name: "an index column without a name is no title",
    body: ",value\n0,5\n1,6\n",
    columns: ["column1", "value"],
    cells: [
      ["0", "5"],
      ["1", "6"],
    ],
    warnings: ["column 1"],
  },
  {
    name: "spaces, as told, lined up",
    body: "id  name   pay \n 1  Ann    19.50\n2   'Bob B' 21.00\n",
    query: "&delimiter=space&quote='",
    columns: ["id", "name", "pay"],
    cells: [
      ["1", "Ann", "19.50"],
      ["2", "Bob B", "21.00"],
    ],
  },
  {
    name: "one column of texts of two words",
    body: "full name\nAnn Lee\nBob Ray\n",
    columns: ["full name"],
    cells: [["Ann Lee"], ["Bob Ray"]],
  },
  {
    name: "one column with spaces, as told",
    body: "id name pay\n1 Ann 19.50\n2 Bob 21.00\n",
    query: "&delimiter=,",
    columns: ["id name pay"],
    cells: [["1 Ann 19.50"], ["2 Bob 21.00"]],
  },
  {
    name: "comments before, in and after the table",
    body: '# made by x, y\nid,name\n# "open\n1,Ann\n2,Bob\n#',
    query: "&comment=%23",
    columns: ["id", "name"],
    cells: rows,
    dialect: { comment: "#" },
    warnings: ["2 lines that begin with the comment '#'"],
  },
  {
    name: "quotes that a backslash escapes",
    body: 'id,said\n1,"she said \\"yes\\" twice"\n2,"C:\\temp\\\\"\n3,"two ""quotes"""\n4,a\\b\n',
    query: "&escape=%5C",
    columns: ["id", "said"],
    cells: [
      ["1", 'she said "yes" twice'],
      ["2", "C:\\temp\\"],
      ["3", 'two "quotes"'],
      ["4", "a\\b"],
    ],
    dialect: { escape: "\\" },
  },
  {
    name: "several texts for NULL",
    body: "id,score\n1,10\n2,NA\n3,12\n4,N/A\n5,\n",
    query: "&null=NA&null=N/A",
    columns: ["id", "score"],
    cells: [
      ["1", "10"],
      ["2", null],
      ["3", "12"],
      ["4", null],
      ["5", null],
    ],
  },
  {
    name: "a mark inside a text, which is a character there",
    body: "id,name\n1,A\ufeffnn\n2,Bob\n",
    columns: ["id", "name"],
    cells: [
      ["1", "A\ufeffnn"],
      ["2", "Bob"],
    ],
  },
];

describe("taken:", () => {
  test.each(taken)("$name", async ({ body, query = "", columns, cells, dialect = {}, warnings = [] }) => {
    const { status, answer, error } = await stack.ingest(`d${made++}`, body, query);
    expect(`${status} ${error.message}`).toBe("200 ");
    expect(answer.manifest.columns.map(({ name }) => name)).toEqual(columns);
    expect(await stack.cells(answer.manifest)).toEqual(cells);
    expect(answer.warnings.length).toBe(
      new Set(warnings.map((w) => answer.warnings.find((a) => a.includes(w)))).size,
    );
    for (const part of warnings) expect(answer.warnings.join("\n")).toContain(part);
    const preview = await stack.post(`/ingest/preview?${query.slice(1)}`, body);
    expect(preview.answer).toMatchObject({ dialect, rows: cells.slice(0, 20) } as object);
  });
});

interface Refused {
  name: string;
  body: string | Uint8Array | FormData;
  query?: string;
  contains: string[];
}
const csv = (name: string, body: Refused["body"], ...contains: string[]): Refused => ({
  name,
  body,
  contains,
});
const bom = "\ufeff";
const form = (text: string, name: string): FormData => {
  const made = new FormData();
  made.set("file", new File([text], name));
  return made;
};
const refused: Refused[] = [
  csv("an HTML page", "<!DOCTYPE html>\n<html><head><title>404</title></head></html>\n", "HTML"),
  csv("an HTML page behind a mark and a comment", `${bom}\n <!-- x --><HTML lang="en">`, "HTML"),
  csv("an XML document", '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML"),
  { name: "an HTML page sent as NDJSON", query: "&format=ndjson", body: "<html></html>", contains: ["HTML"] },
  csv("an XML document without a prologue", "<Error><Code>AccessDenied</Code></Error>", "XML"),
  csv(
    "a table of HTML, as some programs call a sheet",
    '<table border="1">\n<tr><td>id</td></tr>\n</table>\n',
    "HTML",
  ),
  csv("a heading of HTML", "<h1>Not Found</h1>\n", "HTML"),
  csv(
    "an error in JSON that is named as CSV",
    form('[{"error":"not found"}]', "people.csv"),
    "JSON",
    "people.csv",
    "format=ndjson",
  ),
  ...[
    ["^", "^"],
    ["~", "~"],
    [":", ":"],
    ["\u0001", "%01"],
    ["\u001f", "%1F"],
  ].map(([delimiter, sent]) => ({
    name: `${sent} for a delimiter`,
    body: `id${delimiter}name\n1${delimiter}Ann\n2${delimiter}Bob\n`,
    contains: [`delimiter=${sent}`, "into 2"],
  })),
  csv(
    "a title of one field",
    "Payroll of week 12\nid,name,pay\n1,Ann,19.50\n2,Bob,21.00\n",
    "line 1 has 1 cell",
    "skip=1",
  ),
  csv(
    "a title with a comma, and a blank line",
    "Payroll, week 12\n\nid,name,pay\n1,Ann,19.50\n2,Bob,21.00\n",
    "line 1 has 2 cells",
    "line 3",
    "skip=2",
  ),
  csv("spaces for delimiters", "id name pay\n1 Ann 19.50\n2 Bob 21.00\n", "delimiter=space", "into 3"),
  csv("two columns by spaces, one of numbers", "name pay\nAnn 19.50\nBob 21.00\n", "delimiter=space"),
  csv(
    "files joined with their marks",
    `${bom}id,name\n1,Ann\n${bom}id,name\n2,Bob\n`,
    "line 3",
    "byte order mark",
    "byte 17",
  ),
  csv("two marks at the beginning", `${bom}${bom}id,name\n1,Ann\n`, "header", "byte order mark"),
  csv("a mark before a quoted field", `id,name\n1,Ann\n${bom}"2",Bob\n`, "line 3", "byte order mark"),
  csv(
    "quotes that a backslash escapes",
    'id,said\n1,"she said \\"yes\\" twice"\n2,"plain"\n',
    "line 2",
    "byte 22",
    "escape=\\",
  ),
];

describe("refused:", () => {
  test.each(refused)("$name", async ({ body, query = "", contains }) => {
    const { status, error } = await stack.ingest(`r${made++}`, body as BodyInit, query);
    expect([status, error.message]).toEqual([422, expect.any(String)]);
    for (const part of contains) expect(error.message).toContain(part);
  });

  test("and a preview tells the same line and byte, also behind a mark", async () => {
    for (const mark of ["", bom]) {
      const body = `${mark}id,name\n1,Ann\n2\n`;
      const { error } = await stack.ingest("place", body);
      const preview = await stack.post("/ingest/preview", body);
      const { rows: bad } = error.details as { rows: object[] };
      expect(preview.answer).toMatchObject({ problems: bad } as object);
    }
  });

  test("but a joined file is loaded without its inner header where rejects are asked for", async () => {
    const body = `${bom}id,name\n1,Ann\n${bom}id,name\n2,Bob\n`;
    const { answer } = await stack.ingest("joined", body, "&on_error=reject");
    expect(stack.types(answer.manifest)).toEqual({ id: "BIGINT", name: "VARCHAR" });
    expect(await stack.cells(answer.manifest)).toEqual(rows);
    expect(answer.rows_rejected).toBe(1);
  });

  test("a mark that is cut by two chunks is found", async () => {
    const bytes = Buffer.from(`id,name\n1,Ann\n${bom}2,Bob\n`);
    for (const cut of [14, 15, 16, 17]) {
      const body = new ReadableStream({
        start: (controller) => {
          controller.enqueue(bytes.subarray(0, cut));
          controller.enqueue(bytes.subarray(cut));
          controller.close();
        },
      });
      const { error } = await stack.ingest(`cut${cut}`, body);
      expect(error.message).toContain("byte order mark");
    }
  });
});
