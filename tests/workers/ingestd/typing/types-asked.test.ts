/** Types that were asked for hold as strictly as those that were found; types by value, and what is nearly typed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type IngestStack, startIngestStack } from "../../../support/stacks/ingestd.ts";

let stack: IngestStack;
beforeAll(async () => {
  stack = await startIngestStack();
});
afterAll(() => stack.stop());

let made = 0;
const send = (body: string, parameters: Record<string, string | string[]>) => {
  const query = new URLSearchParams();
  for (const [name, values] of Object.entries(parameters))
    for (const value of [values].flat()) query.append(name, value);
  return stack.ingest(`n${made++}`, body, `&${query}`);
};

/** Each text with the value that it is, or the reason why it is none. */
const strict: [type: string, texts: [text: string, value: string | RegExp][]][] = [
  [
    "BIGINT",
    [
      ["7", "7"],
      ["+7", "7"],
      ["007", "7"],
      ["2.0", "2"],
      ["9223372036854775807", "9223372036854775807"],
      ["2.5", /fraction/],
      ["1e3", /exponent/],
      ["9223372036854775808", /range/],
      ["-0", /minus zero/],
      ["1_000", /BIGINT$/],
      ["0x1F", /BIGINT$/],
      [" 7", /BIGINT/],
      ["x", /BIGINT$/],
    ],
  ],
  [
    "INTEGER",
    [
      ["2147483647", "2147483647"],
      ["2147483648", /range/],
    ],
  ],
  [
    "DECIMAL(10,2)",
    [
      ["1.5", "1.50"],
      ["1.500", "1.50"],
      ["+.5", "0.50"],
      ["1e3", "1000.00"],
      ["1.005", /more digits/],
      ["123456789", /more digits/],
      ["1e-3", /more digits/],
      ["1.0000000000000000e3", /at most 15 characters/],
      ["+12.340000000000e0", "12.34"],
    ],
  ],
  [
    "DOUBLE",
    [
      ["1e400", /no DOUBLE/],
      ["1E3", "1000.0"],
      ["0.10", "0.1"],
      ["-0.0", "-0.0"],
      ["1e-400", /no DOUBLE/],
      ["9007199254740993", /no DOUBLE/],
      ["0.1234567890123456789", /no DOUBLE/],
      ["inf", /DOUBLE$/],
      ["nan", /DOUBLE$/],
    ],
  ],
  [
    "FLOAT",
    [
      ["0.1", "0.1"],
      ["16777217", /no FLOAT/],
    ],
  ],
  [
    "BOOLEAN",
    [
      ["TRUE", "true"],
      ["False", "false"],
      ["yes", /true or false/],
      ["1", /true or false/],
    ],
  ],
  [
    "DATE",
    [
      ["2024-02-29", "2024-02-29"],
      ["2023-02-29", /DATE$/],
      ["2024-01-01 10:00:00", /time would be lost/],
    ],
  ],
  [
    "TIMESTAMP",
    [
      ["2024-05-01T10:00:00", "2024-05-01 10:00:00"],
      ["2024-05-01 10:00", "2024-05-01 10:00:00"],
      ["2024-05-01T10:00:00Z", "2024-05-01 10:00:00"],
      ["2024-05-01T10:00:00.500", "2024-05-01 10:00:00.5"],
      ["2024-05-01T10:00:00+05:00", /an offset has no place in it/],
      ["2024-05-01 24:00:00", /TIMESTAMP/],
      ["2024-05-01 10:00:00.1234567", /TIMESTAMP/],
      ["10:00:00+05:00", /TIMESTAMP/],
    ],
  ],
  [
    "TIMESTAMPTZ",
    [
      ["2024-05-01T10:00:00+05:00", "2024-05-01 05:00:00+00"],
      ["2024-05-01 10:00:00Z", "2024-05-01 10:00:00+00"],
      ["2024-05-01T10:00:00", /expected an offset/],
      ["2024-05-01T10:00:00+25:00", /TIMESTAMP/],
    ],
  ],
  [
    "TIME",
    [
      ["10:00", "10:00:00"],
      ["10:00:00.5", "10:00:00.5"],
      ["10:00:00+05", /TIME/],
    ],
  ],
  [
    "UUID",
    [
      ["01234567-89AB-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcdef"],
      ["0123456789abcdef0123456789abcdef", /UUID/],
    ],
  ],
];

