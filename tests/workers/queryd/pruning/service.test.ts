/** Pruning in the service: only objects that may hold a row are looked for, and the answers are the same. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

let stack: QuerydStack;
let located: string[] = [];
const objectsCount = 12;

beforeAll(async () => {
  stack = await startQuerydStack({
    // Such small datasets are tables at their second use.
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
});
afterAll(() => stack.stop());

/** Each test has a dataset of its own: what was looked for once is not looked for again. */
let name = "";
let made = 0;
beforeEach(async () => {
  name = `many_${made++}`;
  const objects = [];
  let columns: { name: string; type: string; nullable: boolean }[] = [];
  for (let at = 0; at < objectsCount; at++) {
    const part = `${name}_${at}`;
    const from = `SELECT ${at * 10} + i AS id, 'name ' || i AS name FROM range(10) AS r(i)`;
    const {
      objects: [object],
      columns: found,
    } = await stack.dataset(part, `SELECT id::BIGINT AS id, name FROM (${from})`);
    if (!object) throw new Error("a dataset has an object");
    columns = found.map((column) => ({ name: column.name, type: column.type, nullable: true }));
    const statistics = [
      { column: "id", field_id: 1, null_count: 0, min: `${at * 10}`, max: `${at * 10 + 9}` },
      { column: "name", field_id: 2, null_count: 0, min: "name 0", max: "name 9" },
    ];
    const { schema_id: _, ...plain } = object;
    objects.push({ ...plain, statistics });
    await stack.catalogd.peer.verbs.drop({ name: part });
  }
  await stack.catalogd.peer.verbs.register({ name, columns, objects });
  located = [];
});

const rows = (text: string, params?: unknown) => stack.rows(text.replaceAll("many", name), params);

test("a point query looks for one object, and for none that no row can be in", async () => {
  expect(await rows("SELECT * FROM many WHERE id = 57")).toEqual([{ id: 57, name: "name 7" }]);
  expect(located).toHaveLength(1);
  expect(await rows("SELECT * FROM many AS m WHERE m.id = $1", [58])).toEqual([{ id: 58, name: "name 8" }]);
  expect(located).toHaveLength(1);
  expect(await rows("SELECT count(*) AS n, max(name) AS name FROM many WHERE id > 1000")).toEqual([
    { n: 0, name: null },
  ]);
  expect(located).toHaveLength(1);
  expect(await rows("SELECT count(*) AS n FROM many WHERE id BETWEEN 5 AND 24")).toEqual([{ n: 20 }]);
  expect(located).toHaveLength(4);
  expect(await rows("SELECT count(*) AS n FROM many")).toEqual([{ n: 120 }]);
  expect(new Set(located).size).toBe(objectsCount);
  expect(located).toHaveLength(objectsCount);
});

test("a statement that reads it in several places gets the objects of all of them", async () => {
  expect(
    await rows(
      "SELECT a.id, b.id AS other FROM many AS a JOIN many AS b ON a.id = b.id - 50 WHERE a.id = 3 AND b.id = 53",
    ),
  ).toEqual([{ id: 3, other: 53 }]);
  expect(located).toHaveLength(2);
  expect(await rows("SELECT (SELECT count(*) FROM many) AS n FROM many WHERE id = 3")).toEqual([{ n: 120 }]);
  expect(located).toHaveLength(objectsCount);
});

test("after its columns have changed each object is asked by its own", async () => {
  await stack.catalogd.peer.verbs.evolve({
    name,
    rename: [{ name: "id", to: "number" }],
    add: [{ name: "id", type: "BIGINT" }],
  });
  expect(await rows("SELECT number, id FROM many WHERE number = 57")).toEqual([{ number: 57, id: null }]);
  expect(located).toHaveLength(1);
  expect(await rows("SELECT number FROM many WHERE id = 57")).toEqual([]);
  expect(located).toHaveLength(1);
  expect(await rows("SELECT count(*) AS n FROM many WHERE id IS NULL")).toEqual([{ n: 120 }]);
  expect(await rows(`SELECT id FROM "many@1" WHERE id = 57`)).toEqual([{ id: 57 }]);
});

test("an object that is gone is the business of those who ask for its rows", async () => {
  const { objects } = await stack.catalogd.peer.verbs.manifest({ name });
  await stack.storaged.peer.verbs.erase({ key: objects[3]?.key ?? "" });
  expect(await rows("SELECT id FROM many WHERE id = 57")).toEqual([{ id: 57 }]);
  await expect(rows("SELECT id FROM many WHERE id = 33")).rejects.toThrow("it is missing");
  await expect(rows("SELECT id FROM many")).rejects.toThrow("it is missing");
  expect(await rows("SELECT id FROM many WHERE id = 57")).toEqual([{ id: 57 }]);
});

test("what is asked for in every format and by EXPLAIN is the same", async () => {
  for (const accept of ["text/csv", "application/x-ndjson"]) {
    const answer = await stack.sql({ sql: `SELECT id FROM ${name} WHERE id = 57` }, { accept });
    expect(await answer.text()).toContain("57");
  }
  const [plan] = await rows("EXPLAIN SELECT id FROM many WHERE id = 57");
  expect(JSON.stringify(plan)).toContain("READ_PARQUET");
  expect(located).toHaveLength(1);
});
