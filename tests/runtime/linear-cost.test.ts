/**
 * What we parse ourselves costs in proportion to its length, whatever stands in it: eight times as much of the worst input
 * that is known for each parser takes about eight times the processor time. Of a square it would take 64 times.
 */

import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { addressList, forwardedFor } from "../../runtime/addresses/addresses.ts";
import { chooseEncoding } from "../../runtime/bodies/answer-encoding.ts";
import { parseToml } from "../../runtime/config/file.ts";
import { suggestionsFor } from "../../runtime/errors/suggestions.ts";
import { parseFilter } from "../../runtime/filter/filter.ts";
import { isAsSent } from "../../runtime/http/path-as-sent.ts";
import { parseRows, parseJson as parseSent } from "../../runtime/json/json.ts";
import { readPageToken } from "../../runtime/pages/pages.ts";
import { readSchema } from "../../runtime/parquet/parquet.ts";
import { parseSqlType } from "../../runtime/sql/type-grammar.ts";
import { eventsOf } from "../../workers/chatd/providers/event-lines.ts";
import { layoutOf } from "../../workers/ingestd/csv/layout.ts";
import { parseRow } from "../../workers/ingestd/csv/row-reader.ts";
import { marksOf } from "../../workers/ingestd/csv/rows.ts";
import { createCsvScan } from "../../workers/ingestd/csv/scan.ts";
import { whyText } from "../../workers/ingestd/inference/reasons.ts";
import { parseJson } from "../../workers/ingestd/ndjson/json-value.ts";
import { addValue, emptyShape } from "../../workers/ingestd/ndjson/shape.ts";
import { formFiles } from "../../workers/ingestd/receiving/multipart.ts";
import { readingOf } from "../../workers/ingestd/requests/parameters.ts";
import { matchExpression } from "../../workers/matrixd/lexicon/read.ts";
import { readLogs } from "../../workers/observerd/otlp/log-record.ts";
import { requests } from "../../workers/observerd/otlp/messages.ts";
import { operationOf } from "../../workers/observerd/otlp/operation.ts";
import { decodeMessage } from "../../workers/observerd/otlp/protobuf.ts";
import { readSpans } from "../../workers/observerd/otlp/span.ts";
import { claimsOf } from "../../workers/observerd/reviews/claims.ts";
import { formRules } from "../../workers/observerd/reviews/form.ts";
import { castHint } from "../../workers/queryd/errors/cast-hint.ts";
import { chooseFormat } from "../../workers/queryd/queries/content-negotiation.ts";
import { checkBound } from "../../workers/queryd/sandbox/bound-plan.ts";
import { nestsTooDeep } from "../../workers/queryd/sandbox/json-guards.ts";
import { withoutSchemas, withoutShowAll } from "../../workers/queryd/sandbox/rewritten-names.ts";
import { checkTree } from "../../workers/queryd/sandbox/syntax-tree.ts";
import { asksForGiant } from "../../workers/queryd/sandbox/value-guards.ts";
import { withValues } from "../../workers/queryd/statements/literals.ts";
import { readStatement } from "../../workers/queryd/statements/statement.ts";
import { parseRange } from "../../workers/storaged/bucket/bucket.ts";
import { elements } from "../../workers/storaged/s3-client/xml.ts";
import { readVerdict } from "../../workers/storaged/transfer/preconditions.ts";
import { checkArrowStream } from "../../workers/vectord/bodies/arrow-items.ts";
import { sourceOf } from "../../workers/vectord/lhv1/frame.ts";
import { decodeSegment, encodeSegment } from "../../workers/vectord/lhv1/segment.ts";
import { processorMs } from "../support/product/processor-time.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

type Input = string | Buffer;
/** Inputs of so many characters, each of which an impatient parser would look at again and again. */
type Worst = Record<string, (size: number) => Input>;

const of =
  (unit: string, before = "", after = "") =>
  (size: number) =>
    before + unit.repeat(Math.ceil(size / unit.length)) + after;

