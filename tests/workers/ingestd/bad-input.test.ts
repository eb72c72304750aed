/** Every ugly upload has an outcome that is written down here, and none of the refused ones leaves anything behind. */
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type ApiCase, refused, runCases } from "../../support/clients/api-case.ts";
import { type IngestStack, startIngestStack } from "../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack({ max_ingest_bytes: 1_000_000, max_row_bytes: 100_000, max_columns: 50 });
  await stack.ingest("known", "id,name\n1,a\n");
});
afterAll(() => stack.stop());
afterEach(async () => {
  expect(await stack.leftovers()).toEqual([]);
  expect((await stack.catalogd.list({})).datasets.map(({ name }) => name)).toEqual(["known"]);
});

const good = "a,b\n1,2\n";
const bytes = (text: string) => new Uint8Array(Buffer.from(text, "latin1"));
const form = (body: string | Uint8Array, boundary = "B") => ({
  body: body as BodyInit,
  headers: { "content-type": `multipart/form-data; boundary=${boundary}` },
});
const field = (name: string, data: string, filename = "f.csv") =>
  `--B\r\nContent-Disposition: form-data; name="${name}"; filename="${filename}"\r\n\r\n${data}\r\n`;

type Row = Omit<ApiCase, "path"> & { query?: string; path?: string };
/** A POST of the good file to a new dataset, but for what a row says. */
const rows = (list: Row[]): ApiCase[] =>
  list.map(({ query = "", path = `/ingest?name=new${query}`, method = "POST", ...rest }) => ({
    method,
    path,
    ...(method === "POST" && { body: good }),
    ...rest,
  }));
const asked = (name: string, query: string, type: string, ...contains: string[]) =>
  refused(name, { query }, type, ...contains);
const sent = (name: string, body: ApiCase["body"], type: string, ...contains: string[]) =>
  refused(name, { body }, type, ...contains);
const run = (list: Row[]) => runCases(rows(list), () => stack.send);

describe("parameters, before the body is read", () => {
  run([
    refused("no name", { path: "/ingest" }, "invalid_field", "name"),
    refused("a name with a dash", { path: "/ingest?name=a-b" }, "invalid_field", "name"),
    refused("a name that begins with a digit", { path: "/ingest?name=1a" }, "invalid_field"),
    refused("a name of 129 characters", { path: `/ingest?name=${"a".repeat(129)}` }, "invalid_field"),
    refused("a name with a path in it", { path: "/ingest?name=..%2Fx" }, "invalid_field"),
    refused("a name kept for rejects", { path: "/ingest?name=x__rejects" }, "invalid_name", "__rejects"),
    refused(
      "a name too long for its rejects",
      { path: `/ingest?name=${"a".repeat(125)}&on_error=reject` },
      "invalid_name",
      "119",
    ),
    asked("an unknown parameter", "&frobnicate=1", "unknown_field", "frobnicate"),
    asked("evolve that is neither true nor false", "&evolve=maybe", "invalid_field", "evolve"),
    asked("an unknown format", "&format=xls", "invalid_field", "csv", "ndjson", "parquet", "xlsx"),
    asked("an unknown mode", "&mode=merge", "invalid_field", "replace", "append", "upsert"),
    asked("an unknown on_error", "&on_error=ignore", "invalid_field", "fail", "reject"),
    asked("an unknown encoding", "&encoding=ebcdic", "invalid_field", "utf-16"),
    asked("negative max_rejects", "&max_rejects=-1", "invalid_field", "max_rejects"),
    asked("max_rejects that is no number", "&max_rejects=many", "invalid_field"),
    asked("header that is no boolean", "&header=perhaps", "invalid_field", "header"),
    asked("a delimiter of five bytes", "&delimiter=%E6%9D%8E%E6%9D%8E", "invalid_field", "delimiter"),
    asked("a line end as delimiter", "&delimiter=%0A", "invalid_field", "delimiter"),
    asked("an empty delimiter", "&delimiter=", "invalid_field", "delimiter"),
    asked("a quote of two characters", "&quote=%22%22", "invalid_field", "quote"),
    asked("a quote that is no ASCII", "&quote=%C2%AB", "invalid_field", "quote"),
    asked("a quote that is the delimiter", "&quote=,&delimiter=,", "invalid_field", "different"),
    asked("a null text with a quote", "&null=%22", "invalid_field", "null"),
    asked("types that cannot be read", "&types=a", "invalid_field", "types", "col:TYPE"),
    asked("types with an unknown type", "&types=a:BANANA", "invalid_field", "BANANA", "BIGINT"),
    asked(
      "types with a type that would become a wider one",
      "&types=a:TINYINT",
      "invalid_field",
      "TINYINT",
      "INTEGER",
    ),
    asked("types with SQL in it", "&types=a:BIGINT)%3B%20DROP%20TABLE%20x%3B", "invalid_field"),
    asked("types with a DECIMAL too wide", "&types=a:DECIMAL(39,2)", "invalid_field", "DECIMAL"),
    asked("types naming a column twice", "&types=a:BIGINT,a:DATE", "invalid_field", "twice"),
    asked("a parameter given twice", "&mode=append&mode=replace", "invalid_field", "more than once"),
    refused("a job id with spaces", { headers: { "x-lakehouse-job-id": "a b" } }, "bad_request"),
    refused("GET", { method: "GET" }, "method_not_allowed", "POST"),
  ]);
});

