/** A corpus build's database: words, generations, what a crash leaves, damage; and filters held against vectord's. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { matches, parseFilter } from "../../../../runtime/filter/filter.ts";
import {
  checkDatabase,
  createDatabase,
  guarded,
  openDatabase,
  readState,
} from "../../../../workers/matrixd/lexicon/database.ts";
import {
  lexicalRows,
  matchExpression,
  numbersOfIds,
  readRows,
} from "../../../../workers/matrixd/lexicon/read.ts";
import * as write from "../../../../workers/matrixd/lexicon/write.ts";
import { seeded } from "../../../support/campaigns/seeded.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { startVectordStack, type VectordStack } from "../../../support/stacks/vectord.ts";

const home = temporaryDirectory("lexicon");
afterAll(home.remove);

const spec = { name: "c", dataset: "d", id_column: "id", text_columns: ["text"], metadata_columns: ["m"] };
const shape = { idColumn: "id", texts: 1, metadata: ["m"], metadataBytesMax: 1000 };
let files = 0;
const fresh = () => {
  const file = join(home.path, `${++files}.sqlite`);
  return { file, database: createDatabase(file, { spec, generation: 0, rows: 0, last: 0, index: "i" }) };
};
type Row = { i: string | null; t0: string | null; m0?: unknown };
const lines = (rows: Row[]) =>
  new TextEncoder().encode(rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
type Database = ReturnType<typeof openDatabase>;

/** What a refresh does, without vectors. */
function refreshed(database: Database, rows: Row[]) {
  write.begin(database);
  const staged = write.stage(database, lines(rows), shape);
  const removed = write.removeUnseen(database);
  const state = write.finish(database, { spec, index: "i", model: "local", dimension: 3 });
  return { ...staged, removed, state };
}
const ids = (database: Database, generation: number, text: string) => {
  const numbers = lexicalRows(database, { generation, text, k: 100 }).map(({ number }) => number);
  return readRows(database, { generation, numbers, text: false })
    .map(({ id }) => id)
    .sort();
};

describe("words", () => {
  const expressions: [name: string, text: string, expression: string | undefined][] = [
    ["alternatives", "forklift operator", '"forklift" OR "operator"'],
    ["parts of a code", "OSHA-10", '"osha" OR "10"'],
    ["operators are words", "a AND b NOT c NEAR(d)", '"a" OR "and" OR "b" OR "not" OR "c" OR "near" OR "d"'],
    ["quotes, stars, columns, braces", '"x" y* text:z {w} ^v', '"x" OR "y" OR "text" OR "z" OR "w" OR "v"'],
    ["once each", "b a B", '"b" OR "a"'],
    ["letters of any script", "Łódź größe 東京", '"łódź" OR "größe" OR "東京"'],
    ["a zero byte", "a\0b", '"a" OR "b"'],
    ["nothing but signs", ' "-*():^ ', undefined],
    ["nothing", "", undefined],
  ];
  for (const [name, text, expression] of expressions)
    test(name, () => expect(matchExpression(text)).toBe(expression));

  test("a query of thousands of words is answered", () => {
    const { database } = fresh();
    refreshed(database, [{ i: "1", t0: "w5 w6" }]);
    const text = Array.from({ length: 5000 }, (_, at) => `w${at}`).join(" ");
    expect(ids(database, 1, text)).toEqual(["1"]);
  });

  test("stems and accents are folded; rarer words weigh more; larger scores are better", () => {
    const { database } = fresh();
    refreshed(database, [
      { i: "1", t0: "Café manager" },
      { i: "2", t0: "managing welders" },
      { i: "3", t0: "a manager's manager" },
      { i: "4", t0: "nurse" },
    ]);
    expect(ids(database, 1, "cafe")).toEqual(["1"]);
    expect(ids(database, 1, "welder")).toEqual(["2"]);
    const hits = lexicalRows(database, { generation: 1, text: "manager welder", k: 10 });
    expect(hits.map(({ number }) => number)[0]).toBe(2);
    expect(hits.every(({ score }, at) => score > 0 && score <= (hits[at - 1]?.score ?? 99))).toBe(true);
  });

  test("a share says how much of what could be found a row has, whatever the others have", () => {
    const { database } = fresh();
    refreshed(database, [
      { i: "1", t0: "welder" },
      { i: "2", t0: "welder nurse" },
      ...Array.from({ length: 20 }, (_, at) => ({ i: `x${at}`, t0: `clerk ${at}` })),
    ]);
    const shares = (text: string) =>
      lexicalRows(database, { generation: 1, text, k: 10 }).map(({ share }) => share);
    const [both = 0, one = 1] = shares("welder nurse");
    expect(both).toBeGreaterThan(0.4);
    expect(one).toBeLessThan(both);
    // A word that no row has is one that this row lacks: the best that was found is not a good one.
    const [poor = 1] = shares("welder astronaut physicist");
    expect(poor).toBeGreaterThan(0);
    expect(poor).toBeLessThan(0.3);
    expect(shares("astronaut")).toEqual([]);
    for (const share of [...shares("clerk"), both, one, poor]) expect(share).toBeLessThanOrEqual(1);
  });

  test("only the rows asked for, and those that match the filter", () => {
    const { database } = fresh();
    refreshed(
      database,
      Array.from({ length: 50 }, (_, at) => ({ i: `${at}`, t0: "same words", m0: at })),
    );
    const ask = (more: object) =>
      lexicalRows(database, { generation: 1, text: "words", k: 5, ...more }).map(({ number }) => number);
    expect(ask({ among: [3, 40, 41] })).toEqual([3, 40, 41]);
    expect(ask({ among: [] })).toEqual([]);
    expect(ask({ condition: parseFilter({ m: { gte: 47 } }) })).toEqual([48, 49, 50]);
    expect(ask({ condition: parseFilter({ m: { lt: 10 } }), among: [9, 10, 11, 12] })).toEqual([9, 10]);
    expect(ask({})).toHaveLength(5);
  });
});