const drain = async (all: AsyncIterable<unknown>) => {
  for await (const one of all) if (one === undefined) break;
};
async function* chunks(input: Input, bytes = 1000) {
  const buffer = Buffer.from(input as string);
  for (let at = 0; at < buffer.length; at += bytes) yield buffer.subarray(at, at + bytes);
}
const csvHead = (input: Input, reading = {}) =>
  layoutOf(
    { head: Buffer.from(input as string), whole: false, markBytes: 0 },
    { reading: { nulls: [], types: new Map(), ...reading }, columnsMax: 4096 },
  );
const marks = marksOf({ delimiter: ",", quote: '"', escape: "\\" });
const list = [{ mediaType: "application/json", name: "json" }] as const;

const directory = temporaryDirectory("linear-cost");
afterAll(directory.remove);
/** A Parquet file of nothing but a footer, whose schema has these bytes. */
const footerOf = (schema: Buffer): Buffer => {
  const head = Buffer.concat([Buffer.from([0x15, 2, 0x19, 0xfc, 0x80, 0x80, 1]), schema]);
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(head.length);
  tail.write("PAR1", 4);
  return Buffer.concat([Buffer.from("PAR1"), head, tail]);
};
/** A segment of vectord with so many bytes, about, in batches of one kind. */
const segmentOf = (size: number, batchBytes: number, ids: { deletes?: string[]; upserts?: string[] }) => {
  const { deletes = [], upserts = [] } = ids;
  const batch = {
    deletes,
    upserts: {
      ids: upserts,
      vectors: new Float32Array(upserts.length),
      metadata: upserts.map(() => undefined),
    },
  };
  const place = { id: "a", incarnation: "b", sequence: 1, previous: 0, dimension: 1 };
  return Buffer.concat([...encodeSegment(place, Array(Math.ceil(size / batchBytes)).fill(batch))]);
};
const span = `{"traceId":"${"a".repeat(32)}","spanId":"${"b".repeat(16)}","name":"n","startTimeUnixNano":"1","endTimeUnixNano":"2"`;
const spansOf = (spans: string) => `{"resourceSpans":[{"scopeSpans":[{"spans":[${spans}]}]}]}`;
const manyOf = (size: number, unit: string) =>
  Array(Math.ceil(size / unit.length))
    .fill(unit)
    .join();
/** Messages of protobuf in each other, each of which is the field `number` of the one around it. */
const nestedMessages = (levels: number, number: number): Buffer => {
  const heads: Buffer[] = [];
  for (let length = 0; heads.length < levels; length += heads.at(-1)?.length ?? 0) {
    const bytes = [(number << 3) | 2];
    let left = length;
    for (; left > 127; left >>>= 7) bytes.push((left & 127) | 128);
    heads.push(Buffer.from([...bytes, left]));
  }
  return Buffer.concat(heads.reverse());
};
const table = (name: string) => ({ type: "BASE_TABLE", table_name: name, alias: "", sample: null });
const query = (names: object[], from: object) => ({
  type: "SELECT_NODE",
  cte_map: { map: names },
  from_table: from,
});

