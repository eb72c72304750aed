/** Every ugly upload has an outcome that is written down here, and none of the refused ones leaves anything behind. */
import { afterAll, afterEach, beforeAll, describe, expect } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { type ApiCase, runCases } from "../../support/clients/api-case.ts";
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
const run = (list: Row[]) => runCases(rows(list), () => stack.send);

describe("parameters, before the body is read", () => {
  run([
    { name: "no name", path: "/ingest", type: "invalid_field", contains: ["name"] },
    { name: "a name with a dash", path: "/ingest?name=a-b", type: "invalid_field", contains: ["name"] },
    { name: "a name that begins with a digit", path: "/ingest?name=1a", type: "invalid_field" },
    { name: "a name of 129 characters", path: `/ingest?name=${"a".repeat(129)}`, type: "invalid_field" },
    { name: "a name with a path in it", path: "/ingest?name=..%2Fx", type: "invalid_field" },
    {
      name: "a name kept for rejects",
      path: "/ingest?name=x__rejects",
      type: "invalid_name",
      contains: ["__rejects"],
    },
    {
      name: "a name too long for its rejects",
      path: `/ingest?name=${"a".repeat(125)}&on_error=reject`,
      type: "invalid_name",
      contains: ["119"],
    },
    { name: "an unknown parameter", query: "&frobnicate=1", type: "unknown_field", contains: ["frobnicate"] },
    {
      name: "evolve, which is not there yet",
      query: "&evolve=true",
      type: "unknown_field",
      contains: ["evolve"],
    },
    {
      name: "an unknown format",
      query: "&format=xlsx",
      type: "invalid_field",
      contains: ["csv", "ndjson", "parquet"],
    },
    {
      name: "an unknown mode",
      query: "&mode=upsert",
      type: "invalid_field",
      contains: ["replace", "append"],
    },
    {
      name: "an unknown on_error",
      query: "&on_error=ignore",
      type: "invalid_field",
      contains: ["fail", "reject"],
    },
    { name: "an unknown encoding", query: "&encoding=ebcdic", type: "invalid_field", contains: ["utf-16"] },
    {
      name: "negative max_rejects",
      query: "&max_rejects=-1",
      type: "invalid_field",
      contains: ["max_rejects"],
    },
    { name: "max_rejects that is no number", query: "&max_rejects=many", type: "invalid_field" },
    {
      name: "header that is no boolean",
      query: "&header=perhaps",
      type: "invalid_field",
      contains: ["header"],
    },
    {
      name: "a delimiter of five bytes",
      query: "&delimiter=%E6%9D%8E%E6%9D%8E",
      type: "invalid_field",
      contains: ["delimiter"],
    },
    {
      name: "a line end as delimiter",
      query: "&delimiter=%0A",
      type: "invalid_field",
      contains: ["delimiter"],
    },
    { name: "an empty delimiter", query: "&delimiter=", type: "invalid_field", contains: ["delimiter"] },
    { name: "a quote of two characters", query: "&quote=%22%22", type: "invalid_field", contains: ["quote"] },
    { name: "a quote that is no ASCII", query: "&quote=%C2%AB", type: "invalid_field", contains: ["quote"] },
    {
      name: "a quote that is the delimiter",
      query: "&quote=,&delimiter=,",
      type: "invalid_field",
      contains: ["different"],
    },
    { name: "a null text with a quote", query: "&null=%22", type: "invalid_field", contains: ["null"] },
    {
      name: "types that cannot be read",
      query: "&types=a",
      type: "invalid_field",
      contains: ["types", "col:TYPE"],
    },
    {
      name: "types with an unknown type",
      query: "&types=a:BANANA",
      type: "invalid_field",
      contains: ["BANANA", "BIGINT"],
    },
    {
      name: "types with a type that would become a wider one",
      query: "&types=a:TINYINT",
      type: "invalid_field",
      contains: ["TINYINT", "INTEGER"],
    },
    {
      name: "types with SQL in it",
      query: "&types=a:BIGINT)%3B%20DROP%20TABLE%20x%3B",
      type: "invalid_field",
    },
    {
      name: "types with a DECIMAL too wide",
      query: "&types=a:DECIMAL(39,2)",
      type: "invalid_field",
      contains: ["DECIMAL"],
    },
    {
      name: "types naming a column twice",
      query: "&types=a:BIGINT,a:DATE",
      type: "invalid_field",
      contains: ["twice"],
    },
    {
      name: "a parameter given twice",
      query: "&mode=append&mode=replace",
      type: "invalid_field",
      contains: ["more than once"],
    },
    { name: "a job id with spaces", headers: { "x-lakehouse-job-id": "a b" }, type: "bad_request" },
    { name: "GET", method: "GET", type: "method_not_allowed", contains: ["POST"] },
  ]);
});

