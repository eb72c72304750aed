/** Files of open tables are ruled out by the bounds that their writers gave: those are never opened, and no row is lost. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { boundBytes } from "../../../../workers/catalogd/iceberg/bounds.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";
import { createEngineFiles, type EngineFiles } from "../../../support/tables/engine-files.ts";
import { type AddedFile, inWarehouse, type Tables, tablesOf } from "../../../support/tables/open-tables.ts";

let stack: QuerydStack;
let tables: Tables;
let engine: EngineFiles;
let located: string[] = [];

beforeAll(async () => {
  stack = await startQuerydStack({
    // Such small tables are in memory at their second use.
    queryd: { resident_max_bytes: 0 },
    storaged: (peer) => ({
      ...peer,
      verbs: {
        ...peer.verbs,
        locate: (input, options) => {
          located.push(input.key);
          return peer.verbs.locate(input, options);
        },
      },
    }),
  });
  tables = tablesOf(stack.catalogd.send, stack.storaged.peer.verbs);
  engine = await createEngineFiles(stack.storaged.peer.verbs);
});
afterAll(async () => {
  engine.close();
  await stack.stop();
});

const types: Record<string, string> = { id: "long", name: "string", score: "double", day: "date" };
const names = Object.keys(types);
const schema = {
  type: "struct",
  fields: names.map((name, at) => ({ id: at + 1, name, required: false, type: types[name] })),
};
const ids = `{${names.map((name, at) => `${name}: ${at + 1}`).join(", ")}}`;

/** Values of a file, and what its manifest says of them: columns that it says nothing of are missing. */
interface Given {
  rows: readonly string[];
  bounds?: Record<string, [lower: string | Uint8Array, upper: string | Uint8Array]>;
  nulls?: Record<string, number>;
}

const pairs = <T>(given: Record<string, T>, value: (each: T, name: string) => unknown) =>
  Object.entries(given).map(([name, each]) => ({ key: names.indexOf(name) + 1, value: value(each, name) }));

/** Makes a table of these files; `says` is whether its manifests say anything of columns. */
async function make(name: string, files: readonly Given[], says = true): Promise<string> {
  await tables.ask("POST", "/namespaces", { namespace: ["open"] });
  const made = await tables.ask("POST", "/namespaces/open/tables", { name, schema });
  const { metadata } = made.body;
  const added: AddedFile[] = [];
  for (const [at, { rows, bounds = {}, nulls = {} }] of files.entries()) {
    const select = `SELECT id::BIGINT AS id, name::VARCHAR AS name, score::DOUBLE AS score, day::DATE AS day FROM (VALUES ${rows.join(", ")}) t(${names})`;
    const path = `f${at}.parquet`;
    const { bytes } = await engine.write(`${inWarehouse(metadata.location)}/data/${path}`, select, ids);
    const side = (which: 0 | 1) =>
      pairs(bounds, (pair, column) => {
        const bound = pair[which];
        return typeof bound === "string"
          ? boundBytes(types[column] ?? "", bound, which === 0 ? "lower" : "upper")
          : bound;
      });
    const more = {
      lower_bounds: side(0),
      upper_bounds: side(1),
      null_value_counts: pairs(nulls, (count) => count),
    };
    added.push({ path, rows: rows.length, bytes, ...(says && { more }) });
  }
  const { status, body } = await tables.append(name, metadata, added);
  expect(status).toBe(200);
  return body.metadata.location;
}

/** Ten files of ten ids each, and whole bounds. */
const plain = Array.from(
  { length: 10 },
  (_, at): Given => ({
    rows: Array.from(
      { length: 10 },
      (_, row) => `(${at * 10 + row}, 'n${at}${row}', ${at}, '2024-01-${at + 10}')`,
    ),
    bounds: {
      id: [`${at * 10}`, `${at * 10 + 9}`],
      name: [`n${at}0`, `n${at}9`],
      day: [`2024-01-${at + 10}`, `2024-01-${at + 10}`],
    },
    nulls: { id: 0, name: 0, day: 0 },
  }),
);

test("a file whose bounds rule it out is not looked for, nor are deletes that are of such files alone", async () => {
  const location = await make("many", plain);
  const deletes: AddedFile[] = [];
  for (const at of [3, 5]) {
    const file = `${location}/data/f${at}.parquet`;
    const path = `d${at}.parquet`;
    const select = `SELECT '${file}' AS file_path, 7::BIGINT AS pos`;
    const fields = "{file_path: 2147483546, pos: 2147483545}";
    const { bytes } = await engine.write(`${inWarehouse(location)}/data/${path}`, select, fields);
    const bound = [{ key: 2147483546, value: new TextEncoder().encode(file) }];
    const more = { lower_bounds: bound, upper_bounds: bound };
    deletes.push({ path, rows: 1, bytes, content: 1, more });
  }
  const { body } = await tables.ask("GET", "/namespaces/open/tables/many");
  expect((await tables.append("many", body.metadata, deletes)).status).toBe(200);
  located = [];
  const looked = () =>
    located
      .splice(0)
      .map((key) => key.split("/").at(-1))
      .sort();
  expect(await stack.rows("SELECT id FROM open.many WHERE id = 58")).toEqual([{ id: 58 }]);
  expect(looked()).toEqual(["d5.parquet", "f5.parquet"]);
  expect(await stack.rows("SELECT id FROM open.many WHERE id = 57")).toEqual([]);
  expect(await stack.rows("SELECT count(*) AS n FROM open.many m WHERE m.day < '2024-01-12'")).toEqual([
    { n: 20 },
  ]);
  expect(looked()).toEqual(["f0.parquet", "f1.parquet"]);
  expect(await stack.rows("SELECT id FROM open.many WHERE id > 1000")).toEqual([]);
  expect(await stack.rows("SELECT id FROM open.many WHERE name IS NULL")).toEqual([]);
  expect(looked()).toEqual([]);
  // Of a table of the same name in another schema nothing is asked.
  await stack.dataset("many", "SELECT 1 AS id");
  const both = "SELECT (SELECT count(*) FROM open.many) AS n, id FROM many WHERE id = 1";
  expect(await stack.rows(both)).toEqual([{ n: 98, id: 1 }]);
  expect(looked()).toHaveLength(8 + 1);
});