describe("a type that was asked for", () => {
  test.each(strict)("%s", async (type, texts) => {
    const body = `n,v\n${texts.map(([text], index) => `${index},${text}`).join("\n")}\n`;
    const { answer, error } = await send(body, { types: `v:${type}`, on_error: "reject" });
    expect(error.message).toBe("");
    const good = texts.flatMap(([, value], index) =>
      typeof value === "string" ? [[String(index), value]] : [],
    );
    expect(await stack.cells(answer.manifest)).toEqual(good);
    const bad = texts.flatMap(([text, value], index) =>
      typeof value === "string" ? [] : [{ text, value, line: index + 2 }],
    );
    const rejects =
      answer.rejects === undefined
        ? []
        : await stack.cells(await stack.catalogd.manifest({ name: answer.rejects }));
    const names = ["line", "column", "reason", "text"];
    const { columns } =
      answer.rejects === undefined
        ? { columns: [] }
        : await stack.catalogd.manifest({ name: answer.rejects });
    const at = names.map((name) => columns.findIndex((column) => column.name === name));
    expect(rejects.length).toBe(bad.length);
    for (const [index, { text, value, line }] of bad.entries()) {
      const [place, column, reason, row] = at.map((position) => rejects[index]?.[position]);
      expect([place, column, row]).toEqual([String(line), "v", `${line - 2},${text}`]);
      expect(reason).toMatch(value);
    }
  });

  const named: [header: string, types: string][] = [
    ["ID,n", "id:DECIMAL(5,1)"],
    ['"a,b",n', '{"a,b":"DECIMAL(5,1)"}'],
    ['"a:b",n', '"a:b":DECIMAL(5,1)'],
    ['"A"":,{",n', '{"a\\":,{":"decimal(5, 1)"}'],
    ["né,n", '{"né":"NUMERIC(5,1)"}'],
  ];
  test.each(named)("names any column: %s by %s", async (header, types) => {
    const { answer, error } = await send(`${header}\n1,1\n`, { types });
    expect(error.message).toBe("");
    expect(answer.manifest.columns[0]?.type).toBe("DECIMAL(5,1)");
  });

  const formats: [
    parameters: Record<string, string>,
    text: string,
    type: string,
    value: string | undefined,
  ][] = [
    [{ date_format: "%d/%m/%Y" }, "31/12/2024", "DATE", "2024-12-31"],
    [{ date_format: "%d/%m/%Y" }, "1/2/2024", "DATE", "2024-02-01"],
    [{ date_format: "%m/%d/%Y" }, "1/2/2024", "DATE", "2024-01-02"],
    [{ date_format: "%d %b %Y" }, "05 JAN 2024", "DATE", "2024-01-05"],
    [{ date_format: "%d/%m/%Y" }, "30/02/2024", "VARCHAR", "30/02/2024"],
    [{ date_format: "%d/%m/%Y" }, "2024-12-31", "VARCHAR", "2024-12-31"],
    [{ timestamp_format: "%d/%m/%Y %H:%M" }, "31/12/2024 23:59", "TIMESTAMP", "2024-12-31 23:59:00"],
    [
      { timestamp_format: "%d/%b/%Y:%H:%M:%S %z" },
      "01/May/2024:10:00:00 +0500",
      "TIMESTAMP WITH TIME ZONE",
      "2024-05-01 05:00:00+00",
    ],
    [{ timestamp_format: "%d/%b/%Y:%H:%M:%S %z" }, "01/May/2024:10:00:00", "VARCHAR", "01/May/2024:10:00:00"],
    [{ timestamp_format: "%d/%m/%Y %H:%M", types: "v:TIMESTAMP" }, "31/12/2024 24:59", "", undefined],
  ];
  test.each(formats)("by a format: %j reads %s as %s", async (parameters, text, type, value) => {
    const { status, answer, error } = await send(`n,v\n1,${text}\n`, parameters);
    if (value === undefined) {
      expect([status, error.message]).toEqual([422, expect.stringContaining("does not read back by")]);
      return;
    }
    expect(error.message).toBe("");
    expect(answer.manifest.columns[1]?.type).toBe(type);
    expect((await stack.cells(answer.manifest))[0]?.[1]).toBe(value);
  });
});