describe("the envelope", () => {
  run([
    { name: "no body", body: undefined, type: "bad_request", contains: ["no body"] },
    {
      name: "multipart without a boundary",
      ...form(good),
      headers: { "content-type": "multipart/form-data" },
      type: "bad_request",
      contains: ["boundary"],
    },
    {
      name: "multipart with another boundary",
      ...form(field("file", good).replaceAll("--B", "--C")),
      type: "bad_request",
      contains: ["multipart"],
    },
    { name: "multipart without any part", ...form("--B--\r\n"), type: "bad_request", contains: ["'file'"] },
    {
      name: "multipart without the field file",
      ...form(`${field("upload", good)}--B--\r\n`),
      type: "unknown_field",
      contains: ["upload", "'file'"],
    },
    {
      name: "two fields file",
      ...form(`${field("file", good)}${field("file", good)}--B--\r\n`),
      type: "bad_request",
      contains: ["two fields"],
    },
    {
      name: "another field after the file",
      ...form(`${field("file", good)}${field("mode", "append")}--B--\r\n`),
      type: "unknown_field",
      contains: ["mode", "query"],
    },
    {
      name: "a multipart body that was cut off",
      ...form(field("file", good)),
      type: "bad_request",
      contains: ["closing boundary"],
    },
    {
      name: "a Content-Encoding nobody knows",
      headers: { "content-encoding": "br" },
      type: "unsupported_media_type",
      contains: ["br", "gzip"],
    },
    {
      name: "Content-Encoding gzip over plain text",
      headers: { "content-encoding": "gzip" },
      type: "unprocessable",
      contains: ["gzip", "damaged"],
    },
    {
      name: "more than max_ingest_bytes, announced",
      body: "a\n".repeat(600_000),
      headers: { "content-length": "1200000" },
      type: "too_large",
      contains: ["1000000", "max_ingest_bytes"],
    },
    {
      name: "more than max_ingest_bytes, not announced",
      body: new Blob(["a\n".repeat(600_000)]).stream(),
      type: "too_large",
    },
    {
      name: "more than max_ingest_bytes in a form",
      ...form(`${field("file", "a\n".repeat(600_000))}--B--\r\n`),
      type: "too_large",
    },
    { name: "a gzip bomb", body: gzipSync(Buffer.alloc(50_000_000, "a\n")), type: "too_large" },
    { name: "a zstd bomb", body: zstdCompressSync(Buffer.alloc(50_000_000, "a\n")), type: "too_large" },
    {
      name: "a gzip file that was cut off",
      body: gzipSync(good.repeat(100)).subarray(0, -12),
      type: "unprocessable",
      contains: ["gzip", "cut off"],
    },
    {
      name: "a gzip file with garbage inside",
      body: Buffer.concat([gzipSync(good).subarray(0, 14), bytes("xxxxxxxxxxxxxx")]),
      type: "unprocessable",
      contains: ["damaged"],
    },
    {
      name: "a gzip file with garbage after it",
      body: Buffer.concat([gzipSync(good), bytes("garbage")]),
      type: "unprocessable",
    },
    {
      name: "a zstd file that was cut off",
      body: zstdCompressSync(Buffer.from(good.repeat(100))).subarray(0, -3),
      type: "unprocessable",
      contains: ["zstd"],
    },
    {
      name: "a zstd file with garbage after it",
      body: Buffer.concat([zstdCompressSync(Buffer.from(good)), bytes("garbage")]),
      type: "unprocessable",
    },
  ]);
});

