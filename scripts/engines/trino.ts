/** Trino over the product's own catalog, and the product's SQL through it: the way a site takes that outgrows one machine. */
import {
  expectEqual,
  expectError,
  expectTrue,
  type Lake,
  type Smoke,
} from "../smoke-product/smoke-product.ts";
import { type Expected, makeTables } from "./tables.ts";
import { type Files, freePort, startTrino, version } from "./trino-server.ts";
import { changesTables, rowsOf } from "./trino-tables.ts";

interface Tried {
  product: Lake;
  /** Trino's own address. */
  url: string;
  suffix: string;
  expected: Expected;
}

const there = { engine: "trino" };

const ask = ({ product }: Tried, sql: string, more: object, accept = "application/json") =>
  product.open("/v1/sql", {
    method: "POST",
    headers: { "content-type": "application/json", accept },
    body: JSON.stringify({ sql, ...more }),
  });

async function rows(tried: Tried, sql: string, more: object = there): Promise<Record<string, unknown>[]> {
  const answer = await ask(tried, sql, more);
  const body = await answer.text();
  expectTrue(answer.ok, `${answer.status} ${body}`);
  return JSON.parse(body) as Record<string, unknown>[];
}

const values = async (tried: Tried, sql: string) =>
  (await rows(tried, sql)).map((row) => Object.values(row)[0]);

/** Whether Trino itself takes a statement: its words where it does not. */
const refusalOf = async (url: string, sql: string): Promise<string | undefined> =>
  rowsOf(url, sql).then(
    () => undefined,
    (cause: Error) => cause.message,
  );

const checks: Record<string, (tried: Tried) => Promise<void>> = {
  "lists the tables": async (tried) => {
    const found = await values(tried, "SHOW TABLES");
    expectEqual(found.filter((name) => String(name).endsWith(tried.suffix)).sort(), tried.expected.tables);
  },
  "gives the same rows as here": async (tried) => {
    const sql = `SELECT count(*) AS n, sum(id) AS s, max(name) AS m FROM grown_${tried.suffix}`;
    expectEqual(await rows(tried, sql), await rows(tried, sql, {}));
    const filtered = `${sql} WHERE id >= 2100`;
    expectEqual(await rows(tried, filtered), await rows(tried, filtered, {}));
  },
  "gives values of each type as here": async (tried) => {
    const columns = 'flag, tiny, usmall, whole, uint, big, f, d, money, wide, text, day, "at", vector';
    const sql = `SELECT ${columns} FROM types_${tried.suffix}`;
    const text = async (more: object) => (await ask(tried, sql, more, "text/csv")).text();
    expectEqual(await text(there), await text({}));
  },
  "reads a file without field ids": async (tried) => {
    const found = await values(tried, `SELECT word FROM bare_${tried.suffix} ORDER BY word`);
    expectEqual(found, tried.expected.without_ids);
  },
  "reads earlier versions": async (tried) => {
    const table = `grown_${tried.suffix}`;
    const counts: unknown[] = [];
    for (const id of await values(
      tried,
      `SELECT snapshot_id FROM "${table}$snapshots" ORDER BY committed_at`,
    ))
      counts.push(...(await values(tried, `SELECT count(*) FROM ${table} FOR VERSION AS OF ${id}`)));
    expectEqual(counts, tried.expected.travel);
  },
  "answers a join in Parquet": async (tried) => {
    const sql = `SELECT a.* FROM grown_${tried.suffix} a JOIN grown_${tried.suffix} b ON a.id = b.id`;
    const answer = await ask(tried, sql, there, "application/vnd.apache.parquet");
    const bytes = Buffer.from(await answer.arrayBuffer());
    expectTrue(answer.ok && bytes.toString("latin1").endsWith("PAR1"), `${answer.status}`);
  },
  "says what is wrong": async (tried) => {
    const answer = await tried.product.send("/v1/sql", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ sql: `SELECT nothing FROM grown_${tried.suffix}`, ...there }),
    });
    expectError(answer, 400, "sql_error");
  },
  "refuses a write, here and there": async (tried) => {
    const sql = `DELETE FROM grown_${tried.suffix}`;
    const answer = await ask(tried, sql, there);
    await answer.body?.cancel();
    expectTrue(answer.status === 403, `${answer.status}`);
    expectTrue((await refusalOf(tried.url, sql)) !== undefined, "Trino took a DELETE");
  },
};

/** Where the files of a table are, as the catalog says it to every client, with the keys that it gives out. */
async function filesOf(product: Lake, table: string): Promise<Files> {
  const path = `/iceberg/v1/main/namespaces/main/tables/${table}`;
  const headers = { "x-iceberg-access-delegation": "vended-credentials" };
  const { body } = await product.send(path, { headers });
  const { config } = body as { config: Record<string, string> };
  const endpoint = config["s3.endpoint"];
  if (endpoint === undefined) return "disk";
  const of = (name: string) => config[`s3.${name}`] ?? "";
  return {
    endpoint,
    region: of("region"),
    accessKey: of("access-key-id"),
    secretKey: of("secret-access-key"),
  };
}

/** Reads what the product publishes, through the product's SQL. */
export const trino: Smoke = {
  about: `Trino ${version}: reads the catalog, makes and changes open tables, and runs the product's SQL that names it (engine)`,
  ownProduct: true,
  run: async ({ check, lake }) => {
    const port = freePort();
    const url = `http://127.0.0.1:${port}`;
    const table = `{ kind = "trino", url = "${url}", catalog = "lake", schema = "main" }`;
    const product = await lake({ env: { LH_QUERYD_ENGINES: `{ trino = ${table} }` } });
    const { suffix, expected } = await makeTables({ gateway: product.gateway, token: undefined });
    const files = await filesOf(product, `grown_${suffix}`);
    const server = await startTrino(port, `${product.gateway}/iceberg`, files);
    try {
      for (const [what, work] of Object.entries(checks))
        await check(what, () => work({ product, url, suffix, expected }));
      await changesTables({ check, product, url });
    } finally {
      await server.end();
    }
  },
};
