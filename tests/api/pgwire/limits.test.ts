/** PostgreSQL's protocol within its bounds: many clients, slow ones, silent ones, large results, what no message is, and a stop. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import pg from "pg";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { answersTo, queryMessage, readMessages, takeSocket } from "../../support/clients/pgwire-raw.ts";

const clientsMax = 210;
let server: PgwireCase;
beforeAll(async () => {
  server = await startPgwire({
    LH_PGWIRE_MAX_CONNECTIONS: String(clientsMax),
    LH_PGWIRE_STARTUP_TIMEOUT_MS: "60000",
    LH_PGWIRE_MAX_MESSAGE_BYTES: "100000",
  });
});
afterAll(() => server?.end());

/** Connects without a word, and gives what comes until the end. */
function strange(bytes: Buffer): Promise<string> {
  const { host, port } = server.options;
  return new Promise((resolve) => {
    const socket = connect(port, host, () => socket.write(bytes));
    let text = "";
    socket.on("data", (piece) => {
      text += piece.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(text));
  });
}

test("two hundred clients are answered, and one too many is told so", async () => {
  const clients = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const client = new pg.Client(server.options);
      await client.connect();
      return client;
    }),
  );
  // One after the other: as many processes with DuckDB are no subject of this test.
  const answers: number[] = [];
  for (const [at, client] of clients.entries())
    answers.push((await client.query("SELECT $1::int AS n", [at])).rows[0].n);
  expect(answers).toEqual(clients.map((_, at) => at));
  const more = await Promise.allSettled(
    Array.from({ length: 20 }, async () => {
      const client = new pg.Client(server.options);
      client.on("error", () => undefined);
      await client.connect();
      clients.push(client);
    }),
  );
  const refused = more.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
  expect(refused).toEqual(Array.from({ length: 200 + 20 - clientsMax }, () => "53300"));
  await Promise.all(clients.map((client) => client.end()));
});

test("what is no message ends the connection with a word", async () => {
  expect(await strange(Buffer.from("GET / HTTP/1.1\r\n\r\n"))).toContain("08P01");
  expect(await strange(Buffer.from([0, 0, 0, 8, 0, 2, 0, 0]))).toContain("expected 3.0");
  const socket = takeSocket(await server.connect());
  const ended = new Promise<string>((resolve) => {
    let text = "";
    socket.on("data", (bytes) => {
      text += bytes.toString("latin1");
    });
    socket.on("close", () => resolve(text));
  });
  socket.write(Buffer.from([0x51, 0x7f, 0xff, 0xff, 0xff]));
  expect(await ended).toContain("08P01");
});

/** Resident bytes of the product's own process. */
const resident = (): number =>
  Number(readFileSync(`/proc/${server.product.pid}/statm`, "latin1").split(" ")[1]) * 4096;

test.skipIf(process.platform !== "linux")("a large result passes without being kept", async () => {
  const socket = takeSocket(await server.connect());
  const [rows, before] = [1_500_000, resident()];
  let [count, most] = [0, 0];
  const all = readMessages(socket, ({ letter }) => {
    if (letter === "D" && ++count % 100_000 === 0) most = Math.max(most, resident());
    return letter === "Z";
  });
  // 450 MB.
  socket.write(queryMessage(`SELECT i, repeat('x', 290) AS x FROM range(${rows}) t(i)`));
  await all;
  expect(count).toBe(rows);
  expect(most - before).toBeLessThan(250_000_000);
});

test("a client that does not read holds its query back, and its end ends it", async () => {
  const socket = takeSocket(await server.connect());
  const running = async () => {
    const answer = await fetch(`${server.product.url}/v1/sql/queries`, {
      headers: { authorization: `Bearer ${server.token}` },
    });
    const { queries } = (await answer.json()) as { queries: { sql: string; state: string; rows: number }[] };
    return queries.find(({ sql }) => sql.includes("held back"));
  };
  const begun = new Promise((resolve) => socket.once("data", resolve));
  socket.write(queryMessage("SELECT repeat('held back', 30) AS x FROM range(100000000)"));
  await begun;
  socket.pause();
  // Once the buffers on the way are full it goes no further.
  for (let [rows, same] = [-1, 0]; same < 5; await Bun.sleep(50)) {
    const now = (await running())?.rows ?? 0;
    same = now === rows ? same + 1 : 0;
    rows = now;
  }
  expect((await running())?.state).toBe("running");
  socket.destroy();
  while ((await running())?.state === "running") await Bun.sleep(20);
  expect((await running())?.state).toBe("interrupted");
});

test("rows in parts, and cursors", async () => {
  const client = await server.connect();
  const parts = await client.query({ text: "SELECT i FROM range(10) t(i)", rows: 3 } as pg.QueryConfig);
  expect(parts.rows.map(({ i }: { i: string }) => Number(i))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await client.query("BEGIN");
  await client.query("DECLARE some CURSOR FOR SELECT i FROM range(5) t(i)");
  const fetched = async (count: string) => (await client.query(`FETCH ${count} FROM some`)).rows.length;
  expect([
    await fetched("FORWARD 2"),
    await fetched("NEXT"),
    await fetched("ALL"),
    await fetched("1"),
  ]).toEqual([2, 1, 2, 0]);
  await client.query("COMMIT");
  expect((await client.query("FETCH 1 FROM some").catch((error) => error)).code).toBe("34000");
});

const copies: [options: string, data: string][] = [
  ["", "1\ta\\tb\\\\\t\\N\n2\t\t{1,2}\n"],
  ["(FORMAT csv, HEADER)", 'id,words,list\n1,a\tb\\,\n2,"","{1,2}"\n'],
  ["(FORMAT \"csv\", header true, Delimiter ';', NULL 'none')", "id;words;list\n1;a\tb\\;none\n2;;{1,2}\n"],
  ["CSV DELIMITER ';' NULL 'none'", "1;a\tb\\;none\n2;;{1,2}\n"],
];
test.each(copies)("COPY TO STDOUT %s", async (options, data) => {
  const socket = takeSocket(await server.connect());
  const query = "SELECT * FROM (VALUES (1, E'a\\tb\\\\', NULL), (2, '', [1, 2])) t(id, words, list)";
  const messages = await answersTo(socket, `COPY (${query}) TO STDOUT ${options}`);
  const letters = messages.map(({ letter }) => letter).join("");
  expect(letters).toMatch(/^Hd+cCZ$/);
  const copied = messages.flatMap(({ letter, body }) => (letter === "d" ? [body] : []));
  expect(Buffer.concat(copied).toString()).toBe(data);
});

test("COPY in binary has its header and its trailer", async () => {
  const socket = takeSocket(await server.connect());
  const messages = await answersTo(
    socket,
    "COPY (SELECT 1::INTEGER, NULL::INTEGER) TO STDOUT (FORMAT binary)",
  );
  const bytes = Buffer.concat(messages.flatMap(({ letter, body }) => (letter === "d" ? [body] : [])));
  expect(bytes.subarray(0, 11).toString("latin1")).toBe("PGCOPY\n\xff\r\n\0");
  expect(bytes.subarray(19).toString("hex")).toBe("00020000000400000001ffffffffffff");
});

test("at a stop, who waits is told", async () => {
  const client = await server.connect();
  const told = new Promise<string>((resolve) =>
    client.on("error", (error: Error & { code?: string }) => resolve(error.code ?? error.message)),
  );
  const ended = server.product.end("SIGTERM");
  expect(await told).toBe("57P01");
  expect(await ended).toBe(0);
});