describe("files that are something else", () => {
  run([
    {
      name: "a zip or xlsx",
      body: bytes("PK\x03\x04\x14\0\x06\0xl/workbook.xml"),
      type: "unsupported_media_type",
      contains: ["Excel", "CSV"],
    },
    {
      name: "an old xls",
      body: bytes("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1aaaa"),
      type: "unsupported_media_type",
      contains: ["Excel"],
    },
    {
      name: "a zip inside gzip",
      body: gzipSync(bytes("PK\x03\x04\x14\0\x06\0")),
      type: "unsupported_media_type",
    },
    { name: "a PDF", body: "%PDF-1.7\n", type: "unsupported_media_type", contains: ["PDF"] },
    { name: "bzip2", body: bytes("BZh91AY&SY"), type: "unsupported_media_type", contains: ["gzip"] },
    {
      name: "an Arrow file",
      body: bytes("ARROW1\0\0"),
      type: "unsupported_media_type",
      contains: ["Parquet"],
    },
    { name: "an Avro file", body: bytes("Obj\x01\x04\x16"), type: "unsupported_media_type" },
    {
      name: "CSV that is said to be Parquet",
      query: "&format=parquet",
      type: "unprocessable",
      contains: ["PAR1"],
    },
    {
      name: "Parquet that is said to be CSV",
      query: "&format=csv",
      body: bytes("PAR1aaaaPAR1"),
      type: "unprocessable",
      contains: ["Parquet"],
    },
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
    {
      name: "encrypted Parquet",
      body: bytes("PAREaaaaaaaaPARE"),
      type: "unprocessable",
      contains: ["encrypted"],
    },
    {
      name: "types for Parquet",
      query: "&types=a:BIGINT",
      body: bytes("PAR1aaaaaaaaPAR1"),
      type: "invalid_field",
      contains: ["types"],
    },
    {
      name: "a JSON array",
      body: '[\n{"a":1},\n{"a":2}\n]',
      type: "unprocessable",
      contains: ["JSON array", "one object a line"],
    },
    {
      name: "JSON over several lines",
      body: '{\n  "a": 1\n}\n',
      type: "unprocessable",
      contains: ["several lines"],
    },
  ]);
});