/** Of each parser: how it is called, its worst inputs, and how long the longer of them is. */
const parsers: Record<string, { parse: (input: Input) => unknown; worst: Worst; size?: number }> = {
  statements: {
    parse: (sql) => readStatement(String(sql)),
    worst: {
      dollars: of("$a "),
      "dollar tags": of("$a$b$"),
      "open comments": of("/*"),
      semicolons: of(";", "SELECT 1"),
      quotes: of("'", "SELECT "),
      escapes: of("\\'", "SELECT E'"),
      dashes: of("-- \n"),
      digits: of("1.", "SELECT "),
      blanks: of(" \t", "SELECT ", "1"),
      options: of("ANALYZE,", "EXPLAIN (", ") SELECT 1"),
    },
  },
  "cast hints": {
    parse: (sql) =>
      castHint(
        "Cannot compare values of type VARCHAR and type INTEGER_LITERAL",
        String(sql),
        String(sql).length,
      ),
    worst: {
      words: of("a.", "SELECT ", "!"),
      blanks: of(" ", "SELECT a", "= 1"),
      quotes: of('"', "SELECT "),
    },
  },
  filters: {
    parse: (text) => parseFilter(JSON.parse(String(text))),
    worst: {
      lists: (size) => `{"a":{"$in":[${Array.from({ length: Math.min(60_000, size / 6) }, (_, at) => at)}]}}`,
      parts: (size) => `{"$and":[${Array(Math.ceil(size / 10)).fill('{"a":1}')}]}`,
    },
    size: 64_000,
  },
  types: {
    parse: (text) => parseSqlType(String(text)),
    worst: {
      fields: (size) =>
        `STRUCT(${Array.from({ length: Math.ceil(size / 12) }, (_, at) => `f${at} INTEGER`)})`,
      lists: of("[]", "INTEGER"),
      structs: of("STRUCT(a "),
      names: (size) => `STRUCT("${'""'.repeat(size / 2)}" INTEGER)`,
      blanks: of(" ", "INTEGER"),
      texts: (size) => `ENUM(${Array.from({ length: Math.ceil(size / 8) }, (_, at) => `'v${at}'`)})`,
    },
  },
  "heads of CSV": {
    parse: (input) => csvHead(input),
    worst: {
      "line feeds": of("\n", "a\n"),
      "carriage returns": of("\r", "a\r"),
      delimiters: of(",", "a\n"),
      quotes: of('"', "a\n"),
      "short rows": of("1;2\n", "a;b\n"),
      "line feeds first": of("\n"),
      "delimiters of all kinds": of(",;|\t", "a\n"),
      "rows of all kinds": of("1,2\n1;2\n1|2\n1\t2\n"),
      "quotes in all kinds": of("\"a\";'b'|\"c\",'d'\t", "a\n"),
      "open quotes": of('"a\n', "a;b\n"),
    },
    size: 200_000,
  },
  "comments of CSV": {
    parse: (input) => csvHead(input, { comment: "#" }),
    worst: { "above the table": of("#\n"), "below its names": of("#\n", "a\n") },
    size: 200_000,
  },
  "rows of CSV": {
    parse: (input) => parseRow(Buffer.from(input as string), 0, true, marks),
    worst: { escapes: of('\\"', '"'), quotes: of('""', '"'), delimiters: of(","), lines: of("\n", '"') },
    size: 300_000,
  },
  "the scan of CSV": {
    parse: (input) =>
      createCsvScan(marksOf({ delimiter: ",", quote: '"' }), 1).push(Buffer.from(input as string)),
    worst: { lines: of("\n"), quotes: of('"a"\n'), delimiters: of(","), pairs: of("\r\n") },
    size: 300_000,
  },
  "lines of JSON": {
    parse: (text) => addValue(emptyShape(), parseJson(String(text))),
    worst: {
      quotes: of('\\"', '{"a":"', '"}'),
      backslashes: of("\\\\", '{"a":"', '"}'),
      "open text": of("\\", '{"a":"'),
      blanks: of(" ", '{"a":', "1}"),
      numbers: (size) => `{"a":[${Array(Math.ceil(size / 2)).fill(1)}]}`,
      digits: of("9", '{"a":', "}"),
      exponent: of("9", '{"a":1e', "}"),
      keys: (size) => `{${Array.from({ length: Math.ceil(size / 10) }, (_, at) => `"k${at}":1`)}}`,
    },
  },
  "bodies of JSON": {
    parse: (text) => parseSent(String(text)),
    worst: {
      numbers: (size) => `[${Array(Math.ceil(size / 20)).fill("9007199254740993.5")}]`,
      "tiny numbers": of("e-", '["', '"]'),
      digits: of("1", "[", "]"),
      texts: of('"e-400",', "[", '""]'),
    },
  },
  "lists of JSON": {
    parse: (text) => parseRows(String(text)),
    worst: { rows: (size) => `[${Array(Math.ceil(size / 8)).fill("[1,2]")}]`, digits: of("1", "[[", "]]") },
  },
  forms: {
    parse: async (body) => {
      for await (const file of formFiles(chunks(body), "multipart/form-data; boundary=B"))
        await drain(file.chunks);
    },
    worst: {
      "line ends": of("\r", '--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n', "\r\n--B--"),
      "beginnings of boundaries": of(
        "\r\n--",
        '--B\r\nContent-Disposition: form-data; name="file"\r\n\r\n',
        "\r\n--B--",
      ),
      header: of("; ", "--B\r\nContent-Disposition: form-data", "\r\n\r\n"),
      headers: of("A: b\r\n", "--B\r\n", "\r\n"),
      fields: of('--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n', "", "--B--"),
      "empty parts": of("--B\r\n\r\n", "", "--B--"),
    },
  },
  "types that are asked for": {
    parse: (types) => readingOf({ types: String(types) }),
    worst: {
      blanks: of(" ", "a"),
      words: of("a "),
      colons: of(":"),
      quotes: of('"'),
      columns: of("a:INTEGER,"),
    },
    size: 60_000,
  },
  reasons: {
    parse: (text) => whyText([{ text: String(text), line: 1 }]),
    worst: {
      blanks: of(" ", "a", "b"),
      "blanks between": of("a "),
      thousands: of(",000", "1", "x"),
      digits: of("0", "", "x"),
      dots: of("1.", "", "x"),
    },
  },
  "near names": {
    parse: (name) => suggestionsFor(String(name), Array(1000).fill(`${name}`.slice(0, 300))),
    worst: { letters: of("ab") },
    size: 16_000,
  },
  "words of questions": { parse: (text) => matchExpression(String(text)), worst: { words: of("a b ") } },
  claims: {
    parse: (text) => claimsOf(String(text)),
    worst: {
      digits: of("1"),
      commas: of("1,"),
      words: of("a: "),
      blanks: of(" ", "a", "b"),
      bars: of("|"),
      lines: of("\n"),
      stars: of("*"),
      ticks: of("`"),
      brackets: of("["),
    },
  },
  "forms of outputs": {
    parse: (output) => formRules({ task: "answer in JSON", output: String(output), evidence: [] }),
    worst: {
      lines: of("\n"),
      "an open fence": of("\n", "```"),
      "open fences": of("```\n\n"),
      brackets: of("[insert "),
      braces: of("{{"),
      commas: of(", ", "", "x"),
      words: of("json "),
    },
  },
  "spans in protobuf": {
    parse: (bytes) => decodeMessage(bytes as Buffer, requests.traces),
    worst: {
      "empty messages": (size) => Buffer.alloc(size, Buffer.from([0x0a, 0])),
      bytes: (size) => Buffer.alloc(size, 8),
      "open numbers": (size) => Buffer.alloc(size, 0xff),
      "messages in each other": (size) => nestedMessages(size / 4, 1),
    },
  },
  "logs in protobuf": {
    parse: (bytes) => readLogs(decodeMessage(bytes as Buffer, requests.logs), 1e9, 0),
    worst: {
      "empty messages": (size) => Buffer.alloc(size, Buffer.from([0x0a, 0])),
      "messages in each other": (size) => nestedMessages(size / 4, 2),
    },
  },
  "spans in JSON": {
    parse: (text) =>
      readSpans(parseSent(String(text)) as Record<string, unknown>, 1e9).spans.map(operationOf),
    worst: {
      spans: (size) => spansOf(manyOf(size, `${span}}`)),
      attributes: (size) =>
        spansOf(`${span},"attributes":[${manyOf(size, '{"key":"a","value":{"stringValue":"b"}}')}]}`),
      events: (size) => spansOf(`${span},"events":[${manyOf(size, '{"name":"exception"}')}]}`),
      groups: (size) => `{"resourceSpans":[${manyOf(size, '{"scopeSpans":[{}]}')}]}`,
      "lists in each other": (size) =>
        spansOf(
          `${span},"attributes":[{"key":"a","value":${'{"arrayValue":{"values":['.repeat(size / 40)}${"]}}".repeat(size / 40)}}]}`,
        ),
      digits: (size) => spansOf(`${span},"kind":"${"1".repeat(size)}"}`),
    },
  },
  "logs in JSON": {
    parse: (text) => readLogs(parseSent(String(text)) as Record<string, unknown>, 1e9, 0),
    worst: {
      records: (size) =>
        `{"resourceLogs":[{"scopeLogs":[{"logRecords":[${manyOf(size, '{"severityNumber":17}')}]}]}]}`,
      severities: (size) =>
        `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":"SEVERITY_NUMBER_${"A".repeat(size)}-"}]}]}]}`,
    },
  },
  "schemas of Parquet": {
    parse: async (file) => {
      const path = join(directory.path, "a.parquet");
      await Bun.write(path, file);
      await readSchema(path);
    },
    worst: {
      columns: (size) => footerOf(Buffer.alloc(size, Buffer.from([0x48, 1, 97, 0]))),
      "groups in each other": (size) => footerOf(Buffer.alloc(size, Buffer.from([0x48, 1, 97, 0x15, 2, 0]))),
      structs: (size) => footerOf(Buffer.alloc(size, 0x1c)),
      "an open number": (size) => footerOf(Buffer.alloc(size, 0xff).fill(0x16, 0, 1)),
    },
  },
  "segments of vectors": {
    parse: (bytes) => decodeSegment(sourceOf("a", new Uint8Array(bytes as Buffer))),
    worst: {
      "empty batches": (size) => segmentOf(size, 32, {}),
      "batches of a row": (size) => segmentOf(size, 150, { upserts: ["a"] }),
      "batches of a delete": (size) => segmentOf(size, 80, { deletes: ["a"] }),
      rows: (size) => segmentOf(1, 1, { upserts: Array(Math.ceil(size / 9)).fill("a") }),
      deletes: (size) => segmentOf(1, 1, { deletes: Array(Math.ceil(size / 5)).fill("a") }),
      zeros: (size) => Buffer.alloc(size),
    },
  },
  "trees of statements": {
    parse: (text) => checkTree(JSON.parse(String(text))),
    worst: {
      tables: (size) => JSON.stringify(query([], Array(Math.ceil(size / 100)).fill(table("t")) as never)),
      names: (size) =>
        JSON.stringify(
          query(
            Array.from({ length: size / 100 }, (_, at) => ({ key: `t${at}`, value: table(`t${at - 1}`) })),
            {},
          ),
        ),
      "names in each other": (size) => {
        let inner: object = Array(Math.ceil(size / 200)).fill(table("outermost"));
        for (let level = 0; level < 200; level++)
          inner = query([{ key: `t${level}`, value: table("t") }], inner);
        return JSON.stringify(inner);
      },
      "schemas' names": (size) =>
        JSON.stringify(
          Array(Math.ceil(size / 100)).fill({ ...table("t"), schema_name: "main", query_location: 1 }),
        ),
    },
    size: 1_000_000,
  },
  "plans that are bound": {
    parse: (text) =>
      checkBound(
        {
          verdict: {
            statement: { body: "SELECT 1" },
            parameters: [],
            tables: new Map(),
            bound: new Set(),
            listing: false,
          } as never,
          used: new Map(),
          parameters: new Map(),
          views: [],
          mark: "m",
        },
        { execute: async () => {}, rows: async () => [[String(text)]] as never },
      ),
    worst: {
      reads: (size) => `{"plans":[${manyOf(size, '{"type":"LOGICAL_GET","name":"range"}')}]}`,
      types: (size) => `{"plans":[${manyOf(size, '{"id":"LIST","type_info":null}')}]}`,
      "types in each other": (size) =>
        `{"plans":${'{"id":"LIST","type_info":'.repeat(size / 100)}1${"}".repeat(size / 100)}}`,
    },
    size: 1_000_000,
  },
  "names in statements": {
    parse: (sql) => {
      const text = String(sql);
      withoutSchemas(
        text,
        Array.from({ length: text.length / 7 }, (_, at) => at * 7),
      );
      withoutShowAll(`${text} SHOW ALL TABLES`, 1);
    },
    worst: { schemas: of("main.t,") },
  },
  "values of parameters": {
    parse: (sql) =>
      withValues(
        String(sql),
        Array(String(sql).length / 2).fill("1"),
        new Map([["1", { type: "null", value: null }]]),
      ),
    worst: { parameters: of("?,") },
  },
  "structures and patterns": {
    parse: (text) => [nestsTooDeep(String(text)), asksForGiant(String(text))],
    worst: {
      "an open text": of('\\"', '"'),
      "open texts": of('"\\'),
      brackets: of("[]"),
      percents: of("%a"),
      "open braces": of("1111a", "{"),
      backslashes: of("\\", '"'),
    },
  },
  "Arrow streams": {
    parse: (bytes) => checkArrowStream(bytes as Buffer),
    worst: {
      "empty messages": (size) => Buffer.alloc(size, Buffer.from([255, 255, 255, 255, 8, 0, 0, 0])),
      zeros: (size) => Buffer.alloc(size),
    },
  },
  "event streams": {
    parse: (text) => drain(eventsOf(chunks(text))),
    worst: {
      "one line": of("data"),
      colons: of(":", "data"),
      data: of("data: a\n"),
      lines: of("\n"),
      pairs: of("\r\n"),
    },
    size: 2_000_000,
  },
  XML: {
    parse: (xml) => elements(String(xml), "Key"),
    worst: {
      openings: of("<Key>"),
      "open tags": of("<Key "),
      closings: of("</Key>"),
      pairs: of("<Key>a</Key>"),
    },
  },
  settings: {
    parse: (text) => parseToml(String(text), "a.toml"),
    worst: {
      keys: (size) => Array.from({ length: Math.ceil(size / 8) }, (_, at) => `k${at} = 1`).join("\n"),
      comments: of("#\n"),
      lists: (size) => `a = [${Array(Math.ceil(size / 2)).fill(1)}]`,
    },
  },
  headers: {
    parse: (header) => {
      const value = String(header);
      parseRange(value);
      chooseEncoding(value);
      forwardedFor(value, addressList([]));
      readVerdict(new Headers({ "if-none-match": value.trim() || "x" }), "e");
      return chooseFormat(value, list);
    },
    worst: {
      blanks: of(" ", "bytes=", "x"),
      commas: of(","),
      entries: of("gzip;q=0.1, "),
      tags: of('"a", '),
      digits: of("1", "bytes="),
    },
  },
  "page tokens": {
    parse: (token) => readPageToken(String(token), /^(\S+) (\d{1,15}) (\d{1,15}) (\S+) (.*)$/s),
    worst: { letters: of("a"), brackets: of(Buffer.from("[[[").toString("base64url")) },
  },
  addresses: {
    parse: (path) => isAsSent(`http://localhost/${path}`),
    worst: { segments: of("a/"), slashes: of("/"), dots: of("/."), escapes: of("%41"), broken: of("%") },
  },
};

/** Below this nothing can be told: the system counts hundredths of a second. */
const leastMs = 20;
const costOf = async (tracked: () => unknown): Promise<number> => {
  const costs: number[] = [];
  for (let round = 0; round < 3; round++)
    costs.push(
      await processorMs(async () => {
        try {
          await tracked();
        } catch {
          // A refusal costs, too.
        }
      }),
    );
  return Math.min(...costs);
};

const rows = Object.entries(parsers).flatMap(([name, { parse, worst, size = 200_000 }]) =>
  Object.entries(worst).map(([what, make]) => ({ name, what, parse, make, size })),
);

test.each(rows)("$name: $what", async ({ parse, make, size }) => {
  const [few, many] = [make(size / 8), make(size)];
  await costOf(() => parse(few));
  const less = await costOf(() => parse(few));
  expect(await costOf(() => parse(many))).toBeLessThan(24 * Math.max(leastMs, less));
});
