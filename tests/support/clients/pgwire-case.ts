/** A product with a port for clients of PostgreSQL, and what tests of it send. */
import pg from "pg";
import { ownHost, ownPort } from "../product/addresses.ts";
import { type Product, startProduct } from "../product/product.ts";

export interface PgwireCase {
  product: Product;
  token: string;
  options: pg.ClientConfig & { host: string; port: number };
  /** Registers rows of CSV under a name. */
  register: (name: string, csv: string) => Promise<void>;
  /** A client that is connected; ended with the case. */
  connect: (options?: pg.ClientConfig) => Promise<pg.Client>;
  /** Rows of `/v1/sql` as JSON has them, numbers as strings where a double would lose digits. */
  http: (sql: string) => Promise<Record<string, unknown>[]>;
  end: () => Promise<void>;
}

export async function startPgwire(env: Record<string, string> = {}): Promise<PgwireCase> {
  const token = "a-token-of-the-tests";
  const port = ownPort();
  const product = await startProduct({
    env: { LH_PGWIRE_BIND: `${ownHost}:${port}`, AUTH_TOKEN: token, ...env },
  });
  const options = { host: ownHost, port, user: "reader", database: "lakehouse", password: token };
  const headers = { authorization: `Bearer ${token}` };
  const clients: pg.Client[] = [];
  return {
    ...{ product, token, options },
    register: async (name, csv) => {
      const body = new FormData();
      body.set("file", new File([csv], `${name}.csv`));
      const answer = await fetch(`${product.url}/v1/ingest?name=${name}`, { method: "POST", body, headers });
      if (!answer.ok) throw new Error(await answer.text());
    },
    connect: async (more = {}) => {
      const client = new pg.Client({ ...options, ...more });
      // What ends a connection is told to the query that waits, and to nobody else.
      client.on("error", () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    },
    http: async (sql) => {
      const answer = await fetch(`${product.url}/v1/sql?numbers=string`, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify({ sql }),
      });
      if (!answer.ok) throw new Error(await answer.text());
      return (await answer.json()) as Record<string, unknown>[];
    },
    end: async () => {
      await Promise.all(clients.map((client) => client.end().catch(() => undefined)));
      await product.end();
    },
  };
}