describe("the shortest form", () => {
  const body = "n,price\n1,10\n2,9.5\n3,100.25\n";
  test("is recorded, and holds for what is appended", async () => {
    const { answer } = await stack.ingest("short", body);
    expect(answer.manifest.columns[1]).toEqual({
      field_id: 2,
      name: "price",
      type: "DECIMAL(18,2)",
      form: "shortest",
      nullable: true,
    });
    const [row] = await stack.query(
      `SELECT max(price)::VARCHAR FROM ${await stack.relation(answer.manifest)}`,
    );
    expect(row).toEqual(["100.25"]);
    const more = await stack.ingest("short", "n,price\n4,7\n5,0.5\n", "&mode=append");
    expect([more.status, more.answer.manifest.row_count, more.answer.manifest.columns[1]?.form]).toEqual([
      200,
      5,
      "shortest",
    ]);
    const fixed = await stack.ingest("short", "n,price\n6,7.10\n7,0.50\n", "&mode=append");
    expect([fixed.status, fixed.error.type]).toEqual([409, "schema_drift"]);
    expect(fixed.error.message).toContain("price (DECIMAL(18,2) shortest → DECIMAL(18,2))");
    const rejected = await stack.ingest("short", "n,price\n6,7.10\n7,5\n", "&mode=append&on_error=reject");
    expect([rejected.answer.rows_loaded, rejected.answer.rows_rejected]).toEqual([1, 1]);
  });

  test("is not mixed with a fixed one that is registered", async () => {
    const { answer } = await stack.ingest("long", "n,price\n1,10.00\n2,9.50\n");
    expect(answer.manifest.columns[1]?.form).toBe("fixed");
    const short = await stack.ingest("long", body, "&mode=append");
    expect(short.error.message).toContain("price (DECIMAL(18,2) → DECIMAL(18,2) shortest)");
  });

  test("is found where it begins beyond the first rows", async () => {
    const rows = Array.from({ length: 5000 }, (_, index) => `${index},${index}`);
    const { answer } = await stack.ingest("late_short", `n,price\n${rows.join("\n")}\n5000,0.125\n`);
    expect(answer.manifest.columns[1]).toMatchObject({ type: "DECIMAL(18,3)", form: "shortest" });
    expect((await stack.cells(answer.manifest)).at(-1)).toEqual(["5000", "0.125"]);
  });
});

