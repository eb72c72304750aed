import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { isExactDouble } from "../../../workers/ingestd/json-shape.ts";
import { JsonError, parseJson } from "../../../workers/ingestd/json-value.ts";
import { type IngestStack, startIngestStack } from "../../support/ingest-stack.ts";
import { seeded } from "../../support/seeded.ts";

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
      ['"seven"', null, "[1]"],
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