test("a file that is gone is missed only by those who ask for its rows", async () => {
  const location = await make("gone", plain);
  await stack.storaged.peer.verbs.erase({
    bucket: "warehouse",
    key: `${inWarehouse(location)}/data/f3.parquet`,
  });
  expect(await stack.rows("SELECT id FROM open.gone WHERE id = 58")).toEqual([{ id: 58 }]);
  await expect(stack.rows("SELECT id FROM open.gone WHERE id = 33")).rejects.toThrow("it is missing");
});

test("bounds that are cut, wide, missing or of NaN, and NULLs, lose no row", async () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const long = "x".repeat(40);
  const nan = new Uint8Array(Buffer.from("000000000000f87f", "hex"));
  const odd: Given[] = [
    ...plain,
    // Cut as Iceberg does, the upper one made larger; cut without that; cut within a character.
    {
      rows: [`(200, '${long}a', 1, NULL)`, `(201, '${long}z', 1, NULL)`],
      bounds: { name: [`${long}a`, `${long}z`] },
    },
    { rows: [`(202, 'yy${long}', 1, NULL)`], bounds: { name: [utf8("yy"), utf8("yy")] } },
    { rows: ["(203, 'zé', 1, NULL)"], bounds: { name: [utf8("zé").slice(0, 2), utf8("zé").slice(0, 2)] } },
    // Nothing at all; nothing but NULLs, said and not said; a few of them.
    { rows: ["(204, 'silent', 300, '2030-01-01')", "(NULL, NULL, NULL, NULL)"] },
    {
      rows: ["(205, NULL, NULL, NULL)"],
      nulls: { id: 0, name: 1, score: 1, day: 1 },
      bounds: { id: ["205", "205"] },
    },
    { rows: ["(NULL, NULL, 2, NULL)"] },
    {
      rows: ["(206, 'a', 2, NULL)", "(NULL, 'b', 2, NULL)"],
      nulls: { id: 1 },
      bounds: { id: ["206", "206"] },
    },
    // NaN is in no bound and above all; or it is in one.
    { rows: ["(207, 'f', 1, NULL)", "(208, 'f', 'NaN'::DOUBLE, NULL)"], bounds: { score: ["1.0", "1.0"] } },
    { rows: ["(209, 'f', 'NaN'::DOUBLE, NULL)"], bounds: { score: [nan, nan] }, nulls: { score: 0 } },
    {
      rows: ["(210, 'f', '-0.0'::DOUBLE, NULL)", "(211, 'f', 'inf'::DOUBLE, NULL)"],
      bounds: { score: ["0.0", "0.0"] },
    },
    // One bound alone, and bytes of another type.
    { rows: ["(212, 'g', 9, NULL)"], bounds: { id: ["212", new Uint8Array(3)] } },
    {
      rows: ["(-5, 'g', 9, '0001-01-01')"],
      bounds: { id: [new Uint8Array(), "-5"], day: ["0001-01-01", "0001-01-01"] },
    },
  ];
  await make("said", odd);
  await make("silent", odd, false);
  const wheres = [
    ...["id = 205", "id < 0", "id <= -5", "id >= 212", "id IS NULL", "id IS NOT NULL", "id IN (5, 206, 999)"],
    ...["id > 206", "id BETWEEN 8 AND 11", "id = 212"],
    ...[`name = '${long}a'`, `name = '${long}z'`, `name > '${long}'`, `name >= 'yy'`, `name = 'yy${long}'`],
    ...[
      `name > 'yy'`,
      "name = 'zé'",
      "name > 'zz'",
      "name < 'b'",
      "name IS NULL",
      "name IS NOT NULL",
      "name = 'silent'",
    ],
    ...["score > 1", "score >= 1", "score = 1", "score > 1000", "score < 1", "score = 0", "score IS NULL"],
    ...["score = 'NaN'::DOUBLE", "score >= 'inf'::DOUBLE", "score < 0.5"],
    ...["day < DATE '1000-01-01'", "day = '2030-01-01'", "day > '2024-01-18'", "day IS NULL"],
  ];
  let ruledOut = 0;
  for (const where of wheres) {
    const ask = (table: string) =>
      stack.rows(`SELECT CAST(t AS VARCHAR) AS row FROM open.${table} t WHERE ${where} ORDER BY 1`);
    const wanted = await ask("silent");
    located = [];
    expect([where, await ask("said")]).toEqual([where, wanted]);
    ruledOut += located.length === 0 ? 1 : 0;
  }
  expect(ruledOut).toBeGreaterThan(0);
});