describe("CSV as a whole", () => {
  run([
    {
      name: "an empty file",
      body: new Uint8Array(0),
      headers: { "content-type": "text/csv" },
      query: "",
      type: "unprocessable",
      contains: ["empty"],
    },
    {
      name: "an empty file in a form",
      ...form(`${field("file", "")}--B--\r\n`),
      type: "unprocessable",
      contains: ["empty"],
    },
    {
      name: "only a byte order mark",
      body: bytes("\xef\xbb\xbf"),
      type: "unprocessable",
      contains: ["empty"],
    },
    { name: "only blank lines", body: "\n\r\n\n", type: "unprocessable", contains: ["empty"] },
    {
      name: "too many columns",
      body: `${Array.from({ length: 51 }, (_, at) => `c${at}`).join(",")}\n`,
      type: "unprocessable",
      contains: ["51", "50"],
    },
    {
      name: "a header with an unclosed quote",
      body: '"a,b\n1,2\n',
      type: "unprocessable",
      contains: ["header", "never closed"],
    },
    {
      name: "a header that is not UTF-8",
      body: bytes("a,\xe9\n1,2\n"),
      type: "unprocessable",
      contains: ["header", "field 2", "UTF-8"],
    },
    { name: "a header with a NUL", body: "a,b\0c,defgh\n1,2,3\n", type: "unprocessable", contains: ["NUL"] },
    {
      name: "a column name of 1,025 characters",
      body: `${"n".repeat(1025)},b\n1,2\n`,
      type: "unprocessable",
      contains: ["1024"],
    },
    {
      name: "UTF-16 without a mark",
      body: Buffer.from(good.repeat(20), "utf16le"),
      type: "unprocessable",
      contains: ["encoding=utf-16"],
    },
    {
      name: "UTF-16 that is cut in a character",
      query: "&encoding=utf-16",
      body: Buffer.from(good, "utf16le").subarray(0, -1),
      type: "unprocessable",
      contains: ["UTF-16"],
    },
    {
      name: "UTF-16 with half a pair",
      query: "&encoding=utf-16",
      body: Buffer.from("a,b\n\ud800x,2\n", "utf16le"),
      type: "unprocessable",
      contains: ["UTF-16"],
    },
    {
      name: "a row beyond max_row_bytes",
      body: `a,b\n1,2\n${"x".repeat(100_001)},2\n`,
      type: "unprocessable",
      contains: ["line 3", "max_row_bytes"],
    },
    {
      name: "types for a column that is not there",
      query: "&types=zip:VARCHAR",
      type: "invalid_field",
      contains: ["zip", "a, b"],
    },
  ]);
});

