/** PostgreSQL's protocol against the running product, by an unmodified client: node's `pg`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect } from "node:net";
import pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { describedFirst, takeSocket } from "../../support/clients/pgwire-raw.ts";

const csv = `id,title,price,posted\n${Array.from({ length: 1000 }, (_, id) => `${id},job ${id},${(id * 1.25).toFixed(2)},2024-01-${String(1 + (id % 28)).padStart(2, "0")}`).join("\n")}\n`;

let server: PgwireCase;
let client: pg.Client;
beforeAll(async () => {
  server = await startPgwire();
  await server.register("jobs", csv);
  client = await server.connect();
});
afterAll(() => server?.end());

const rowsOf = async (text: string, values: unknown[] = []) => (await client.query(text, values)).rows;
/** The error of a statement. */
const failureOf = (text: string, values: unknown[] = []): Promise<pg.DatabaseError> =>
  client.query(text, values).then(
    () => Promise.reject(new Error(`${text} did not fail`)),
    (error) => error,
  );

describe("rows", () => {
  test("a statement without parameters", async () => {
    expect(await rowsOf("SELECT count(*) AS n, sum(price) AS total FROM jobs")).toEqual([
      { n: "1000", total: "624375.00" },
    ]);
  });

  const given: [name: string, text: string, values: unknown[], row: unknown[]][] = [
    ["a number beside a number", "SELECT title FROM jobs WHERE id = $1", [7], ["job 7"]],
    ["a text", "SELECT id FROM jobs WHERE title = $1", ["job 9"], ["9"]],
    ["a date", "SELECT $1::date = DATE '2024-02-03'", ["2024-02-03"], [true]],
    ["an array", "SELECT count(*) FROM jobs WHERE id = ANY($1::int[])", [[1, 2, 3000]], ["2"]],
    ["bytes", "SELECT $1::bytea", [Buffer.from([0, 255, 92])], [Buffer.from([0, 255, 92])]],
    ["NULL", "SELECT $1::int IS NULL", [null], [true]],
  ];
  test.each(given)("%s as a parameter", async (_, text, values, row) => {
    const { rows } = await client.query({ text, values, rowMode: "array" });
    expect(rows).toEqual([row]);
  });

  /** Parameters that nothing says the type of, as drivers ask that describe a statement before they give values. */
  const open: [text: string, oids: number[], values: (string | null)[], row: (string | null)[]][] = [
    ["SELECT $1", [25], ["bare"], ["bare"]],
    ["SELECT $1 AS x, id FROM jobs WHERE id = $2", [25, 20], ["a", "7"], ["a", "7"]],
    ["SELECT count(*) FROM jobs WHERE id = ANY($1)", [1016], ["{1,2,3000}"], ["2"]],
    ["SELECT count(*) FROM jobs WHERE title = SOME ( $1 )", [1009], ["{job 1}"], ["1"]],
    ["SELECT count(*) FROM jobs WHERE id <> ALL($1) AND id < $2", [1016, 20], ["{1}", "3"], ["2"]],
    ["SELECT $1 + 1", [20], ["41"], ["42"]],
    ["SELECT $1 || 'x', coalesce($2, $3)", [25, 25, 25], ["a", null, "b"], ["ax", "b"]],
    ["VALUES ($1), ($2)", [25, 25], ["a", "b"], ["a"]],
    ["SELECT [$1]", [25], ["a"], ["{a}"]],
    ["SELECT $1 IS NULL, count($2), max($3)", [25, 25, 25], [null, "b", "c"], ["t", "1", "c"]],
    ["SELECT $1 UNION ALL SELECT $2", [25, 25], ["a", "b"], ["a"]],
    ["WITH x AS (SELECT $1 AS y) SELECT y FROM x", [25], ["a"], ["a"]],
    ["SELECT (TIMESTAMP '2024-01-02' - $1)::text", [1186], ["1 day"], ["2024-01-01 00:00:00"]],
  ];
  test.each(open)("%s is described without types", async (text, oids, values, row) => {
    const socket = takeSocket(await server.connect());
    const found = await describedFirst(socket, text, values);
    expect(found).toEqual({ letters: expect.stringMatching(/^1tTZ2D+CZ$/), oids, row });
  });

  test("a statement without a meaning for any type fails with the reason", async () => {
    const socket = takeSocket(await server.connect());
    const parse = await describedFirst(socket, "SELECT nope, $1 FROM jobs", ["a"]);
    expect(parse.letters).toMatch(/^1EZ/);
  });

  test("a named statement is run again with other parameters", async () => {
    const named = (most: number) =>
      client.query({ name: "few", text: "SELECT id FROM jobs WHERE id < $1", values: [most] });
    expect((await named(3)).rowCount).toBe(3);
    expect((await named(5)).rowCount).toBe(5);
  });
});

