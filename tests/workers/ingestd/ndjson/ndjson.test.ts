import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { JsonError, parseJson } from "../../../../workers/ingestd/ndjson/json-value.ts";
import { isExactDouble } from "../../../../workers/ingestd/ndjson/shape.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

let made = 0;
async function outcome(lines: string[], query = "") {
  const { status, answer, error } = await stack.ingest(
    `j${made++}`,
    `${lines.join("\n")}\n`,
    `&format=ndjson${query}`,
  );
  expect(`${status} ${error.message}`).toBe("200 ");
  return {
    types: stack.types(answer.manifest),
    cells: await stack.cells(answer.manifest),
    warnings: answer.warnings,
  };
}

/** An object that has two of itself, one level less deep. */
const doubling = (levels: number): string =>
  levels === 0 ? "1" : `{"a":${doubling(levels - 1)},"b":${doubling(levels - 1)}}`;

interface Taken {
  types: Record<string, string>;
  cells: (string | null)[][];
  warnings?: string[];
}

const taken: [name: string, lines: string[], expected: Taken][] = [
  [
    "integers beyond 2^53 stay exact",
    ['{"a":9007199254740993}', '{"a":-9223372036854775808}'],
    { types: { a: "BIGINT" }, cells: [["9007199254740993"], ["-9223372036854775808"]] },
  ],
  [
    "integers beyond 64 bits are text",
    ['{"a":18446744073709551616}'],
    {
      types: { a: "VARCHAR" },
      cells: [["18446744073709551616"]],
      warnings: ["'a' stays text: a number in it fits neither 64 bits nor a double exactly"],
    },
  ],
  [
    "numbers are numbers: 1.10 is 1.1 and 1e5 is 100000",
    ['{"a":1.10}', '{"a":1e5}', '{"a":7}'],
    { types: { a: "DOUBLE" }, cells: [["1.1"], ["100000.0"], ["7.0"]] },
  ],
  [
    "a number that no double holds is text",
    ['{"a":0.1234567890123456789}', '{"a":1}'],
    {
      types: { a: "VARCHAR" },
      cells: [["0.1234567890123456789"], ["1"]],
      warnings: ["'a' stays text: a number in it fits neither 64 bits nor a double exactly"],
    },
  ],
  ["minus zero is a double", ['{"a":-0}', '{"a":1}'], { types: { a: "DOUBLE" }, cells: [["-0.0"], ["1.0"]] }],
  [
    "strings of digits stay text",
    ['{"a":"02134","b":"5"}'],
    { types: { a: "VARCHAR", b: "VARCHAR" }, cells: [["02134", "5"]] },
  ],
  [
    "strings that are dates become dates",
    ['{"a":"2024-02-29","b":"2024-01-01 10:00:00"}'],
    { types: { a: "DATE", b: "TIMESTAMP" }, cells: [["2024-02-29", "2024-01-01 10:00:00"]] },
  ],
  [
    "booleans",
    ['{"a":true}', '{"a":false}', '{"a":null}'],
    { types: { a: "BOOLEAN" }, cells: [["true"], ["false"], [null]] },
  ],
  [
    "keys that differ by row, and null, are NULL",
    ['{"a":1}', '{"b":"x","a":null}', "{}"],
    {
      types: { a: "BIGINT", b: "VARCHAR" },
      cells: [
        ["1", null],
        [null, "x"],
        [null, null],
      ],
    },
  ],
  ["only null is text", ['{"a":null}'], { types: { a: "VARCHAR" }, cells: [[null]] }],
  [
    "objects become structs",
    ['{"a":{"x":1,"y":{"z":"q"}}}', '{"a":{"y":null,"w":1.5}}'],
    {
      types: { a: "STRUCT(x BIGINT, y STRUCT(z VARCHAR), w DOUBLE)" },
      cells: [["{'x': 1, 'y': {'z': q}, 'w': NULL}"], ["{'x': NULL, 'y': NULL, 'w': 1.5}"]],
    },
  ],
  [
    "arrays become lists",
    ['{"a":[1,2]}', '{"a":[]}', '{"a":[null,3]}'],
    { types: { a: "BIGINT[]" }, cells: [["[1, 2]"], ["[]"], ["[NULL, 3]"]] },
  ],
  ["an empty array alone is a list of text", ['{"a":[]}'], { types: { a: "VARCHAR[]" }, cells: [["[]"]] }],
  [
    "mixed kinds stay JSON text",
    ['{"a":1}', '{"a":"1"}', '{"a":[1]}'],
    {
      types: { a: "VARCHAR" },
      cells: [["1"], ['"1"'], ["[1]"]],
      warnings: ["'a' stays JSON text: its values have no type in common"],
    },
  ],
  [
    "mixed kinds deep inside make the column JSON text",
    ['{"a":{"x":1}}', '{"a":{"x":"1"}}'],
    {
      types: { a: "VARCHAR" },
      cells: [['{"x":1}'], ['{"x":"1"}']],
      warnings: ["'a' stays JSON text: its values have no type in common"],
    },
  ],
  [
    "an object without keys is JSON text",
    ['{"a":{}}'],
    {
      types: { a: "VARCHAR" },
      cells: [["{}"]],
      warnings: ["'a' stays JSON text: its values have no type in common"],
    },
  ],
  [
    "an object of more values than a file may have columns stays JSON text, and those beside it are typed",
    [`{"a":${doubling(13)},"b":${doubling(2)}}`],
    {
      types: { a: "VARCHAR", b: "STRUCT(a STRUCT(a BIGINT, b BIGINT), b STRUCT(a BIGINT, b BIGINT))" },
      cells: [[doubling(13), "{'a': {'a': 1, 'b': 1}, 'b': {'a': 1, 'b': 1}}"]],
      warnings: ["'a' stays JSON text: a type of 8192 values a row is larger than one may be"],
    },
  ],
  [
    "a type of more characters than a manifest takes, too",
    [`{"a":{${Array.from({ length: 1000 }, (_, at) => `"${"x".repeat(70)}${at}":1`).join(",")}}}`],
    {
      types: { a: "VARCHAR" },
      cells: [[`{${Array.from({ length: 1000 }, (_, at) => `"${"x".repeat(70)}${at}":1`).join(",")}}`]],
      warnings: ["'a' stays JSON text: a type of 1000 values a row is larger than one may be"],
    },
  ],
  [
    "a letter that SQL does not fold is one of its own",
    ['{"k":1,"\u212a":2,"É":3,"é":4}', '{"a":{"k":1,"\u212a":2}}'],
    {
      types: {
        k: "BIGINT",
        "\u212a": "BIGINT",
        É: "BIGINT",
        é: "BIGINT",
        a: 'STRUCT(k BIGINT, "\u212a" BIGINT)',
      },
      cells: [
        ["1", "2", "3", "4", null],
        [null, null, null, null, "{'k': 1, '\u212a': 2}"],
      ],
      warnings: [],
    },
  ],
  [
    "keys that differ by case are two columns",
    ['{"a":1,"A":2}'],
    {
      types: { a: "BIGINT", A_2: "BIGINT" },
      cells: [["1", "2"]],
      warnings: ["column 2 repeats the name 'A': it is called 'A_2'"],
    },
  ],
  [
    "escapes, other scripts and line ends in strings",
    ['{"k\\u00e9y":"a\\nb \\"q\\" \\ud83d\\ude00 李"}'],
    { types: { kéy: "VARCHAR" }, cells: [['a\nb "q" 😀 李']] },
  ],
  [
    "blank lines and CRLF",
    ['{"a":1}\r', "", " \r", '{"a":2}'],
    { types: { a: "BIGINT" }, cells: [["1"], ["2"]], warnings: ["2 blank lines were skipped"] },
  ],
  [
    "scalars of several kinds are the text of each, as it is written",
    ['{"t":"Up"}', '{"t":300}', '{"t":1.50}', '{"t":true}', '{"t":null}', '{"t":"say \\"x\\""}', '{"t":-0}'],
    {
      types: { t: "VARCHAR" },
      cells: [["Up"], ["300"], ["1.50"], ["true"], [null], ['say "x"'], ["-0"]],
      warnings: ["'t' is text: its values are of several kinds, as numbers beside texts"],
    },
  ],
  [
    "an object beside scalars makes JSON text of all, in which a string has its quotes",
    ['{"t":"x"}', '{"t":1}', '{"t":{"a":[1,"b"]}}'],
    {
      types: { t: "VARCHAR" },
      cells: [['"x"'], ["1"], ['{"a":[1,"b"]}']],
      warnings: ["'t' stays JSON text: its values have no type in common"],
    },
  ],
  [
    "scalars of several kinds inside a list make JSON text of it",
    ['{"t":["x",1.50]}'],
    {
      types: { t: "VARCHAR" },
      cells: [['["x",1.50]']],
      warnings: ["'t' stays JSON text: its values have no type in common"],
    },
  ],
];