describe("generations", () => {
  const before = [
    { i: "a", t0: "alpha one" },
    { i: "b", t0: "beta one" },
    { i: "c", t0: "gamma one" },
  ];
  const after = [
    { i: "a", t0: "alpha one" },
    { i: "b", t0: "beta two" },
    { i: "d", t0: "delta two" },
  ];

  test("a refresh counts what changed, and each generation sees its own rows", () => {
    const { database } = fresh();
    expect(refreshed(database, before)).toMatchObject({ rows: 3, unchanged: 0, removed: 0 });
    const second = refreshed(database, after);
    expect(second).toMatchObject({ rows: 3, unchanged: 1, removed: 1 });
    expect(second.state).toMatchObject({ generation: 2, rows: 3 });
    expect(ids(database, 1, "one two")).toEqual(["a", "b", "c"]);
    expect(ids(database, 2, "one two")).toEqual(["a", "b", "d"]);
    expect(numbersOfIds(database, { generation: 1, ids: ["b", "c", "d"] })).toEqual([2, 3, undefined]);
    expect(numbersOfIds(database, { generation: 2, ids: ["b", "c", "d"] })).toEqual([4, undefined, 5]);
  });

  test("however many dead rows are in the way, all live ones are found", () => {
    const { database } = fresh();
    const rows = (mark: string) =>
      Array.from({ length: 200 }, (_, at) => ({ i: `${at}`, t0: `same ${mark}` }));
    refreshed(database, rows("first"));
    refreshed(database, rows("second"));
    const hits = (k: number) => lexicalRows(database, { generation: 2, text: "same", k });
    expect(hits(150)).toHaveLength(150);
    expect(hits(1000)).toHaveLength(200);
    expect(hits(1000).every(({ number }) => number > 200)).toBe(true);
  });

  test("rows of generations nobody reads go, and their vectors are named for deletion", () => {
    const { database } = fresh();
    refreshed(database, before);
    refreshed(database, after);
    expect(write.purge(database, 1)).toBe(0);
    expect(ids(database, 1, "one")).toEqual(["a", "b", "c"]);
    expect(write.purge(database, 2)).toBe(2);
    expect(write.orphans(database)).toEqual([2, 3]);
    write.forgetOrphans(database, [2, 3]);
    expect(write.orphans(database)).toEqual([]);
    expect(ids(database, 2, "one two")).toEqual(["a", "b", "d"]);
  });

  test("what is not finished is not seen, is taken back, and its numbers are not given again", () => {
    const { file, database } = fresh();
    refreshed(database, before);
    write.begin(database);
    write.stage(database, lines(after), shape);
    write.removeUnseen(database);
    expect(ids(database, 1, "one two")).toEqual(["a", "b", "c"]);
    expect(write.pending(database, { after: 0, rowsMax: 10, bytesMax: 10 ** 6 })).toMatchObject([
      { number: 4, id: "b", text: "beta two" },
      { number: 5, id: "d" },
    ]);
    expect(write.pending(database, { after: 4, rowsMax: 10, bytesMax: 1 })).toMatchObject([{ number: 5 }]);
    database.close();
    const again = openDatabase(file);
    write.undo(again);
    expect(readState(again)).toMatchObject({ generation: 1, rows: 3 });
    expect(ids(again, 1, "one two")).toEqual(["a", "b", "c"]);
    expect(write.orphans(again)).toEqual([4, 5]);
    refreshed(again, after);
    expect(numbersOfIds(again, { generation: 2, ids: ["a", "b", "d"] })).toEqual([1, 6, 7]);
  });

  test("a reader that stopped in the middle sees the next swap", () => {
    const { file, database } = fresh();
    refreshed(database, before);
    const reader = openDatabase(file);
    expect(lexicalRows(reader, { generation: 1, text: "one", k: 1 })).toHaveLength(1);
    refreshed(database, after);
    expect(ids(reader, 2, "two")).toEqual(["b", "d"]);
  });
});