describe("the envelope", () => {
  run([
    sent("no body", undefined, "bad_request", "no body"),
    refused(
      "multipart without a boundary",
      { ...form(good), headers: { "content-type": "multipart/form-data" } },
      "bad_request",
      "boundary",
    ),
    refused(
      "multipart with another boundary",
      form(field("file", good).replaceAll("--B", "--C")),
      "bad_request",
      "multipart",
    ),
    refused("multipart without any part", form("--B--\r\n"), "bad_request", "'file'"),
    refused(
      "multipart without the field file",
      form(`${field("upload", good)}--B--\r\n`),
      "unknown_field",
      "upload",
      "'file'",
    ),
    refused(
      "two fields file of different columns",
      form(`${field("file", good)}${field("file", "a\n1\n", "g.csv")}--B--\r\n`),
      "unprocessable",
      "g.csv lacks 'b'",
      "union_by_name",
    ),
    refused(
      "another field after the file",
      form(`${field("file", good)}${field("mode", "append")}--B--\r\n`),
      "unknown_field",
      "mode",
      "query",
    ),
    refused(
      "a multipart body that was cut off",
      form(field("file", good)),
      "bad_request",
      "closing boundary",
    ),
    refused(
      "a Content-Encoding nobody knows",
      { headers: { "content-encoding": "br" } },
      "unsupported_media_type",
      "br",
      "gzip",
    ),
    refused(
      "Content-Encoding gzip over plain text",
      { headers: { "content-encoding": "gzip" } },
      "unprocessable",
      "gzip",
      "damaged",
    ),
    refused(
      "more than max_ingest_bytes, announced",
      { body: "a\n".repeat(600_000), headers: { "content-length": "1200000" } },
      "too_large",
      "1000000",
      "max_ingest_bytes",
    ),
    sent(
      "more than max_ingest_bytes, not announced",
      new Blob(["a\n".repeat(600_000)]).stream(),
      "too_large",
    ),
    refused(
      "more than max_ingest_bytes in a form",
      form(`${field("file", "a\n".repeat(600_000))}--B--\r\n`),
      "too_large",
    ),
    sent("a gzip bomb", gzipSync(Buffer.alloc(50_000_000, "a\n")), "too_large"),
    sent("a zstd bomb", zstdCompressSync(Buffer.alloc(50_000_000, "a\n")), "too_large"),
    sent(
      "a gzip file that was cut off",
      gzipSync(good.repeat(100)).subarray(0, -12),
      "unprocessable",
      "gzip",
      "cut off",
    ),
    sent(
      "a gzip file with garbage inside",
      Buffer.concat([gzipSync(good).subarray(0, 14), bytes("xxxxxxxxxxxxxx")]),
      "unprocessable",
      "damaged",
    ),
    sent(
      "a gzip file with garbage after it",
      Buffer.concat([gzipSync(good), bytes("garbage")]),
      "unprocessable",
    ),
    sent(
      "a zstd file that was cut off",
      zstdCompressSync(Buffer.from(good.repeat(100))).subarray(0, -3),
      "unprocessable",
      "zstd",
    ),
    sent(
      "a zstd file with garbage after it",
      Buffer.concat([zstdCompressSync(Buffer.from(good)), bytes("garbage")]),
      "unprocessable",
    ),
  ]);
});

