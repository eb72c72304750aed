/** Maintenance of the whole product, through the gateway, and killed in the middle of it: every row is there, in its order. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { seeded } from "../../support/campaigns/seeded.ts";
import { ingest, type Product, sql, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

let home: { path: string; remove: () => void };
let product: Product;

beforeAll(async () => {
  home = temporaryDirectory("maintenance");
  product = await startProduct({ dataDir: home.path });
});
afterAll(async () => {
  await product.end();
  home.remove();
});

const maintain = (path: string, body: Record<string, unknown>) =>
  fetch(`${product.url}/v1/catalog/maintain${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

test("a dry run says what is done then, and /v1/system what was", async () => {
  for (let at = 0; at < 4; at++)
    await ingest(product.url, "name=jobs&mode=append", `id,text\n${at},${"é".repeat(at)}\n`);
  const told = (await (await maintain("/jobs", { min_objects: 2, dry_run: true })).json()) as Record<
    string,
    unknown
  >;
  expect(told).toMatchObject({
    dry_run: true,
    compacted: { runs: [{ objects: 4, rows: 4 }], objects_after: 1 },
  });
  const done = await maintain("", { min_objects: 2 });
  expect(await done.json()).toMatchObject({
    datasets: [{ name: "jobs", compacted: told.compacted as object }],
    failed: [],
  });
  const system = (await (await fetch(`${product.url}/v1/system`)).json()) as Record<string, unknown>;
  expect(system.maintenance).toMatchObject({
    enabled: true,
    steps: { compact: { count: 4, last: { name: "jobs" } }, sweep: { runs: 1 } },
  });
  expect(await sql(product.url, "FROM jobs")).toEqual(
    [0, 1, 2, 3].map((id) => ({ id, text: id === 0 ? null : "é".repeat(id) })),
  );
});

test("killed at random instants it loses nothing", async () => {
  const random = seeded(5);
  let rows = 0;
  for (let round = 0; round < 3; round++) {
    for (let at = 0; at < 4; at++) {
      const sent = await ingest(product.url, "name=killed&mode=append", `id\n${rows}\n`);
      expect(sent.status).toBe(200);
      rows += 1;
    }
    const under = maintain("/killed", {
      min_objects: 2,
      keep_versions: 1,
      older_than_days: 0,
      orphan_grace_days: 0,
    }).catch(() => undefined);
    await Bun.sleep(random() * 400);
    await product.end("SIGKILL");
    await under;
    product = await startProduct({ dataDir: home.path });
    const all = Array.from({ length: rows }, (_, id) => ({ id }));
    expect(await sql(product.url, "FROM killed")).toEqual(all);
    expect(
      (
        await maintain("/killed", {
          min_objects: 2,
          keep_versions: 1,
          older_than_days: 0,
          orphan_grace_days: 0,
        })
      ).status,
    ).toBe(200);
    expect(await sql(product.url, "FROM killed")).toEqual(all);
  }
  const kept = (await (await fetch(`${product.url}/v1/storage/list?prefix=datasets/killed/`)).json()) as {
    objects: unknown[];
  };
  expect(kept.objects).toHaveLength(1);
});