describe("rows that cannot be taken", () => {
  const rows: [name: string, rows: Row[], told: string][] = [
    ["NULL", [{ i: null, t0: "x" }], "NULL in the id column 'id'"],
    ["an empty id", [{ i: "", t0: "x" }], "an empty text in the id column"],
    ["a long id", [{ i: "x".repeat(513), t0: "x" }], "513 characters; at most 512"],
    [
      "an id twice",
      [
        { i: "7", t0: "x" },
        { i: "8", t0: "x" },
        { i: "7", t0: "y" },
      ],
      "the id '7' comes twice",
    ],
    [
      "a row twice",
      [
        { i: "7", t0: "x" },
        { i: "7", t0: "x" },
      ],
      "the id '7' comes twice",
    ],
    ["large metadata", [{ i: "9", t0: "x", m0: "y".repeat(2000) }], "the metadata of row '9' has 2008 bytes"],
  ];
  for (const [name, bad, told] of rows)
    test(name, () => {
      const { database } = fresh();
      refreshed(database, [
        { i: "7", t0: "x" },
        { i: "8", t0: "x" },
      ]);
      write.begin(database);
      expect(() => write.stage(database, lines(bad), shape)).toThrow(told);
    });

  test("a row without text is kept, and found by its id alone", () => {
    const { database } = fresh();
    const { withoutText, state } = refreshed(database, [
      { i: "1", t0: "  " },
      { i: "2", t0: null },
    ]);
    expect([withoutText, state.rows]).toEqual([2, 2]);
    expect(numbersOfIds(database, { generation: 1, ids: ["1", "2"] })).toEqual([1, 2]);
  });
});

describe("other processes", () => {
  /** Opens the file as versions before did, its log's index mapped, and writes; then goes on with `after`. */
  const plainly = (file: string, after: string) => {
    const code = `
      const { Database } = require("bun:sqlite");
      const database = new Database(${JSON.stringify(file)});
      database.run("PRAGMA journal_mode = WAL");
      database.run("INSERT INTO meta VALUES ('before', 'kept')");
      console.log("open");
      ${after}`;
    return Bun.spawn([process.execPath, "-e", code], { stdin: "pipe", stdout: "pipe" });
  };

  test("what a killed one of a version before left is taken over", async () => {
    const { file, database } = fresh();
    database.close();
    await plainly(file, 'process.kill(process.pid, "SIGKILL")').exited;
    expect(existsSync(`${file}-shm`)).toBe(true);
    const opened = openDatabase(file);
    expect(opened.query("SELECT value FROM meta WHERE key = 'before'").get()).toEqual({ value: "kept" });
    expect(existsSync(`${file}-shm`)).toBe(false);
    opened.close();
  });

  test("one that has the file open is named as the reason, and is no damage", async () => {
    const { file, database } = fresh();
    database.close();
    const other = plainly(file, 'process.stdin.once("end", () => database.close()).resume()');
    await other.stdout.getReader().read();
    const refused = expect.objectContaining({ type: "unavailable", message: expect.stringContaining(file) });
    expect(() => openDatabase(file)).toThrow(refused);
    await other.stdin.end();
    await other.exited;
    openDatabase(file).close();
  });
});

