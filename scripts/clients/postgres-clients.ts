/** Clients of PostgreSQL: its own, those of Python and Java, and dbt. */

import { join } from "node:path";
import { findings } from "../python/python.ts";
import { expectEqual, type Smoke } from "../smoke-product/smoke-product.ts";
import { dbt } from "./dbt.ts";
import { type Expected, expected, typesSql } from "./expected.ts";
import { go, node } from "./installed.ts";
import { jdbc } from "./jdbc.ts";
import { psql } from "./psql.ts";
import { startServer } from "./server.ts";

interface PythonClient {
  about: string;
  packages: readonly string[];
  script: string;
  says: readonly (keyof Expected)[];
}

const python: Record<string, PythonClient> = {
  psycopg: {
    about: "psycopg 3.3.9: simple, parameters in text and binary, a cursor of the server, COPY",
    packages: ["psycopg[binary]==3.3.9"],
    script: "psycopg_client.py",
    says: ["count", "filtered", "types", "tables", "error"],
  },
  asyncpg: {
    about: "asyncpg 0.32.0: prepared statements, binary alone, a cursor, its own look at types",
    packages: ["asyncpg==0.32.0"],
    script: "asyncpg_client.py",
    says: ["count", "filtered", "types", "tables", "error"],
  },
  sqlalchemy: {
    about: "SQLAlchemy 2.1.9 over psycopg: reflection and queries",
    packages: ["sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"],
    script: "sqlalchemy_client.py",
    says: ["count", "filtered", "tables", "columns"],
  },
  adbc: {
    about: "ADBC's driver of PostgreSQL 1.13.0: Arrow by way of COPY in binary",
    packages: ["adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1"],
    script: "adbc_client.py",
    says: ["count", "filtered", "tables", "columns"],
  },
  duckdb: {
    about: "DuckDB 1.5.5, which attaches the datasets by its extension for PostgreSQL",
    packages: ["duckdb==1.5.5", "duckdb-extension-postgres-scanner==1.5.5"],
    script: "duckdb_client.py",
    says: ["count", "filtered", "tables", "columns"],
  },
  frames: {
    about: "pandas by SQLAlchemy with psycopg, psycopg2 and pg8000, Polars by connectorx, Ibis, Django",
    packages: [
      ...["pandas==3.1.1", "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9", "psycopg2-binary==2.9.13"],
      ...["pg8000==1.31.6", "polars==2.1.0", "connectorx==0.4.6", "pyarrow==26.0.1", "django==5.2.19"],
      ...["ibis-framework[postgres]==12.0.0", "packaging"],
    ],
    script: "frames_client.py",
    says: ["count", "filtered", "tables", "columns"],
  },
};

/** What it prints is compared with what is there. */
const ofPython = Object.fromEntries(
  Object.entries(python).map(([name, { about, packages, script, says }]): [string, Smoke] => [
    name,
    {
      about,
      ownProduct: true,
      run: async (stage) => {
        const { host, port, token } = await startServer(stage);
        const program = { packages, script: join(import.meta.dir, script) };
        const found = await findings(name, program, [host, port, token, typesSql]);
        for (const what of says) await stage.check(what, () => expectEqual(found[what], expected[what]));
        await stage.check("rows are the same by every way", () => expectEqual(found.agree, true));
      },
    },
  ]),
);

export const postgresClients: Record<string, Smoke> = { psql, ...ofPython, jdbc, dbt, node, go };
