import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { readPage, rowOf } from "../../scripts/status/pages.ts";
import { render } from "../../scripts/status/table.ts";
import { type Product, startProduct } from "../support/product.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct({ env: { AUTH_TOKEN: "a-token" } });
});
afterAll(async () => void (await product.end()));

async function status(words: string[], env: Record<string, string> = {}) {
  const run = Bun.spawn([process.execPath, join(import.meta.dir, "../../scripts/status.ts"), ...words], {
    env: { ...process.env, LH_DATA_DIR: product.dataDir, AUTH_TOKEN: "a-token", ...env },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  return { code: await run.exited, out, err };
}

test("every service with its state and load, as a table and as JSON", async () => {
  const headers = { authorization: "Bearer a-token", "content-type": "application/json" };
  for (let asked = 0; asked < 5; asked++) {
    const response = await fetch(`${product.url}/v1/sql`, {
      method: "POST",
      headers,
      body: '{"sql":"SELECT 1"}',
    });
    expect(response.status).toBe(200);
  }
  const { code, out } = await status(["--once", "--gateway", product.url]);
  expect(code).toBe(0);
  for (const name of Object.keys(product.addresses)) expect(out).toMatch(new RegExp(`^${name} +ready `, "m"));
  expect(out).toMatch(/^disk .+ GiB free$/m);
  const json = JSON.parse((await status(["--json", "--gateway", `${product.url}/`])).out);
  const queryd = json.services.find(({ name }: { name: string }) => name === "queryd");
  expect(queryd).toMatchObject({ state: "ready", restarts: 0, open: 0, waiting: 0 });
  expect(queryd.requests_per_second).toBeGreaterThan(0);
  expect(queryd.p99_ms).toBeGreaterThan(0);
});

test("what keeps it from looking is told", async () => {
  const locked = await status(["--once", "--gateway", product.url], { AUTH_TOKEN: "" });
  expect(locked).toMatchObject({ code: 1, out: "" });
  expect(locked.err).toContain("answered 401; set AUTH_TOKEN");
  const nobody = await status(["--once", "--gateway", "http://127.0.0.1:1"]);
  expect(nobody.code).toBe(1);
  expect(nobody.err).toContain("the gateway does not answer");
  const never = await status(["--every", "never"]);
  expect(never).toMatchObject({ code: 2, err: "--every: expected seconds, 0.1 or more, got 'never'\n" });
});

test("rates and latencies are those since the look before; a service started anew counts from nothing", () => {
  const page = (count: number, at: number) =>
    readPage(
      [
        `lakehouse_calls_total{verb="say",outcome="ok"} ${count}`,
        'lakehouse_http_requests_total{route="/metrics",method="GET",status="200"} 50',
        `lakehouse_call_duration_seconds_bucket{verb="say",le="0.001"} ${Math.min(count, 10)}`,
        `lakehouse_call_duration_seconds_bucket{verb="say",le="0.1"} ${count}`,
        `lakehouse_call_duration_seconds_bucket{verb="say",le="+Inf"} ${count}`,
        "lakehouse_queryd_queries_waiting 3",
        "lakehouse_http_requests_open 2",
      ].join("\n"),
      at,
    );
  const service = { name: "queryd", state: "ready", uptime_seconds: 100 };
  expect(rowOf(service, page(10, 0), undefined)).toMatchObject({
    requests_per_second: 0.1,
    p50_ms: 1,
    p99_ms: 1,
  });
  expect(rowOf(service, page(30, 2000), page(10, 0))).toEqual({
    ...service,
    requests_per_second: 10,
    open: 1,
    waiting: 3,
    p50_ms: 100,
    p99_ms: 100,
  });
  expect(rowOf(service, page(5, 2000), page(10, 0)).requests_per_second).toBe(0.05);
  expect(
    render([rowOf({ name: "x", state: "failed", last_error: "why" }, undefined, undefined)], undefined),
  ).toMatch(/^x +failed +– +– +– +– +– +– +– +why$/m);
});