describe("damage", () => {
  const filled = () => {
    const { file, database } = fresh();
    refreshed(
      database,
      Array.from({ length: 300 }, (_, at) => ({ i: `id-${at}`, t0: `unmistakable words ${at}` })),
    );
    database.run("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
    return file;
  };
  const overwrite = (file: string, at: number, bytes: Uint8Array) => {
    const handle = openSync(file, "r+");
    writeSync(handle, bytes, 0, bytes.length, at);
  };

  test("a changed letter of a row is found when the row is read", () => {
    const file = filled();
    // Pages keep pieces of rows that have moved: all of them are changed.
    const text = readFileSync(file).toString("latin1");
    for (const { index } of text.matchAll(/unmistakable words 123/g))
      overwrite(file, index, Buffer.from("U"));
    const database = openDatabase(file);
    const read = (numbers: number[]) => readRows(database, { generation: 1, numbers, text: true });
    expect(read([123])).toHaveLength(1);
    expect(() => read([124])).toThrow("row 124 is not what was written");
  });

  test("pages of zeros are found by a look through the file", () => {
    const file = filled();
    overwrite(file, 4096 * 6, new Uint8Array(4096 * 4));
    expect(() => checkDatabase(openDatabase(file))).toThrow("damaged");
  });

  test("a file of another kind, one cut short, one that is missing", () => {
    const other = filled();
    overwrite(other, 0, Buffer.from("no database at all"));
    expect(() => openDatabase(other)).toThrow("damaged");
    expect(() => openDatabase(join(home.path, "missing.sqlite"))).toThrow("damaged");
    const empty = join(home.path, "empty.sqlite");
    openSync(empty, "w");
    expect(() => openDatabase(empty)).toThrow("rebuild it");
  });

  test("a newer format is told from damage", () => {
    const file = filled();
    const database = openDatabase(file);
    database.run("PRAGMA user_version = 2");
    database.close();
    expect(() => openDatabase(file)).toThrow("written in format 2");
  });

  test("a state with another checksum", () => {
    const file = filled();
    const database = openDatabase(file);
    database.run("UPDATE meta SET value = replace(value, '\"rows\":300', '\"rows\":301')");
    expect(() => guarded(() => readState(database))).toThrow("the checksum of its state does not fit");
  });
});

describe("filters mean what they mean in vectord", () => {
  let stack: VectordStack;
  const random = seeded(7);
  const below = (bound: number) => Math.floor(random() * bound);
  const pick = <T>(of: readonly T[]): T => of[below(of.length)] as T;
  const scalars = [
    "IL",
    "TX",
    "Il",
    "",
    "10",
    10,
    20,
    20.5,
    -1,
    0,
    true,
    false,
    null,
    "\uffff",
    "😀",
    "2024-05-01",
    "2024-04-30T23:30:00-01:00",
  ];
  const value = (depth: number): unknown => {
    const kind = below(depth > 0 ? 9 : 5);
    if (kind < 5) return pick(scalars);
    if (kind < 7) return Array.from({ length: below(4) }, () => value(depth - 1));
    return kind === 7
      ? { lat: pick(scalars), lon: pick(scalars) }
      : { x: value(depth - 1), y: pick(scalars) };
  };
  const fields = ["a", "b", "c.x", "c", "a.x", "c.y", "none"];
  const metadata = () =>
    Object.fromEntries(fields.filter(() => random() < 0.6).map((field) => [field, value(2)]));
  const items = Array.from({ length: 150 }, (_, at) => ({
    id: String(at),
    vector: [1, at],
    metadata: metadata(),
  }));

  const operand = (operator: string): unknown => {
    if (operator === "in" || operator === "nin") return Array.from({ length: below(4) }, () => pick(scalars));
    if (operator === "exists") return random() < 0.5;
    if (operator === "contains" || operator === "prefix") return pick(["I", "0", "20", "😀"]);
    if (operator === "since" || operator === "before") return pick(["2024-05-01", "2024-05-01T00:15:00Z"]);
    if (operator === "near") return { lat: pick([0, 10]), lon: pick([0, 20]), radius_m: pick([0, 2e6, 3e7]) };
    return pick(scalars);
  };
  const rangeOf = () => {
    const ends: readonly unknown[] = pick<unknown[]>([
      scalars.filter((one) => typeof one === "number"),
      ["IL", "10", "\uffff", "😀", ""],
    ]);
    return {
      [pick(["gt", "gte"])]: pick(ends),
      ...(random() < 0.5 && { [pick(["lt", "lte"])]: pick(ends) }),
    };
  };
  const filter = (depth: number): Record<string, unknown> => {
    const kind = below(depth > 0 ? 9 : 6);
    if (kind === 6) return { and: [filter(depth - 1), filter(depth - 1)] };
    if (kind === 7) return { or: [filter(depth - 1), filter(depth - 1)] };
    if (kind === 8) return { not: filter(depth - 1) };
    if (kind < 2) return { [pick(fields)]: pick(scalars) };
    if (kind < 4) return { [pick(fields)]: rangeOf() };
    const operator = pick([
      "eq",
      "ne",
      "in",
      "nin",
      "exists",
      "contains",
      "prefix",
      "since",
      "before",
      "near",
    ]);
    return { [pick(fields)]: { [operator]: operand(operator) } };
  };
  const found = async (asked: unknown) => {
    const { status, body } = await stack.post("/index/f/items/scroll", { filter: asked, page_size: 1000 });
    if (status === 200) return body.items.map(({ id }: { id: string }) => Number(id));
    return body.error.message as string;
  };
  const foundHere = (asked: unknown) => {
    const condition = parseFilter(asked);
    if (!condition) return items.map((_, at) => at);
    return items.flatMap((item, at) => (matches(condition, item.metadata) ? [at] : []));
  };

  beforeAll(async () => {
    stack = await startVectordStack();
    await stack.post("/index", { name: "f", dimension: 2, type: "flat", metric: "l2" });
    const { status } = await stack.post("/index/f/add", { items });
    expect(status).toBe(200);
  });
  afterAll(() => stack.stop());

  test("a thousand random filters", async () => {
    let some = 0;
    for (let round = 0; round < 1000; round++) {
      const asked = filter(3);
      const here = foundHere(asked);
      expect({ asked, rows: here }).toEqual({ asked, rows: await found(asked) });
      if (here.length > 0 && here.length < items.length) some += 1;
    }
    expect(some).toBeGreaterThan(400);
  });

  const refused: [name: string, filter: unknown][] = [
    ["an unknown operator", { a: { like: "x" } }],
    ["an operator with a dollar sign", { $and: [{ a: 1 }] }],
    ["an empty and", { and: [] }],
    ["an or that is no list", { or: { a: 1 } }],
    ["no operators", { a: {} }],
    ["a list for a value", { a: [1, 2] }],
    ["an in without a list", { a: { in: 1 } }],
    ["an object in an in", { a: { in: [{}] } }],
    ["a range of both sorts", { a: { gt: 1, lt: "x" } }],
    ["a range of truths", { a: { gt: true } }],
    ["two lower ends", { a: { gt: 1, gte: 2 } }],
    ["exists that is no truth", { a: { exists: 1 } }],
    ["contains nothing", { a: { contains: "" } }],
    ["a prefix of nothing", { a: { prefix: "" } }],
    ["a moment that there is not", { a: { since: "2024-02-30" } }],
    ["a circle without a middle", { a: { near: { radius_m: 5 } } }],
    ["an empty name", { "": 1 }],
    ["a not of a list", { not: [{ a: 1 }] }],
    ["an empty part", { and: [{}] }],
    ["an empty not", { not: {} }],
    ["too deep", Array.from({ length: 20 }).reduce((inner) => ({ not: inner }), { a: 1 })],
    ["too many fields", Object.fromEntries(Array.from({ length: 33 }, (_, at) => [`f${at}`, 1]))],
    ["too many conditions", { or: Array.from({ length: 1100 }, (_, at) => ({ a: at })) }],
  ];
  for (const [name, asked] of refused)
    test(`${name} is refused by both`, async () => {
      const there = await found(asked);
      expect(typeof there).toBe("string");
      const place = String(there).split(":")[0] ?? "";
      expect(() => parseFilter(asked)).toThrow(place);
    });
});