describe("files that are something else", () => {
  run([
    sent(
      "a zip that is cut off",
      bytes("PK\x03\x04\x14\0\x06\0xl/workbook.xml"),
      "unprocessable",
      "truncated",
    ),
    sent("an old xls", bytes("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1aaaa"), "unsupported_media_type", "Excel"),
    sent("a zip inside gzip", gzipSync(bytes("PK\x03\x04\x14\0\x06\0")), "unprocessable", "truncated"),
    sent("a PDF", "%PDF-1.7\n", "unsupported_media_type", "PDF"),
    sent("bzip2", bytes("BZh91AY&SY"), "unsupported_media_type", "gzip"),
    sent("an Arrow file", bytes("ARROW1\0\0"), "unsupported_media_type", "Parquet"),
    sent("an Avro file that is cut off", bytes("Obj\x01\x04\x16"), "unprocessable", "Avro", "cut short"),
    asked("CSV that is said to be Parquet", "&format=parquet", "unprocessable", "PAR1"),
    refused(
      "Parquet that is said to be CSV",
      { query: "&format=csv", body: bytes("PAR1aaaaPAR1") },
      "unprocessable",
      "Parquet",
    ),
    {
      name: "Parquet with only its magic",
      body: bytes("PAR1"),
      type: "unprocessable",
      contains: ["cannot be read"],
      lacks: ["/tmp", "work/"],
    },
    {
      name: "Parquet without a footer",
      body: bytes(`PAR1${"x".repeat(200)}`),
      type: "unprocessable",
      lacks: ["/tmp", "work/"],
    },
    {
      name: "Parquet with a footer length beyond the file",
      body: bytes(`PAR1${"x".repeat(100)}\xff\xff\xff\x7fPAR1`),
      type: "unprocessable",
      lacks: ["/tmp"],
    },
    sent("encrypted Parquet", bytes("PAREaaaaaaaaPARE"), "unprocessable", "encrypted"),
    refused(
      "types for Parquet",
      { query: "&types=a:BIGINT", body: bytes("PAR1aaaaaaaaPAR1") },
      "invalid_field",
      "types",
    ),
    refused(
      "a JSON array that is said to be one object a line",
      { query: "&format=ndjson", body: '[\n{"a":1},\n{"a":2}\n]' },
      "unprocessable",
      "format=json",
    ),
  ]);
});

describe("CSV as a whole", () => {
  run([
    refused(
      "an empty file",
      { body: new Uint8Array(0), headers: { "content-type": "text/csv" }, query: "" },
      "unprocessable",
      "empty",
    ),
    refused("an empty file in a form", form(`${field("file", "")}--B--\r\n`), "unprocessable", "empty"),
    sent("only a byte order mark", bytes("\xef\xbb\xbf"), "unprocessable", "empty"),
    sent("only blank lines", "\n\r\n\n", "unprocessable", "empty"),
    sent(
      "too many columns",
      `${Array.from({ length: 51 }, (_, at) => `c${at}`).join(",")}\n`,
      "unprocessable",
      "51",
      "50",
    ),
    sent("a header with an unclosed quote", '"a,b\n1,2\n', "unprocessable", "header", "never closed"),
    sent("a header that is not UTF-8", bytes("a,\xe9\n1,2\n"), "unprocessable", "header", "field 2", "UTF-8"),
    sent("a header with a NUL", "a,b\0c,defgh\n1,2,3\n", "unprocessable", "NUL"),
    sent("a column name of 1,025 characters", `${"n".repeat(1025)},b\n1,2\n`, "unprocessable", "1024"),
    sent(
      "UTF-16 without a mark",
      Buffer.from(good.repeat(20), "utf16le"),
      "unprocessable",
      "encoding=utf-16",
    ),
    refused(
      "UTF-16 that is cut in a character",
      { query: "&encoding=utf-16", body: Buffer.from(good, "utf16le").subarray(0, -1) },
      "unprocessable",
      "UTF-16",
    ),
    refused(
      "UTF-16 with half a pair",
      { query: "&encoding=utf-16", body: Buffer.from("a,b\n\ud800x,2\n", "utf16le") },
      "unprocessable",
      "UTF-16",
    ),
    sent(
      "a row beyond max_row_bytes",
      `a,b\n1,2\n${"x".repeat(100_001)},2\n`,
      "unprocessable",
      "line 3",
      "max_row_bytes",
    ),
    asked("types for a column that is not there", "&types=zip:VARCHAR", "invalid_field", "zip", "a, b"),
  ]);
});

