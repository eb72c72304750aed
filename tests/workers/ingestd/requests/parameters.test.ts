/**
 * Parameters of reading, each with values that no one means, all against all: an answer or a refusal that names the
 * parameters, never a failure of ours. More of it: LAKEHOUSE_FUZZ_COUNT=6000 (all pairs) LAKEHOUSE_FUZZ_SEED=1
 * bun test --timeout 3600000 tests/workers/ingestd/requests/parameters.test.ts
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

const marks = [
  "",
  ",",
  ";",
  "\t",
  " ",
  "|",
  '"',
  "'",
  "\\",
  "#",
  "N",
  "1",
  "\n",
  "\r",
  "\0",
  "é",
  "☃",
  "%",
  "-",
];
const values: Record<string, string[]> = {
  format: ["csv", "ndjson", "parquet", "xml"],
  delimiter: [...marks, ",,", "space", "tab", "\\t", "||", "☃☃"],
  quote: [...marks, '""'],
  escape: marks,
  comment: marks,
  skip: ["0", "1", "3", "99", "10001", "-1", "x", ""],
  header: ["true", "false", "maybe"],
  encoding: ["utf-8", "utf-16", "latin-1", "windows-1252", "ebcdic"],
  null: ["", "NA", "NA,NULL", "N;A", '"', " ", "\n", "\0", "é", "'", "\\N", "#N/A", "x".repeat(65), "1"],
  types: [
    ...[
      "",
      "id:BIGINT",
      "ID:varchar",
      "id:DECIMAL(10,2)",
      "id:TIMESTAMPTZ",
      "id:DATE,id:DATE",
      "nope:DATE",
      "id",
    ],
    ...[
      '{"id":"BIGINT"}',
      '{"id":1}',
      "{",
      "{}",
      '{"id":"__proto__"}',
      "__proto__:DATE",
      "id:constructor",
      "':DATE",
    ],
  ],
  date_format: ["%d/%m/%Y", "%Y", "%", "%Q", "%d/%m/%Y'", "%H", "\0", "%Y-%m-%d%%"],
  timestamp_format: ["%d/%m/%Y %H:%M", "%Y-%m-%dT%H:%M:%S%z", "%z", "%Z", "%I %p %d %b %y", "'"],
  infer: ["exact", "values", "magic"],
  on_error: ["reject", "fail"],
  max_rejects: ["0", "5", "-1"],
};
const files = [
  "id,name\n1,Ann\n2,Bob\n",
  'id;d;t\n1;31/01/2024;"x;""y"\n2;NA;\\N\n',
  "# note\nid\n1\n\n-0\n",
  '{"id":1,"name":"Ann"}\n{"id":2}\n',
  "",
  "\ufeffid\tname\r\n1\t'a\tb'\r\n",
];

const given = Object.entries(values).flatMap(([name, texts]) => texts.map((text) => ({ name, text })));
const pairs = given.flatMap((one, index) => given.slice(index).map((other) => [one, other] as const));
const random = seeded(Number(Bun.env.LAKEHOUSE_FUZZ_SEED ?? 13));
const count = Number(Bun.env.LAKEHOUSE_FUZZ_COUNT ?? 240);

/** Parameters that a message may name when one of these was refused: the file's own dialect takes part. */
const named = (message: string, names: readonly string[]) => names.some((name) => message.includes(name));

test(`${Math.min(count, pairs.length)} pairs of parameters`, async () => {
  const chosen =
    count >= pairs.length
      ? pairs
      : Array.from({ length: count }, () => pairs[Math.floor(random() * pairs.length)]);
  let refused = 0;
  for (const [index, pair] of chosen.entries()) {
    const [one, other] = pair as (typeof pairs)[number];
    const parameters = one === other ? [one] : [one, other];
    const query = parameters.map(({ name, text }) => `&${name}=${encodeURIComponent(text)}`).join("");
    const body = files[index % files.length] ?? "";
    const previewed = parameters.every(({ name }) => name !== "on_error" && name !== "max_rejects");
    const ways = [
      `/ingest?name=p${index}${query}`,
      ...(previewed ? [`/ingest/preview?${query.slice(1)}`] : []),
    ];
    for (const path of ways) {
      const { status, error } = await stack.post(path, body);
      const shown = `${path} of ${JSON.stringify(body)}: ${status} ${error.message}`;
      expect([200, 400, 409, 415, 422], shown).toContain(status);
      if (status === 400)
        expect(
          named(
            error.message,
            parameters.map(({ name }) => name),
          ),
          shown,
        ).toBe(true);
      if (status === 400) refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(count / 10);
});

const pointed: [query: string, body: string, contains: string[]][] = [
  ["null=NA,NULL", "a,b\n1,2\n", ["null", "delimiter ','", "found in the file", "null=NA&null=NULL"]],
  ["null=a;b", "a;b\n1;2\n", ["null", "delimiter ';'", "found in the file"]],
  ["quote=,", "a,b\n1,2\n", ["quote", "delimiter", "found in the file"]],
  ["escape=,", "a,b\n1,2\n", ["escape", "delimiter", "found in the file"]],
  ["comment=;", "a;b\n1;2\n", ["comment", "delimiter", "found in the file"]],
  ["delimiter=%22", "a,b\n1,2\n", ["delimiter", "quote", "the default"]],
  ["comment=%22", "a,b\n1,2\n", ["comment", "quote", "the default"]],
  ["quote=&escape=%5C", "a,b\n1,2\n", ["escape", "quote"]],
  ["skip=9", "a,b\n1,2\n", ["skip", "the file has 2 lines"]],
  ["types=B:DATE,b:DATE", "a,b\n1,2\n", ["types", "twice"]],
  ["types=nam:DATE", "id,name\n1,2\n", ["types", "'nam'", "did you mean 'name'?"]],
  ["date_format=%25Y", "a,b\n1,2\n", ["date_format", "year, month and day"]],
  ["date_format=%25d/%25m/%25Q", "a,b\n1,2\n", ["date_format", "%Q"]],
  ["timestamp_format=%25d/%25m/%25Y", "a,b\n1,2\n", ["timestamp_format", "hour"]],
  ["delimiter=,&null=x", '{"a":1}\n', ["delimiter, null", "ndjson"]],
];

test.each(pointed)(
  "%s of %j is refused with the parameters and what is expected",
  async (query, body, contains) => {
    const ingested = await stack.post(`/ingest?name=pointed&${query}`, body);
    const previewed = await stack.post(`/ingest/preview?${query}`, body);
    for (const { status, error } of [ingested, previewed]) {
      expect([status, error.type]).toEqual([400, "invalid_field"]);
      for (const part of contains) expect(error.message).toContain(part);
    }
  },
);
