/** PostgreSQL as a source: its tables are loaded, value by value, and what it refuses or drops leaves nothing behind. */
import { SQL } from "bun";
import { expectEqual, expectTrue, type Smoke } from "../smoke-product/smoke-product.ts";
import { startPgvector, tableOf } from "./vector-servers.ts";

const rowsOfLarge = 200_000;
const schema = `
CREATE SCHEMA hr;
CREATE DOMAIN hr.pay AS numeric(8,2);
CREATE TABLE hr."Types" (id int, big bigint, d double precision, n numeric, pay hr.pay, t text, b boolean, day date,
  ts timestamp, tz timestamptz, tm time, u uuid, raw bytea, arr int[], j jsonb);
INSERT INTO hr."Types" VALUES (1, 9223372036854775807, 0.1, 12345678901234567890.123456789, 1.50, '00123', true,
  '2024-01-31', '2024-01-31 10:00:00.123456', '2024-01-31 10:00:00.5+02', '08:30:00',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '\\x00ff', '{1,NULL,2}', '{"a": 1}'), (2, NULL, 1e-300, 1, 0, '', false,
  '0001-01-01', '1999-12-31 23:59:59', '2020-02-29 00:00:00Z', '23:59:59.999', NULL, '', '{}', 'null');
CREATE TABLE hr.odd (id int, d double precision);
INSERT INTO hr.odd VALUES (1, 'NaN'), (2, 1);
CREATE TABLE hr.large AS SELECT g AS id, md5(g::text) AS hash FROM generate_series(1, ${rowsOfLarge}) g;
CREATE VIEW hr.slow AS SELECT id, pg_sleep(0.001)::text AS s FROM hr.large`;

/** As /v1/sql writes them, each as text. */
const expected = [
  ...[
    "1",
    "9223372036854775807",
    "0.1",
    "12345678901234567890.123456789",
    "1.50",
    "00123",
    "true",
    "2024-01-31",
  ],
  ...[
    "2024-01-31 10:00:00.123456",
    "2024-01-31 08:00:00.5+00",
    "08:30:00",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
  ],
  ...["00ff", "[1,null,2]", '{"a": 1}'],
];

export const postgresSource: Smoke = {
  about: "PostgreSQL as a source: types, refusals, a connection that is dropped",
  ownProduct: true,
  run: async ({ start, check }) => {
    const server = await startPgvector();
    const { url = "", secret = "" } = server;
    const admin = new SQL(url, { password: secret, max: 1 });
    try {
      for (const statement of schema.split(";\n")) await admin.unsafe(statement);
      const sources = ["hr", "wrong"].map((name) => tableOf(name, { url }).slice(1, -1)).join(",");
      const env = { LH_INGESTD_SOURCES: `{${sources}}`, HR_API_KEY: secret, WRONG_API_KEY: "not it" };
      const lake = await start({ env });
      const load = async (name: string, query: Record<string, string>) => {
        const asked = new URLSearchParams({ name, ...query });
        return lake.send(`/v1/ingest?${asked}`, { method: "POST" });
      };
      const rows = async (sql: string) => {
        const body = JSON.stringify({ sql });
        const headers = { "content-type": "application/json" };
        return (await lake.send("/v1/sql?numbers=string", { method: "POST", headers, body }))
          .body as object[];
      };
      const refused = async (query: Record<string, string>, status: number, says: string) => {
        const answer = await load("refused", query);
        const { error } = answer.body as { error?: { message: string } };
        expectEqual(answer.status, status);
        expectTrue(error?.message.includes(says) ?? false, `expected '${says}', got ${error?.message}`);
        expectTrue(!JSON.stringify(answer.body).includes(secret), "the password is shown");
      };
      await check("every type, as the server has it", async () => {
        expectEqual((await load("types", { source: "hr", table: 'hr."Types"' })).status, 200);
        const [first] = await rows("SELECT COLUMNS(*)::VARCHAR FROM types ORDER BY id LIMIT 1");
        expectEqual(Object.values(first ?? {}), expected);
      });
      await check("a query", async () => {
        const query = "SELECT id, hash FROM hr.large WHERE id <= 3 -- few";
        expectEqual((await load("few", { source: "hr", query })).status, 200);
        expectEqual(await rows("SELECT count(*) AS n FROM few"), [{ n: "3" }]);
      });
      await check("a large table", async () => {
        expectEqual((await load("large", { source: "hr", table: "hr.large" })).status, 200);
        const summed = "SELECT count(*) AS n, count(DISTINCT hash) AS m, sum(id)::VARCHAR AS s FROM large";
        const sum = String((rowsOfLarge * (rowsOfLarge + 1)) / 2);
        expectEqual(await rows(summed), [{ n: `${rowsOfLarge}`, m: `${rowsOfLarge}`, s: sum }]);
      });
      await check("what is refused", async () => {
        await refused({ source: "hr", table: "hr.none" }, 422, "has no table 'hr.none'");
        await refused({ source: "hr", table: "hr.odd" }, 422, "column 'd': not a value of type DOUBLE");
        await refused({ source: "hr", query: "DROP TABLE hr.odd" }, 422, "syntax error");
        await refused({ source: "hr", query: "SELECT 1) q; DROP TABLE hr.odd; --" }, 422, "syntax error");
        await refused({ source: "wrong", table: "hr.odd" }, 422, "refuses its user");
        expectEqual((await admin.unsafe("SELECT count(*)::int AS n FROM hr.odd"))[0].n, 2);
      });
      await check("a connection that is dropped in mid-stream leaves nothing", async () => {
        const loading = load("dropped", { source: "hr", table: "hr.slow" });
        const others = "FROM pg_stat_activity WHERE application_name = 'lakehouse' AND query LIKE 'FETCH%'";
        for (let ended = 0; ended === 0; await Bun.sleep(20))
          ended = (await admin.unsafe(`SELECT pg_terminate_backend(pid) ${others}`)).length;
        expectEqual((await loading).status, 503);
        expectEqual((await lake.send("/v1/catalog/manifest/dropped")).status, 404);
      });
    } finally {
      await admin.close({ timeout: 0 });
      await server.end();
    }
  },
};