describe("CSV rows", () => {
  run([
    {
      name: "a row too short",
      body: "a,b\n1,2\n3\n",
      type: "rejected_rows",
      contains: ["line 3", "expected 2 fields, found 1", '"byte":8', '"text":"3"'],
    },
    {
      name: "a row too long",
      body: "a,b\n1,2,3\n",
      type: "rejected_rows",
      contains: ["line 2", "found 3", "1,2,3"],
    },
    {
      name: "a row with one empty field too many",
      body: "a,b\n1,2,\n3,4,\n",
      type: "rejected_rows",
      contains: ["2 bad rows", "found 3"],
    },
    {
      name: "every row wider than the header",
      body: "a\n1,2\n3,4\n",
      query: "&delimiter=,",
      type: "rejected_rows",
      contains: ["expected 1 fields, found 2"],
    },
    {
      name: "a quote that is never closed",
      body: 'a,b\n1,2\n3,"4\n5,6\n',
      type: "rejected_rows",
      contains: ["line 3", "column 'b'", "never closed", "byte 10"],
    },
    {
      name: "text after a closing quote",
      body: 'a,b\n"x"y,2\n',
      type: "rejected_rows",
      contains: ["line 2", "column 'a'", "after the closing quote"],
    },
    {
      name: "a space after a closing quote",
      body: 'a,b\n"x" ,2\n',
      type: "rejected_rows",
      contains: ["after the closing quote"],
    },
    {
      name: "invalid UTF-8",
      body: bytes("a,b\n1,caf\xe9\n3,4\n"),
      type: "rejected_rows",
      contains: ["line 2", "column 'b'", "not valid UTF-8", "byte 9"],
    },
    {
      name: "a UTF-8 character cut by the end",
      body: bytes("a,b\n1,\xe6\x9d"),
      type: "rejected_rows",
      contains: ["line 2", "UTF-8", "byte 6"],
    },
    {
      name: "an overlong UTF-8 form",
      body: bytes("a,b\n1,\xc0\xaf\n"),
      type: "rejected_rows",
      contains: ["UTF-8"],
    },
    { name: "a NUL byte", body: "a,b\n1,x\0y\n", type: "rejected_rows", contains: ["line 2", "NUL"] },
    {
      name: "a lone CR that cuts a row in two",
      body: "a,b\n1,x\ry\n",
      type: "rejected_rows",
      contains: ["line 3", "expected 2 fields, found 1"],
    },
    { name: "a line of spaces", body: "a,b\n1,2\n   \n", type: "rejected_rows", contains: ["line 3"] },
    {
      name: "the line after quoted line ends",
      body: 'a,b\n1,"x\ny\nz"\n2\n',
      type: "rejected_rows",
      contains: ["line 5"],
    },
    {
      name: "the line after a quoted header with a line end",
      body: '"a\nb",c\n1,2\n3\n',
      type: "rejected_rows",
      contains: ["line 4"],
    },
    {
      name: "a value that is not of the type asked for",
      query: "&types=a:DATE",
      body: "a,b\n2024-01-01,2\nsoon,3\n",
      type: "rejected_rows",
      contains: ["line 3", "column 'a'", "DATE", "soon,3"],
    },
    {
      name: "a number beyond the DECIMAL asked for",
      query: "&types=a:DECIMAL(3,1)",
      body: "a,b\n123.4,2\n",
      type: "rejected_rows",
      contains: ["DECIMAL(3,1)"],
    },
    {
      name: "more bad rows than max_rejects",
      query: "&on_error=reject&max_rejects=2",
      body: "a,b\n1\n2\n3\n4,5\n",
      type: "rejected_rows",
      contains: ["3 bad rows", "max_rejects is 2"],
    },
    {
      name: "a bad row with max_rejects 0",
      query: "&on_error=reject&max_rejects=0",
      body: "a,b\n1\n",
      type: "rejected_rows",
    },
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
    {
      name: "an empty file",
      query: "&format=ndjson",
      body: " \n",
      type: "unprocessable",
      contains: ["empty"],
    },
    { name: "no key at all", body: "{}\n{}\n", type: "unprocessable", contains: ["no line holds a key"] },
    {
      name: "a scalar",
      body: lines("5"),
      type: "rejected_rows",
      contains: ["line 2", "expected an object, found number"],
    },
    {
      name: "an array on a line",
      body: lines("[1]"),
      type: "rejected_rows",
      contains: ["expected an object, found array"],
    },
    {
      name: "text that is no JSON",
      body: lines("hello"),
      type: "rejected_rows",
      contains: ["line 2", "not valid JSON at character 1", "hello"],
    },
    {
      name: "two objects on a line",
      body: lines('{"a":1} {"a":2}'),
      type: "rejected_rows",
      contains: ["expected the end of the line"],
    },
    {
      name: "a comma too many",
      body: lines('{"a":1,}'),
      type: "rejected_rows",
      contains: ["a key in quotes"],
    },
    { name: "a key without quotes", body: lines("{a:1}"), type: "rejected_rows" },
    {
      name: "a string that is not closed",
      body: lines('{"a":"x}'),
      type: "rejected_rows",
      contains: ["a string that is closed"],
    },
    {
      name: "a bare control character",
      body: lines('{"a":"x\ty"}'),
      type: "rejected_rows",
      contains: ["control characters"],
    },
    { name: "NaN", body: lines('{"a":NaN}'), type: "rejected_rows", contains: ["a value"] },
    { name: "a number with leading zeros", body: lines('{"a":012}'), type: "rejected_rows" },
    {
      name: "a key that occurs twice",
      body: lines('{"a":1,"a":2}'),
      type: "rejected_rows",
      contains: ["occurs twice"],
    },
    {
      name: "a key that occurs twice deep inside",
      body: lines('{"a":[{"k":1,"k":2}]}'),
      type: "rejected_rows",
      contains: ["occurs twice"],
    },
    {
      name: "half a surrogate pair",
      body: lines('{"a":"\\ud83d"}'),
      type: "rejected_rows",
      contains: ["surrogate"],
    },
    { name: "an escaped NUL", body: lines('{"a":"\\u0000"}'), type: "rejected_rows", contains: ["u0000"] },
    {
      name: "invalid UTF-8",
      body: bytes('{"a":"x"}\n{"a":"\xe9"}\n'),
      type: "rejected_rows",
      contains: ["line 2", "not valid UTF-8"],
    },
    {
      name: "nested too deep",
      body: lines(`{"a":${"[".repeat(200)}${"]".repeat(200)}}`),
      type: "rejected_rows",
      contains: ["deeper than 100"],
    },
    {
      name: "too many keys",
      body: Array.from({ length: 60 }, (_, at) => `{"k${at}":1}`).join("\n"),
      type: "unprocessable",
      contains: ["50 keys"],
    },
    {
      name: "a line beyond max_row_bytes",
      body: `{"a":"${"x".repeat(100_001)}"}`,
      type: "unprocessable",
      contains: ["max_row_bytes"],
    },
    {
      name: "an object cut off at the end",
      body: '{"a":1}\n{"a":',
      type: "rejected_rows",
      contains: ["line 2", "the line ends"],
    },
  ]);
});