describe("NDJSON", () => {
  test.each(taken)("%s", async (_, lines, expected) => {
    expect(await outcome(lines)).toEqual({ warnings: [], ...expected });
  });

  test("what only late lines show is taken into account", async () => {
    const early = Array.from({ length: 1500 }, (_, index) => `{"a":${index},"b":"x"}`);
    const { types, cells } = await outcome([...early, '{"a":"seven","c":[1]}']);
    expect(types).toEqual({ a: "VARCHAR", b: "VARCHAR", c: "BIGINT[]" });
    expect([cells[0], cells.at(-1)]).toEqual([
      ["0", "x", null],
      ["seven", null, "[1]"],
    ]);
  });

  test("is recognised by its content and by its name", async () => {
    const sniffed = await stack.ingest("sniffed", '{"a":1}\n{"a":2}\n');
    expect(stack.types(sniffed.answer.manifest)).toEqual({ a: "BIGINT" });
    const form = new FormData();
    form.append("file", new Blob(['  {"a":1}\n']), "x.jsonl");
    expect((await stack.ingest("named", form as unknown as BodyInit)).status).toBe(200);
  });

  test("bad lines are set aside with their line numbers", async () => {
    const { answer } = await stack.ingest("bad", '{"a":1}\nnope\n{"a":2}\n[3]\n', "&on_error=reject");
    expect([answer.rows_in, answer.rows_loaded, answer.rows_rejected]).toEqual([4, 2, 2]);
    const rows = await stack.cells(await stack.catalogd.manifest({ name: "bad__rejects" }));
    expect(rows.map(([line, byte, , , text]) => [line, byte, text])).toEqual([
      ["2", "8", "nope"],
      ["4", "21", "[3]"],
    ]);
  });

  test("a later file keeps the registered columns: their order, the ones it lacks, wider numbers", async () => {
    await stack.ingest("kept", '{"id":1,"rate":1.5,"tags":["x"]}\n');
    const later = await stack.ingest("kept", '{"rate":2,"id":7}\n');
    expect(`${later.status} ${later.error.message}`).toBe("200 ");
    expect(stack.types(later.answer.manifest)).toEqual({ id: "BIGINT", rate: "DOUBLE", tags: "VARCHAR[]" });
    expect(await stack.cells(later.answer.manifest)).toEqual([["7", "2.0", null]]);
    const more = await stack.ingest("kept", '{"id":1,"colour":"red"}\n');
    expect([more.status, more.error.type]).toEqual([409, "schema_drift"]);
    expect(more.error.message).toContain("added: colour");
  });

  test("a type asked for is checked value by value", async () => {
    const { types, cells } = await outcome(['{"zip":"02134","n":5}'], "&types=zip:INTEGER,n:VARCHAR");
    expect({ types, cells }).toEqual({ types: { zip: "INTEGER", n: "VARCHAR" }, cells: [["2134", "5"]] });
  });
});

