/** A product with a port for clients of PostgreSQL, and a dataset to read. */
import { expectStatus, type Stage } from "../smoke-product/smoke-product.ts";

export interface Server {
  host: string;
  port: string;
  token: string;
}

const token = "a-token-of-the-clients";
const host = "127.0.0.1";
const rows = Array.from(
  { length: 1000 },
  (_, id) =>
    `${id},title ${id},${(id * 1.25).toFixed(2)},2024-01-${String(1 + (id % 28)).padStart(2, "0")},${id % 2 === 0}`,
);
const csv = `id,title,price,posted,active\n${rows.join("\n")}\n`;

/** Starts it; a port of its own for each. */
export async function startServer({ start }: Stage, flags: readonly string[] = []): Promise<Server> {
  const port = freePort();
  const lake = await start({
    flags: [`--pgwire.bind=${host}:${port}`, ...flags],
    env: { AUTH_TOKEN: token },
  });
  const body = new FormData();
  body.set("file", new File([csv], "things.csv"));
  expectStatus(await lake.send("/v1/ingest?name=things", { method: "POST", body }), 200);
  return { host, port: String(port), token };
}

/** A port that nobody listens on now. */
function freePort(): number {
  using server = Bun.serve({ port: 0, hostname: host, fetch: () => new Response() });
  return server.port as number;
}
