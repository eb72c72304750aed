import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { readPage, rowOf } from "../../../scripts/status/pages.ts";
import { render } from "../../../scripts/status/table.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct({ env: { AUTH_TOKEN: "a-token" } });
});
afterAll(async () => void (await product.end()));

async function status(words: string[], env: Record<string, string> = {}) {
  const run = Bun.spawn(
    [process.execPath, join(import.meta.dir, "../../../scripts/status/status.ts"), ...words],
    {
      env: { ...process.env, LH_DATA_DIR: product.dataDir, AUTH_TOKEN: "a-token", ...env },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
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
  expect(out).toMatch(/^disk .+ [GT]iB free$/m);
  expect(out).toMatch(new RegExp(`^process ${product.pid}: \\d+ MiB resident, all services$`, "m"));
  const json = JSON.parse((await status(["--json", "--gateway", `${product.url}/`])).out);
  const queryd = json.services.find(({ name }: { name: string }) => name === "queryd");
  expect(queryd).toMatchObject({ state: "ready", restarts: 0, open: 0, waiting: 0 });
  expect(queryd.requests_per_second).toBeGreaterThan(0);
  expect(queryd.p99_ms).toBeGreaterThan(0);
  expect(queryd.heap_bytes).toBeGreaterThan(1_000_000);
  const storaged = json.services.find(({ name }: { name: string }) => name === "storaged");
  expect(storaged.disk_bytes).toBeGreaterThan(0);
  expect(json.processes).toMatchObject([{ pid: product.pid, services: { length: json.services.length } }]);
  expect(json.disk.free_bytes).toBeGreaterThan(0);
});

test("what keeps it from looking is told", async () => {
  const locked = await status(["--once", "--gateway", product.url], { AUTH_TOKEN: "" });
  expect(locked).toMatchObject({ code: 2, out: "" });
  expect(locked.err).toContain("answered 401; set AUTH_TOKEN");
  const nobody = await status(["--once", "--gateway", "http://127.0.0.1:1"]);
  expect(nobody.code).toBe(2);
  expect(nobody.err).toContain("the gateway does not answer");
});

test.each([
  [["--every", "never"], "--every: expected seconds, 0.1 or more, got 'never'"],
  [["--every"], "--every needs a value\nusage: bun run status"],
  [["--nonsense"], "unexpected option '--nonsense'\nusage: bun run status"],
  [["now"], "unexpected word 'now'\nusage: bun run status"],
  [
    ["--gateway", "localhost"],
    "--gateway: expected an address such as http://127.0.0.1:3110, got 'localhost'",
  ],
  [["--config", "/there/is/none.toml"], "--config: there is no file '/there/is/none.toml'"],
  [["--gateway.bond=x"], "--gateway.bond: unknown key; did you mean 'gateway.bind'?"],
])("%j is refused with what is expected", async (words, says) => {
  const { code, out, err } = await status(words);
  expect([code, out]).toEqual([2, ""]);
  expect(err).toContain(says);
});

test("the gateway's address and the token come from the configuration, too", async () => {
  const env = { AUTH_TOKEN: "", LH_AUTH_TOKEN: "a-token", LH_GATEWAY_BIND: new URL(product.url).host };
  expect(await status(["--once"], env)).toMatchObject({ code: 0 });
  const words = [`--gateway.bind=${new URL(product.url).host}`, "--auth.token_env=OWN_TOKEN"];
  expect(await status(["--once", ...words], { AUTH_TOKEN: "", OWN_TOKEN: "a-token" })).toMatchObject({
    code: 0,
  });
});

test("services in other processes: those that answer have their numbers, the others are told, and end it with 1", async () => {
  const elsewhere = Object.keys(product.addresses).filter((name) => name !== "gateway" && name !== "chatd");
  const flags = elsewhere.map((name) =>
    name === "queryd" ? `--${name}.url=${product.addresses[name]}` : `--${name}.url=http://127.0.0.1:1`,
  );
  const door = await startProduct({
    env: { AUTH_TOKEN: "a-token" },
    flags: ["--only", "chatd,gateway", ...flags],
  });
  try {
    const { code, out } = await status(["--once", "--gateway", door.url]);
    expect(code).toBe(1);
    expect(out).toMatch(/^storaged +unreachable +–/m);
    expect(out).toMatch(/^queryd +ready +\d+ (s|min) +– /m);
    expect(out).toMatch(
      new RegExp(`^process ${door.pid}: \\d+ MiB resident, gateway, chatd|chatd, gateway$`, "m"),
    );
    expect(out).toMatch(new RegExp(`^process ${product.pid}: \\d+ MiB resident, queryd$`, "m"));
  } finally {
    await door.end();
  }
});

test("a narrow terminal: the columns that matter stay, and no line is longer", () => {
  const row = {
    name: "storaged",
    state: "restarting",
    uptime_seconds: 60,
    restarts: 12,
    requests_per_second: 1234.5,
  };
  const more = { open: 12, waiting: 7, p50_ms: 1, p99_ms: 250, heap_bytes: 3e7, disk_bytes: 5e9 };
  const look = {
    services: [{ ...row, ...more, last_error: "x".repeat(300) }],
    processes: [{ pid: 1, resident_bytes: 3e8, services: ["storaged"] }],
  };
  for (const width of [40, 60, 80, 200]) {
    const lines = render(look, width).split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    expect(lines[1]).toMatch(/^storaged +restarting/);
  }
  expect(render(look, 60)).toContain("waiting");
  expect(render(look, 60)).not.toContain("heap");
  expect(render(look, 200)).toMatch(/12 +7 +≤1 +≤250 +29 MiB +4.7 GiB$/m);
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
  const failed = rowOf({ name: "x", state: "failed", last_error: "why" }, undefined, undefined);
  const step = { failed: 0, count: 0, bytes: 0 };
  const maintenance = {
    enabled: true,
    running: { step: "expire", name: "jobs" },
    steps: {
      compact: { ...step, count: 64 },
      expire: { ...step, count: 100, bytes: 2048, failed: 1, last_error: { name: "bad", error: "why not" } },
      sweep: step,
    },
  };
  const text = render({ services: [failed], processes: [], maintenance });
  expect(text).toContain(
    "maintenance: 64 objects merged, 100 versions (2.0 KiB) and 0 orphans (0 B) removed; now: expire jobs",
  );
  expect(text).toContain("maintenance failed 1 times: expire of bad: why not");
  expect(text).toMatch(/^x +failed +– +– +– +– +– +– +– +– +–$/m);
  expect(text).toContain("x: why");
});