describe("what fails says what and where", () => {
  const bad: [text: string, code: string, position: string | undefined][] = [
    ["SELEC 1", "42601", "1"],
    ["SELECT 1; SELEC 2", "42601", "11"],
    ["SELECT * FROM nope", "42P01", "15"],
    ["SELECT 'é', nope FROM jobs", "42703", "13"],
    ["SELECT 'x'::int", "22P02", "11"],
    ["INSERT INTO jobs VALUES (1)", "42501", undefined],
    ["COPY jobs FROM STDIN", "0A000", undefined],
    ["LISTEN x", "42601", "1"],
  ];
  test.each(bad)("%s", async (text, code, position) => {
    const { code: found, position: place } = await failureOf(text);
    expect([found, place]).toEqual([code, position]);
  });

  test("and the connection goes on", async () => {
    await failureOf("SELECT nope", []);
    expect(await rowsOf("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });
});

describe("a session", () => {
  test("transactions have their tags, and one that failed answers nothing until its end", async () => {
    expect((await client.query("BEGIN")).command).toBe("BEGIN");
    await failureOf("SELECT nope");
    expect((await failureOf("SELECT 1")).code).toBe("25P02");
    expect((await client.query("COMMIT")).command).toBe("ROLLBACK");
    expect(await rowsOf("SELECT 1 AS one")).toEqual([{ one: 1 }]);
  });

  test("a cursor's query has parameters, over datasets and over the catalog", async () => {
    const rows = async (query: string, values: unknown[]) => {
      await client.query(`DECLARE some CURSOR FOR ${query}`, values);
      const fetched = await client.query({ text: "FETCH ALL FROM some", rowMode: "array" });
      await client.query("CLOSE some");
      return fetched.rows;
    };
    await client.query("BEGIN");
    expect(
      await rows("SELECT title FROM jobs WHERE id = ANY($1) OR title = $2 ORDER BY id", [[1, 2], "job 5"]),
    ).toEqual([["job 1"], ["job 2"], ["job 5"]]);
    expect(await rows("SELECT relname FROM pg_class WHERE relname = $1", ["jobs"])).toEqual([["jobs"]]);
    await client.query("COMMIT");
    const socket = takeSocket(await server.connect());
    const declare = "DECLARE other CURSOR WITH HOLD FOR SELECT title FROM jobs WHERE id < $1";
    expect(await describedFirst(socket, declare, ["3"])).toMatchObject({ letters: "1tnZ2CZ", oids: [20] });
  });

  test("settings are kept, those without effect are told", async () => {
    await client.query("SET application_name TO 'tests'");
    expect(await rowsOf("SHOW application_name")).toEqual([{ application_name: "tests" }]);
    const told = new Promise<string>((resolve) =>
      client.once("notice", ({ message }) => resolve(message ?? "")),
    );
    await client.query("SET TIME ZONE 'Europe/Berlin'");
    expect(await told).toContain("TimeZone stays UTC");
    expect((await failureOf("SET nonsense = 1")).code).toBe("42704");
  });

  test("a statement is cancelled by its key, and by statement_timeout", async () => {
    const endless =
      "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE hash(a.range + b.range) = 3";
    const running = failureOf(endless);
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number };
    const request = Buffer.alloc(16);
    [16, 80_877_102, processID, secretKey].forEach((value, at) => void request.writeInt32BE(value, at * 4));
    // A cancellation that comes before the statement cancels nothing, so it is sent until it is heard.
    let isOver = false;
    const over = running.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const { host, port } = server.options;
      const socket = connect(port, host, () => socket.end(request));
      await Promise.race([over, new Promise((resolve) => socket.on("close", resolve))]);
      await Bun.sleep(5);
    }
    expect((await running).code).toBe("57014");
    await client.query("SET statement_timeout = '50ms'");
    expect((await failureOf(endless)).code).toBe("57014");
    await client.query("RESET statement_timeout");
  });

  test("a wrong password is refused", async () => {
    const stranger = new pg.Client({ ...server.options, password: "wrong" });
    const failure = await stranger.connect().catch((error) => error);
    expect(failure.code).toBe("28P01");
  });
});