describe("a column of text that is nearly typed is told", () => {
  const near: [name: string, values: string[], contains: string[]][] = [
    ["words for NULL", ["10", "NA", "12", "N/A"], ["2 of 4", "BIGINT", "'NA' on line 3", "null=NA&null=N/A"]],
    ["spaces", [" 10", "  9.5", "100.25"], ["2 of 3", "DECIMAL(18,2)", "' 10' on line 2", "infer=values"]],
    ["differing decimals", ["1.10", "1.2", "2.0"], ["2 of 3", "DECIMAL(18,2)", "infer=values"]],
    ["booleans", ["True", "False", "True"], ["BOOLEAN", "'True' on line 2", "infer=values"]],
    ["dates of one order", ["31/12/2024", "01/02/2024"], ["DATE", "date_format=%d/%m/%Y would"]],
    [
      "dates of an order unknown",
      ["01/02/2024", "03/04/2024"],
      ["DATE", "date_format=%d/%m/%Y or date_format=%m/%d/%Y"],
    ],
    ["timestamps with T", ["2024-01-01T10:00:00", "2024-01-01T11:00:00"], ["TIMESTAMP", "infer=values"]],
    [
      "decimal commas",
      ['"1,5"', '"2,25"', "3"],
      ["2 of 3", "DECIMAL(18,2)", "'1,5' on line 2", "decimal=,&infer=values would mend it"],
    ],
    ["one word", ["1", "2", "x"], ["1 of 3", "BIGINT", "'x' on line 4", "types=v:BIGINT&on_error=reject"]],
    ["a word that comes late", [...Array(3000).fill("1"), "x"], ["1 of 3001", "'x' on line 3002"]],
  ];
  test.each(near)("%s", async (_, values, contains) => {
    const body = `n,v\n${values.map((value, index) => `${index},${value}`).join("\n")}\n`;
    const { answer } = await send(body, {});
    expect(answer.manifest.columns[1]?.type).toBe("VARCHAR");
    expect(answer.warnings.length).toBe(1);
    for (const part of contains) expect(answer.warnings[0]).toContain(part);
    const preview = await stack.post("/ingest/preview", body);
    expect(preview.answer.warnings).toEqual(answer.warnings);
  });

  test.each<[query: string, values: string[], type: string, cells: string[]]>([
    ["decimal=,", ["1,5", "2,25", "3"], "DECIMAL(18,2)", ["1.50", "2.25", "3.00"]],
    ["decimal=,", ["1,50", "-2,25"], "DECIMAL(18,2)", ["1.50", "-2.25"]],
    ["decimal=,", ["1.5", "2,5"], "VARCHAR", ["1.5", "2,5"]],
    ["decimal=,&infer=values", ["1.234,5", " 2,25"], "DECIMAL(18,2)", ["1234.50", "2.25"]],
    ["decimal=,&types=v:DOUBLE", ["1,5", "+2,0"], "DOUBLE", ["1.5", "2.0"]],
    ["decimal=.", ["1.5", "2.5"], "DECIMAL(18,1)", ["1.5", "2.5"]],
  ])("a comma before the fraction is taken where it is told: %s, %p", async (query, values, type, cells) => {
    const body = `n;v\n${values.map((value, index) => `${index};${value}`).join("\n")}\n`;
    const { answer, error } = await stack.ingest(
      `comma${Bun.hash(query + values)}`.slice(0, 20),
      body,
      `&${query}`,
    );
    expect(error.message).toBe("");
    expect([
      answer.manifest.columns[1]?.type,
      (await stack.cells(answer.manifest)).map(([, v]) => v),
    ]).toEqual([type, cells]);
  });

  test("and that infer=values does not mend what it has not mended", async () => {
    const body = "n,v\n1,1e400\n2,2\n3,3\n";
    const { answer } = await send(body, { infer: "values" });
    expect(answer.warnings.length).toBe(1);
    expect(answer.warnings[0]).toContain("'1e400' on line 2; types=v:DOUBLE&on_error=reject");
  });

  const quiet: [name: string, values: string[]][] = [
    ["identifiers with leading zeros", ["02134", "10001", "10002"]],
    ["identifiers of 20 digits", ["12345678901234567890", "12345678901234567891"]],
    ["words with a number among them", ["a", "b", "7"]],
    ["words for NULL alone", ["NA", "NA"]],
    ["telephones", ["+1 555 0100", "+1 555 0101"]],
  ];
  test.each(quiet)("and nothing of %s", async (_, values) => {
    const { answer } = await send(
      `n,v\n${values.map((value, index) => `${index},${value}`).join("\n")}\n`,
      {},
    );
    expect(answer.warnings).toEqual([]);
  });

  test("that its lines are those of the file, with blank lines and line ends in fields", async () => {
    const { answer } = await send('n,v,t\n\n1,7,"a\nb"\n2,8,\n3,x,\n', {});
    expect(answer.warnings.join()).toContain("'x' on line 6");
  });

  test("and that the type of a dataset which is there stays", async () => {
    await stack.ingest("stays", "n,v\n1,NA\n2,5\n3,6\n");
    const again = await stack.ingest("stays", "n,v\n1,NA\n2,5\n3,6\n4,7\n", "&null=NA");
    expect(again.answer.manifest.columns[1]?.type).toBe("VARCHAR");
    expect(again.answer.warnings.join()).toContain("its type is registered");
  });
});