describe("a content type that is given", () => {
  const arrays = "[1,2]\n[3,4]\n";
  const objects = '{"a":1}\n';
  /** Content type, text, and what comes of it: the columns, or a part of the error. */
  const typed: readonly (readonly [string, string, string[] | string])[] = [
    ["application/x-ndjson", arrays, "expected the end: one JSON document"],
    ["application/x-ndjson; charset=utf-8", "a,b\n1,2\n", "not valid JSON"],
    ["Application/JSONL", objects, ["a"]],
    ["application/json", '[{"a":1}]', ["a"]],
    ["text/csv", objects, ['{"a":1}']],
    ["text/csv", arrays, ["[1", "2]"]],
    ["application/vnd.apache.parquet", objects, "the file is not Parquet"],
    ["application/octet-stream", objects, ["a"]],
    ["application/x-www-form-urlencoded", arrays, ["[1", "2]"]],
  ];
  for (const [type, text, expected] of typed)
    test(`${type} decides of ${JSON.stringify(text)}`, async () => {
      const sent = await stack.ingest(`typed_${made++}`, text, "", { "content-type": type });
      const form = new FormData();
      form.append("file", new File([text], "x", { type }));
      const inForm = await stack.ingest(`typed_${made++}`, form as unknown as BodyInit);
      for (const { status, answer, error } of [sent, inForm]) {
        if (typeof expected === "string")
          expect([status, error.message]).toEqual([422, expect.stringContaining(expected)]);
        else expect([status, Object.keys(stack.types(answer.manifest))]).toEqual([200, expected]);
      }
      const looked = await stack.post("/ingest/preview", text, { "content-type": type });
      expect(looked.status).toBe(sent.status);
    });

  test("a parameter decides before it, and it before the name", async () => {
    const csv = { "content-type": "text/csv" };
    const asked = await stack.ingest("asked", objects, "&format=ndjson", csv);
    expect(stack.types(asked.answer.manifest)).toEqual({ a: "BIGINT" });
    const form = new FormData();
    form.append("file", new File(["a\n1\n"], "x.ndjson", { type: "text/csv" }));
    expect((await stack.ingest("named_csv", form as unknown as BodyInit)).status).toBe(200);
  });
});

