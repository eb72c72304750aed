/** The program of a child process of pgwire: PostgreSQL as WebAssembly, in memory, with the columns of datasets and no rows. */
import { PGlite } from "@electric-sql/pglite";
import { dataDir } from "@electric-sql/pglite-prepopulatedfs";
import { serveChild } from "../../../runtime/child-main/child-main.ts";
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { type PostgresCatalog, postgresCatalog } from "./child.ts";

/** Clients ask as this user, who owns the tables and may do nothing else, in a database of this name. */
const owner = "lakehouse";

/** The names of the database and of the user cannot be chosen when the files are ready-made. */
const first = [
  "SET allow_system_table_mods = on",
  `UPDATE pg_database SET datname = '${owner}' WHERE datname = 'postgres'`,
  "RESET allow_system_table_mods",
  `CREATE ROLE ${owner} LOGIN`,
  `GRANT CREATE, CONNECT, TEMPORARY ON DATABASE ${owner} TO ${owner}`,
  "DROP SCHEMA public",
  `SET ROLE ${owner}`,
  "CREATE SCHEMA main",
];

/** Settings that hold for one question; those that only concern the client's connection are left out. */
const passedOn = new Set(["search_path", "application_name", "extra_float_digits"]);

/** The lock that a read of a table keeps to the end of its transaction; PostgreSQL's own tables have lower numbers. */
const readsUserTables =
  "SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'relation' AND relation >= 16384 LIMIT 1";

async function open(): Promise<VerbsOf<PostgresCatalog>> {
  const postgres = await PGlite.create({ loadDataDir: await dataDir() });
  for (const statement of first) await postgres.exec(statement);
  return {
    apply: async ({ statements }) => {
      const failed: { statement: string; reason: string }[] = [];
      for (const statement of statements)
        await postgres.exec(statement).catch((cause: Error) => {
          failed.push({ statement: statement.slice(0, 200), reason: cause.message });
        });
      return { failed };
    },
    ask: async ({ messages, settings }) => {
      await postgres.exec("BEGIN TRANSACTION READ ONLY");
      try {
        for (const [name, value] of settings)
          if (passedOn.has(name))
            await postgres.query("SELECT pg_catalog.set_config($1, $2, true)", [name, value]);
        const bytes = await postgres.execProtocolRaw(messages);
        return {
          bytes,
          readsRows: !hasFailed(bytes) && (await postgres.query(readsUserTables)).rows.length > 0,
        };
      } finally {
        await postgres.exec("ROLLBACK");
      }
    },
  };
}

/** Whether the answer has an ErrorResponse: then the transaction answers nothing more. */
function hasFailed(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 5 <= bytes.length; at += 1 + view.getInt32(at + 1))
    if (bytes[at] === 0x45) return true;
  return false;
}

await serveChild(postgresCatalog, async () => ({ verbs: await open() }));
