/** Whatever a client of PostgreSQL sends, no byte comes back that is of no registered dataset: by queryd or by the catalog. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type pg from "pg";
import { seeded } from "../../support/campaigns/seeded.ts";
import { type PgwireCase, startPgwire } from "../../support/clients/pgwire-case.ts";
import {
  fileStatement,
  fileStatementByChance,
  shapes,
  waysToWrite,
} from "../../support/hard-inputs/file-statements.ts";

const canary = "canary-41d0c7";
let server: PgwireCase;
let client: pg.Client;
let secret: string;
beforeAll(async () => {
  server = await startPgwire();
  await server.register("workers", "id,name\n1,a\n2,b\n");
  secret = join(server.product.dataDir, "secret.csv");
  writeFileSync(secret, `id\n${canary}\n`);
  client = await server.connect();
});
afterAll(() => server?.end());

/** Everything that comes back of a statement, its error as well; and whether it was refused. */
async function outcome(sql: string): Promise<{ text: string; failed: boolean }> {
  try {
    const { rows } = (await client.query(sql)) as { rows?: unknown };
    return { text: JSON.stringify(rows ?? []), failed: false };
  } catch (cause) {
    const { message, detail, hint, code } = cause as pg.DatabaseError;
    return { text: [code, message, detail, hint].join(" "), failed: true };
  }
}

const own = (text: string, name: string) =>
  text.replaceAll(name, "").replaceAll(JSON.stringify(name).slice(1, -1), "");

async function refused(sql: string, name = ""): Promise<void> {
  const { text, failed } = await outcome(sql);
  expect(`${sql}\n${failed} ${text}`).toContain("\ntrue ");
  expect(text).not.toContain(canary);
  expect(own(text, name)).not.toContain(server.product.dataDir);
}

describe("a file by name", () => {
  for (const shape of shapes)
    test(shape, async () => {
      for (const name of waysToWrite(secret)) await refused(fileStatement(shape, name), name);
    });

  test("statements put together by chance", async () => {
    const random = seeded(7);
    for (let round = 0; round < 60; round++) {
      const { sql, name } = fileStatementByChance(random, waysToWrite(secret));
      await refused(sql, name);
    }
  });
});

/** What PostgreSQL has for files, programs, other servers and more rights. */
const ways = [
  ...[
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_read_binary_file('/etc/hostname')",
  ],
  ...[
    "SELECT pg_stat_file('/etc/passwd'), pg_backend_pid()",
    "SELECT lo_import('/etc/passwd'), pg_backend_pid()",
  ],
  ...["COPY workers TO '/tmp/x'", "COPY (SELECT 1) TO PROGRAM 'id'", "COPY workers FROM '/etc/passwd'"],
  ...[
    "CREATE TABLE pg_catalog.x (a int)",
    "DROP TABLE main.workers",
    "DELETE FROM pg_class",
    "VACUUM",
    "CHECKPOINT",
  ],
  ...[
    "DO $$BEGIN PERFORM 1; END$$",
    "CREATE EXTENSION file_fdw",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "LOAD 'x'",
  ],
  ...[
    "SELECT set_config('role', 'postgres', false), lo_from_bytea(0, 'x')",
    "SELECT pg_terminate_backend(1), pg_reload_conf()",
  ],
  ...["WITH x AS (DELETE FROM pg_class RETURNING 1) SELECT * FROM x", "SELECT nextval('pg_catalog.x')"],
  ...["SELECT query_to_xml('DELETE FROM pg_class', true, true, ''), pg_backend_pid()"],
  ...[
    "SELECT getenv('HOME')",
    "SELECT current_setting('data_directory'), getenv('HOME')",
    "PRAGMA database_list",
  ],
  ...[
    "ATTACH '/etc/passwd'",
    "INSTALL httpfs",
    "SELECT * FROM duckdb_settings()",
    "EXPLAIN ANALYZE DELETE FROM pg_class",
  ],
];
test.each(ways)("%s", (sql) => refused(sql));

test("what was tried has changed nothing", async () => {
  const tables = await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'main'");
  expect(tables.rows).toEqual([{ tablename: "workers" }]);
  expect((await client.query("SELECT current_user AS who")).rows).toEqual([{ who: "lakehouse" }]);
  expect((await client.query("SELECT count(*) AS n FROM workers")).rows).toEqual([{ n: "2" }]);
});

test("rows are never those of the catalog's empty tables", async () => {
  const counted = await client.query(
    "SELECT count(*) AS n FROM main.workers WHERE current_database() IS NOT NULL",
  );
  expect(counted.rows).toEqual([{ n: "2" }]);
});