describe("nesting", () => {
  const lists = (levels: number) => `{"v":${"[".repeat(levels)}1${"]".repeat(levels)}}\n`;
  const objects = (levels: number) => `{"v":${'{"a":'.repeat(levels)}1${"}".repeat(levels)}}\n`;

  test("is taken as deep as types go", async () => {
    for (const text of [lists(16), objects(16)]) {
      const { status, error } = await stack.ingest("deepest", text);
      expect(`${status} ${error.message}`).toBe("200 ");
      await stack.catalogd.drop({ name: "deepest" });
    }
  });

  test("beyond is refused with the depth and the limit", async () => {
    for (const make of [lists, objects])
      for (const levels of [17, 60, 99])
        for (const { status, error } of [
          await stack.ingest("deeper", make(levels)),
          await stack.post("/ingest/preview", make(levels)),
        ])
          expect([status, error.message]).toEqual([
            422,
            expect.stringContaining(`nests ${levels} levels deep; types nest at most 16 levels`),
          ]);
  });

  test("of JSON text is no nesting of a type", async () => {
    const { types } = await outcome([lists(60).trim(), '{"v":"x"}']);
    expect(types).toEqual({ v: "VARCHAR" });
  });
});

describe("a value that does not fit the registered type", () => {
  const registered = '{"n":1,"d":1.5,"b":true,"day":"2024-01-31","s":{"x":1,"l":["a"]},"t":"x"}\n';
  /** A line, and the column it is rejected for; undefined when it is loaded. */
  const lines: readonly (readonly [string, string?])[] = [
    ['{"n":2,"d":2,"b":false,"day":"2024-02-29","s":{"x":2},"t":300}'],
    ['{"n":"two"}', "n"],
    ['{"n":1.5}', "n"],
    ['{"n":9223372036854775808}', "n"],
    ['{"d":1.10}'],
    ['{"d":0.1234567890123456789}', "d"],
    ['{"b":1}', "b"],
    ['{"day":"soon"}', "day"],
    ['{"s":{"x":"1"}}', "s"],
    ['{"s":{"y":1}}', "s"],
    ['{"s":[]}', "s"],
    ['{"s":{"l":["b",null]}}'],
    ['{"t":true}'],
  ];

  test("is a reject where rejects are asked for, and a 409 where not", async () => {
    await stack.ingest("fit", registered);
    const body = lines.map(([line]) => `${line}\n`).join("");
    const strict = await stack.ingest("fit", body, "&mode=append");
    expect([strict.status, strict.error.type]).toEqual([409, "schema_drift"]);
    const { status, answer, error } = await stack.ingest("fit", body, "&mode=append&on_error=reject");
    expect(`${status} ${error.message}`).toBe("200 ");
    const rejects = await stack.cells(await stack.catalogd.manifest({ name: "fit__rejects" }));
    const expected = lines.flatMap(([text, column], at) => (column ? [[String(at + 1), column, text]] : []));
    expect(rejects.map(([line, , column, , text]) => [line ?? "", column ?? "", text ?? ""])).toEqual(
      expected,
    );
    expect(new Set(rejects.map(([, , column, reason]) => `${column}: ${reason}`))).toContain(
      "n: not a value of the registered type BIGINT",
    );
    expect(answer.rows_loaded).toBe(lines.length - expected.length);
    const cells = (await stack.cells(answer.manifest)).slice(1);
    expect(cells).toEqual([
      ["2", "2.0", "false", "2024-02-29", "{'x': 2, 'l': NULL}", "300"],
      [null, "1.1", null, null, null, null],
      [null, null, null, null, "{'x': NULL, 'l': [b, NULL]}", null],
      [null, null, null, null, null, "true"],
    ]);
  });
});