describe("CSV rows", () => {
  run([
    sent(
      "a row too short",
      "a,b\n1,2\n3\n",
      "rejected_rows",
      "line 3",
      "expected 2 fields, found 1",
      '"byte":8',
      '"text":"3"',
    ),
    sent("a row too long", "a,b\n1,2,3\n", "rejected_rows", "line 2", "found 3", "1,2,3"),
    sent(
      "a row with one empty field too many",
      "a,b\n1,2,\n3,4,\n",
      "rejected_rows",
      "2 bad rows",
      "found 3",
    ),
    refused(
      "every row wider than the header",
      { body: "a\n1,2\n3,4\n", query: "&delimiter=," },
      "rejected_rows",
      "expected 1 fields, found 2",
    ),
    sent(
      "a quote that is never closed",
      'a,b\n1,2\n3,"4\n5,6\n',
      "rejected_rows",
      "line 3",
      "column 'b'",
      "never closed",
      "byte 10",
    ),
    sent(
      "text after a closing quote",
      'a,b\n"x"y,2\n',
      "rejected_rows",
      "line 2",
      "column 'a'",
      "after the closing quote",
    ),
    sent("a space after a closing quote", 'a,b\n"x" ,2\n', "rejected_rows", "after the closing quote"),
    sent(
      "invalid UTF-8",
      bytes("a,b\n1,caf\xe9\n3,4\n"),
      "rejected_rows",
      "line 2",
      "column 'b'",
      "not valid UTF-8",
      "byte 9",
    ),
    sent(
      "a UTF-8 character cut by the end",
      bytes("a,b\n1,\xe6\x9d"),
      "rejected_rows",
      "line 2",
      "UTF-8",
      "byte 6",
    ),
    sent("an overlong UTF-8 form", bytes("a,b\n1,\xc0\xaf\n"), "rejected_rows", "UTF-8"),
    sent("a NUL byte", "a,b\n1,x\0y\n", "rejected_rows", "line 2", "NUL"),
    sent(
      "a lone CR that cuts a row in two",
      "a,b\n1,x\ry\n",
      "rejected_rows",
      "line 3",
      "expected 2 fields, found 1",
    ),
    sent("a line of spaces", "a,b\n1,2\n   \n", "rejected_rows", "line 3"),
    sent("the line after quoted line ends", 'a,b\n1,"x\ny\nz"\n2\n', "rejected_rows", "line 5"),
    sent("the line after a quoted header with a line end", '"a\nb",c\n1,2\n3\n', "rejected_rows", "line 4"),
    refused(
      "a value that is not of the type asked for",
      { query: "&types=a:DATE", body: "a,b\n2024-01-01,2\nsoon,3\n" },
      "rejected_rows",
      "line 3",
      "column 'a'",
      "DATE",
      "soon,3",
    ),
    refused(
      "a number beyond the DECIMAL asked for",
      { query: "&types=a:DECIMAL(3,1)", body: "a,b\n123.4,2\n" },
      "rejected_rows",
      "DECIMAL(3,1)",
    ),
    refused(
      "more bad rows than max_rejects",
      { query: "&on_error=reject&max_rejects=2", body: "a,b\n1\n2\n3\n4,5\n" },
      "rejected_rows",
      "3 bad rows",
      "max_rejects is 2",
    ),
    refused(
      "a bad row with max_rejects 0",
      { query: "&on_error=reject&max_rejects=0", body: "a,b\n1\n" },
      "rejected_rows",
    ),
    {
      name: "a hundred bad rows: the first are listed",
      body: `a,b\n${"1\n".repeat(100)}`,
      type: "rejected_rows",
      contains: ["the first are listed", '"line":2', '"line":21'],
      lacks: ['"line":22'],
    },
    {
      name: "a long bad row is shown shortened",
      body: `a,b\n${"x".repeat(5000)}\n`,
      type: "rejected_rows",
      contains: ["…"],
      lacks: ["x".repeat(600)],
    },
  ]);
});

