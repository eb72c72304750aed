/** What one service of the process finds damaged, the gateway's readiness and its list of services name. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startProduct } from "../../support/product/product.ts";

test("damage that a service found is in the gateway's readiness, and the rest is served", async () => {
  const product = await startProduct();
  const ask = (path: string, body?: string) =>
    fetch(product.url + path, body === undefined ? {} : { method: "POST", body });
  const sql = async (statement: string) => (await ask("/v1/sql", JSON.stringify({ sql: statement }))).status;
  try {
    for (const name of ["whole", "broken"])
      expect((await ask(`/v1/ingest?name=${name}`, `id,name\n1,${name}\n`)).status).toBe(200);
    expect((await ask("/readyz")).status).toBe(200);
    const folder = join(product.dataDir, "buckets/primary/datasets/broken");
    const [object = ""] = readdirSync(folder);
    const bytes = readFileSync(join(folder, object));
    bytes.writeUInt8(bytes.readUInt8(20) ^ 1, 20);
    writeFileSync(join(folder, object), bytes);
    expect([await sql("SELECT * FROM broken"), await sql("SELECT * FROM whole")]).toEqual([500, 200]);

    const readiness = await ask("/readyz");
    expect(readiness.status).toBe(503);
    const { reasons } = (await readiness.json()) as { reasons: string[] };
    expect(reasons.join("\n")).toMatch(/queryd: not_ready \(.*'broken'/);
    const system = (await (await ask("/v1/system")).json()) as {
      ready: boolean;
      services: { name: string; state: string; last_error?: string }[];
    };
    expect(system.ready).toBe(false);
    expect(system.services.find(({ name }) => name === "queryd")).toMatchObject({
      state: "not_ready",
      last_error: expect.stringContaining("'broken'"),
    });
  } finally {
    await product.end();
  }
});