describe("the JSON reader", () => {
  test("takes and refuses what JSON.parse does, but for what would lose data", () => {
    const random = seeded(5);
    const pieces = [
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"b"',
      '"\\n"',
      '"\\x"',
      "1",
      "-1.5e3",
      "01",
      "true",
      "null",
      " ",
      '"',
      "\\",
      "\t",
    ];
    for (let round = 0; round < 5000; round++) {
      const text = Array.from(
        { length: 1 + Math.floor(random() * 9) },
        () => pieces[Math.floor(random() * pieces.length)],
      ).join("");
      let ours: string | undefined;
      try {
        ours = parseJson(text).kind;
      } catch (error) {
        if (!(error instanceof JsonError)) throw error;
        if (error.message.includes("occurs twice")) continue;
      }
      let theirs: unknown;
      let taken_ = true;
      try {
        theirs = JSON.parse(text);
      } catch {
        taken_ = false;
      }
      expect(ours !== undefined, `${text} ${JSON.stringify(theirs)}`).toBe(taken_);
    }
  });

  test("knows which numbers a double holds", () => {
    const exact = [
      "0",
      "-0",
      "0.1",
      "1.10",
      "1e5",
      "1E+2",
      "123456789012345680",
      "9007199254740992",
      "5e-324",
      "1.7976931348623157e308",
    ];
    const lossy = ["9007199254740993", "0.1234567890123456789", "1e400", "1e-400", "123456789012345678"];
    expect(exact.filter((text) => !isExactDouble(text))).toEqual([]);
    expect(lossy.filter(isExactDouble)).toEqual([]);
  });
});