describe("NDJSON", () => {
  const lines = (...list: string[]) => `{"ok":1}\n${list.join("\n")}\n`;
  run([
    refused("an empty file", { query: "&format=ndjson", body: " \n" }, "unprocessable", "empty"),
    sent("no key at all", "{}\n{}\n", "unprocessable", "no line holds a key"),
    sent("a scalar", lines("5"), "rejected_rows", "line 2", "expected an object, found number"),
    sent("an array on a line", lines("[1]"), "rejected_rows", "expected an object, found array"),
    sent(
      "text that is no JSON",
      lines("hello"),
      "rejected_rows",
      "line 2",
      "not valid JSON at character 1",
      "hello",
    ),
    sent("two objects on a line", lines('{"a":1} {"a":2}'), "rejected_rows", "expected the end of the line"),
    sent("a comma too many", lines('{"a":1,}'), "rejected_rows", "a key in quotes"),
    sent("a key without quotes", lines("{a:1}"), "rejected_rows"),
    sent("a string that is not closed", lines('{"a":"x}'), "rejected_rows", "a string that is closed"),
    sent("a bare control character", lines('{"a":"x\ty"}'), "rejected_rows", "control characters"),
    sent("NaN", lines('{"a":NaN}'), "rejected_rows", "a value"),
    sent("a number with leading zeros", lines('{"a":012}'), "rejected_rows"),
    sent("a key that occurs twice", lines('{"a":1,"a":2}'), "rejected_rows", "occurs twice"),
    sent(
      "a key that occurs twice deep inside",
      lines('{"a":[{"k":1,"k":2}]}'),
      "rejected_rows",
      "occurs twice",
    ),
    sent("half a surrogate pair", lines('{"a":"\\ud83d"}'), "rejected_rows", "surrogate"),
    sent("an escaped NUL", lines('{"a":"\\u0000"}'), "rejected_rows", "u0000"),
    sent("invalid UTF-8", bytes('{"a":"x"}\n{"a":"\xe9"}\n'), "rejected_rows", "line 2", "not valid UTF-8"),
    sent(
      "nested too deep",
      lines(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`),
      "rejected_rows",
      "deeper than 100",
    ),
    sent(
      "too many keys",
      Array.from({ length: 60 }, (_, at) => `{"k${at}":1}`).join("\n"),
      "unprocessable",
      "50 keys",
    ),
    sent("a line beyond max_row_bytes", `{"a":"${"x".repeat(100_001)}"}`, "unprocessable", "max_row_bytes"),
    sent("an object cut off at the end", '{"a":1}\n{"a":', "rejected_rows", "line 2", "the line ends"),
  ]);
});

describe("another file for a registered name", () => {
  run([
    refused(
      "another header",
      { path: "/ingest?name=known", body: "id,title\n1,a\n" },
      "schema_drift",
      "title",
      "name",
    ),
    refused(
      "a column less",
      { path: "/ingest?name=known", body: "id\n1\n" },
      "schema_drift",
      "removed: name",
    ),
    refused(
      "columns in another order, and another one among them",
      { path: "/ingest?name=known", body: "name,title,id\na,b,1\n" },
      "schema_drift",
      "added: title; reordered: name, id",
    ),
    refused(
      "columns in another order, and another type",
      { path: "/ingest?name=known&mode=append", body: "name,id\na,x\n" },
      "schema_drift",
      "id (BIGINT → VARCHAR)",
    ),
    {
      name: "text where numbers were",
      path: "/ingest?name=known",
      body: "id,name\n007,a\n",
      type: "schema_drift",
      contains: ["id (BIGINT → VARCHAR)"],
      lacks: ["name ("],
    },
    refused(
      "the same when appending",
      { path: "/ingest?name=known&mode=append", body: "id,name\nx,a\n" },
      "schema_drift",
    ),
    refused(
      "another type asked for",
      { path: "/ingest?name=known&types=id:VARCHAR", body: "id,name\n1,a\n" },
      "schema_drift",
      "id (BIGINT → VARCHAR)",
    ),
  ]);
});

describe("preview and jobs", () => {
  run([
    refused("preview of nothing", { path: "/ingest/preview", body: undefined }, "bad_request"),
    refused("preview of an empty file", { path: "/ingest/preview", body: "\n" }, "unprocessable", "empty"),
    refused(
      "preview with a name, which it does not take",
      { path: "/ingest/preview?name=x" },
      "unknown_field",
    ),
    refused("preview of too many rows", { path: "/ingest/preview?rows=1001" }, "invalid_field", "rows"),
    refused(
      "preview of a zip that is cut off",
      { path: "/ingest/preview", body: bytes("PK\x03\x04") },
      "unprocessable",
    ),
    refused("a job that is not there", { method: "GET", path: "/ingest/jobs/nope" }, "not_found", "nope"),
    refused(
      "events of a job that is not there",
      { method: "GET", path: "/ingest/jobs/nope/events" },
      "not_found",
    ),
    refused(
      "cancelling a job that is not there",
      { method: "DELETE", path: "/ingest/jobs/nope" },
      "not_found",
    ),
    refused("a page that is gone", { method: "GET", path: "/ingest/jobs?page_token=nope" }, "invalid_field"),
    refused("a page of no size", { method: "GET", path: "/ingest/jobs?page_size=0" }, "invalid_field"),
  ]);
});