describe("another file for a registered name", () => {
  run([
    {
      name: "another header",
      path: "/ingest?name=known",
      body: "id,title\n1,a\n",
      type: "schema_drift",
      contains: ["title", "name"],
    },
    {
      name: "a column less",
      path: "/ingest?name=known",
      body: "id\n1\n",
      type: "schema_drift",
      contains: ["removed: name"],
    },
    {
      name: "columns in another order, and another one among them",
      path: "/ingest?name=known",
      body: "name,title,id\na,b,1\n",
      type: "schema_drift",
      contains: ["added: title; reordered: name, id"],
    },
    {
      name: "columns in another order, and another type",
      path: "/ingest?name=known&mode=append",
      body: "name,id\na,x\n",
      type: "schema_drift",
      contains: ["id (BIGINT → VARCHAR)"],
    },
    {
      name: "text where numbers were",
      path: "/ingest?name=known",
      body: "id,name\n007,a\n",
      type: "schema_drift",
      contains: ["id (BIGINT → VARCHAR)"],
      lacks: ["name ("],
    },
    {
      name: "the same when appending",
      path: "/ingest?name=known&mode=append",
      body: "id,name\nx,a\n",
      type: "schema_drift",
    },
    {
      name: "another type asked for",
      path: "/ingest?name=known&types=id:VARCHAR",
      body: "id,name\n1,a\n",
      type: "schema_drift",
      contains: ["id (BIGINT → VARCHAR)"],
    },
  ]);
});

describe("preview and jobs", () => {
  run([
    { name: "preview of nothing", path: "/ingest/preview", body: undefined, type: "bad_request" },
    {
      name: "preview of an empty file",
      path: "/ingest/preview",
      body: "\n",
      type: "unprocessable",
      contains: ["empty"],
    },
    {
      name: "preview with a name, which it does not take",
      path: "/ingest/preview?name=x",
      type: "unknown_field",
    },
    {
      name: "preview of too many rows",
      path: "/ingest/preview?rows=1001",
      type: "invalid_field",
      contains: ["rows"],
    },
    {
      name: "preview of a zip",
      path: "/ingest/preview",
      body: bytes("PK\x03\x04"),
      type: "unsupported_media_type",
    },
    {
      name: "a job that is not there",
      method: "GET",
      path: "/ingest/jobs/nope",
      type: "not_found",
      contains: ["nope"],
    },
    {
      name: "events of a job that is not there",
      method: "GET",
      path: "/ingest/jobs/nope/events",
      type: "not_found",
    },
    {
      name: "cancelling a job that is not there",
      method: "DELETE",
      path: "/ingest/jobs/nope",
      type: "not_found",
    },
    {
      name: "a page that is gone",
      method: "GET",
      path: "/ingest/jobs?page_token=nope",
      type: "invalid_field",
    },
    { name: "a page of no size", method: "GET", path: "/ingest/jobs?page_size=0", type: "invalid_field" },
  ]);
});