describe("infer=values", () => {
  test("reads a whole file by value, and says what it read otherwise than it is written", async () => {
    const body =
      'id,amount,flag,at,name,zip\n1, 10,TRUE,2024-01-01T10:00:00,NA,02134\n2,"1,234.5",False,n/a,Bob,10001\n3,N/A, true,2024-01-02 10:00,Cleo ,10002\n';
    const { answer, error } = await send(body, { infer: "values" });
    expect(error.message).toBe("");
    expect(stack.types(answer.manifest)).toEqual({
      id: "BIGINT",
      amount: "DECIMAL(18,1)",
      flag: "BOOLEAN",
      at: "TIMESTAMP",
      name: "VARCHAR",
      zip: "BIGINT",
    });
    expect(await stack.cells(answer.manifest)).toEqual([
      ["1", "10.0", "true", "2024-01-01 10:00:00", "NA", "2134"],
      ["2", "1234.5", "false", null, "Bob", "10001"],
      ["3", null, "true", "2024-01-02 10:00:00", "Cleo ", "10002"],
    ]);
    const told = answer.warnings.join("\n");
    for (const part of [
      "'amount' was read by value: 1 are NULL: 'N/A'",
      "1 have spaces around them",
      "1 have thousands separators",
      "'at' was read by value: 1 are NULL: 'n/a'",
    ])
      expect(told).toContain(part);
  });

  test("never changes a value: what no type holds stays text as it is written", async () => {
    const { answer } = await send("a,b,c\n1e400,x, 1\n1,2, NA \n", { infer: "values" });
    expect(stack.types(answer.manifest)).toEqual({ a: "VARCHAR", b: "VARCHAR", c: "BIGINT" });
    expect(await stack.cells(answer.manifest)).toEqual([
      ["1e400", "x", "1"],
      ["1", "2", null],
    ]);
  });

  test("looks at all rows, however long a word for NULL hides a type", async () => {
    const { answer } = await send(`n,v\n${"1,NA\n".repeat(5000)}2,1.50\n`, { infer: "values" });
    expect(answer.manifest.columns[1]?.type).toBe("DECIMAL(18,2)");
    expect(answer.warnings.join()).toContain("5000 are NULL: 'NA'");
  });
});

describe("instants", () => {
  test("keep what they are, and it is told where an offset is not kept", async () => {
    const { answer } = await send("n,t\n1,2024-05-01T10:00:00+05:00\n2,2024-05-01T10:00:00Z\n", {});
    expect(answer.manifest.columns[1]?.type).toBe("TIMESTAMP WITH TIME ZONE");
    expect((await stack.cells(answer.manifest)).map(([, t]) => t)).toEqual([
      "2024-05-01 05:00:00+00",
      "2024-05-01 10:00:00+00",
    ]);
    expect(answer.warnings.join()).toContain("offsets");
    const utc = await send("n,t\n1,2024-05-01T10:00:00Z\n2,2024-05-01T10:00:00+00:00\n", {});
    expect(utc.answer.warnings).toEqual([]);
  });

  test("are told also where the first offset comes beyond the first rows", async () => {
    const { answer } = await send(
      `n,t\n${"1,2024-05-01T10:00:00Z\n".repeat(5000)}2,2024-05-01T10:00:00-08:00\n`,
      {},
    );
    expect(answer.warnings.join()).toContain("offsets");
  });
});
