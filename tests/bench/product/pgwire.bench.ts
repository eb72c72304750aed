/** PostgreSQL's protocol beside `/v1/sql`: the same small query, and ten million rows. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type pg from "pg";
import { latencies, quantile, report, timed } from "../../support/campaigns/measure.ts";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import { queryMessage, readMessages, takeSocket } from "../../support/clients/pgwire-raw.ts";

let server: PgwireCase;
let client: pg.Client;
beforeAll(async () => {
  server = await startPgwire();
  client = await server.connect();
});
afterAll(() => server.end());

const p50 = (values: number[]): number => quantile(values, 0.5);

test("a small query", async () => {
  const statement = "SELECT 1 AS one";
  const [postgres, http] = [() => client.query(statement), () => server.http(statement)];
  await latencies(100, postgres);
  await latencies(100, http);
  const [byPostgres, byHttp] = [p50(await latencies(500, postgres)), p50(await latencies(500, http))];
  report("pgwire.small", { "p50 ms": byPostgres, "/v1/sql p50 ms": byHttp, ratio: byPostgres / byHttp });
  expect(byPostgres).toBeLessThanOrEqual(1.2 * byHttp);
});

test("ten million rows", async () => {
  const socket = takeSocket(await server.connect());
  const resident = () =>
    Number(readFileSync(`/proc/${server.product.pid}/statm`, "latin1").split(" ")[1]) * 4096;
  const before = resident();
  let [rows, bytes, most] = [0, 0, 0];
  const ms = await timed(async () => {
    const all = readMessages(socket, ({ letter, body }) => {
      bytes += body.length + 5;
      if (letter === "D" && ++rows % 500_000 === 0) most = Math.max(most, resident());
      return letter === "Z";
    });
    socket.write(queryMessage("SELECT i, 'row ' || i AS name, i * 0.5 AS half FROM range(10000000) t(i)"));
    await all;
  });
  expect(rows).toBe(10_000_000);
  report("pgwire.large", {
    seconds: ms / 1000,
    "MB/s": bytes / 1e3 / ms,
    "grown by MB": (most - before) / 1e6,
  });
});
