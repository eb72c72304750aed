/** The small parts of the kit: restarts, order, metrics, logs, contracts, files. */
import { afterAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { closed, contract, get, post, t } from "../../runtime/contract/endpoints.ts";
import { makeDirectory, writeAtomic } from "../../runtime/durable/files.ts";
import { lockDirectory } from "../../runtime/store/lock.ts";
import { nextRestart } from "../../runtime/supervisor/restart.ts";
import { createLog } from "../../runtime/telemetry/log.ts";
import { createMetrics } from "../../runtime/telemetry/metrics.ts";
import { startOrder } from "../../runtime/topology.ts";
import { temporaryDirectory } from "../support/stacks/in-process.ts";

const directory = temporaryDirectory("kit");
afterAll(directory.remove);

test("restarts back off, then end; old ones are forgotten", () => {
  const rule = { backoff_ms: 50, backoff_max_ms: 300, restart_limit: 4, restart_window_ms: 1000 };
  expect(nextRestart([], 0, rule)).toBe(50);
  expect(nextRestart([0, 100], 200, rule)).toBe(200);
  expect(nextRestart([0, 100, 200], 300, rule)).toBe(300);
  expect(nextRestart([0, 100, 200, 300], 400, rule)).toBeUndefined();
  expect(nextRestart([0, 100, 200, 300], 1500, rule)).toBe(50);
});

test("services start after those they call; a cycle is refused", () => {
  expect(
    startOrder<"a" | "b" | "c">({ a: { calls: ["b", "c"] }, b: { calls: ["c"] }, c: { calls: [] } }),
  ).toEqual([["c"], ["b"], ["a"]]);
  expect(() => startOrder<"a" | "b">({ a: { calls: ["b"] }, b: { calls: ["a"] } })).toThrow("form a cycle");
});

test("metrics render as Prometheus text and bound their labels", () => {
  const metrics = createMetrics("t_");
  metrics.counter("requests_total", "Requests.").add(2, { path: 'a"b\\c\nd' });
  metrics.gauge("open", "Open.", () => 3);
  const histogram = metrics.histogram("seconds", "Time.", [0.1, 1]);
  for (const value of [0.05, 0.5, 5]) histogram.observe(value, { route: "/a" });
  expect(metrics.text()).toBe(`# HELP t_requests_total Requests.
# TYPE t_requests_total counter
t_requests_total{path="a\\"b\\\\c\\nd"} 2
# HELP t_open Open.
# TYPE t_open gauge
t_open 3
# HELP t_seconds Time.
# TYPE t_seconds histogram
t_seconds_bucket{route="/a",le="0.1"} 1
t_seconds_bucket{route="/a",le="1"} 2
t_seconds_bucket{route="/a",le="+Inf"} 3
t_seconds_sum{route="/a"} 5.55
t_seconds_count{route="/a"} 3
`);
  const many = metrics.counter("many_total", "Many.");
  for (let at = 0; at < 2000; at++) many.add(1, { at: String(at) });
  expect(metrics.text()).toContain('t_many_total{series="other"} 1000');
  expect(() => metrics.counter("open", "Again.")).toThrow("defined twice");
});

test("logs are JSON lines that hide secrets", () => {
  const lines: string[] = [];
  const log = createLog("storaged", "info", (line) => lines.push(line));
  log.debug("not shown");
  log.info("shown", {
    bytes: 5n,
    auth_token: "abc",
    nested: { secret_access_key: "def" },
    error: new Error("why", { cause: "x" }),
  });
  log.setLevel("debug");
  log.debug("now shown");
  expect(lines.length).toBe(2);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "info",
    service: "storaged",
    msg: "shown",
    bytes: "5",
    auth_token: "[hidden]",
    nested: { secret_access_key: "[hidden]" },
  });
  expect(lines.join("")).not.toMatch(/abc|def/);
  expect(lines.every((line) => line.endsWith("\n"))).toBe(true);
});

test("a contract refuses a field or a route that is defined twice", () => {
  const reply = closed({});
  const id = closed({ id: t.String() });
  expect(() => contract("x", { a: post("/a/:id", { summary: "", params: id, body: id, reply }) })).toThrow(
    "field 'id' is defined twice",
  );
  expect(() =>
    contract("x", { a: get("/a", { summary: "", reply }), b: get("/a", { summary: "", reply }) }),
  ).toThrow("route 'GET /a' is taken");
});

test("a directory has one owner at a time", async () => {
  const path = join(directory.path, "owned");
  await makeDirectory(path);
  const release = lockDirectory(path);
  const other = () =>
    Bun.spawnSync([
      process.execPath,
      "-e",
      `import { lockDirectory } from ${JSON.stringify(join(process.cwd(), "runtime/store/lock.ts"))}; lockDirectory(${JSON.stringify(path)})`,
    ]);
  expect(other().stderr.toString()).toContain("is in use by another process");
  release();
  expect(other().exitCode).toBe(0);
});

test("an atomic write leaves the old file whole when it fails, and nothing beside it", async () => {
  const path = join(directory.path, "atomic");
  await makeDirectory(path);
  await writeAtomic(join(path, "file"), "old");
  await makeDirectory(join(path, "blocked"));
  expect(writeAtomic(join(path, "blocked"), "new")).rejects.toThrow();
  await writeAtomic(join(path, "blocked"), "new").catch(() => {});
  await writeAtomic(join(path, "file"), new Uint8Array([110, 101, 119]));
  expect(readFileSync(join(path, "file"), "utf8")).toBe("new");
  expect(readdirSync(path).sort()).toEqual(["blocked", "file"]);
});
