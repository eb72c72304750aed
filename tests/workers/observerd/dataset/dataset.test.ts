/** The operations in SQL, through the real queryd, and the statistics that are a question to them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { InputOf } from "../../../../runtime/contract/endpoints.ts";
import { subjectOf } from "../../../../runtime/erasure/erasure.ts";
import type { Observerd } from "../../../../workers/observerd/contract.ts";
import { refused, runCases } from "../../../support/clients/api-case.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, playChatCalls, startObserverd } from "../../../support/stacks/observerd.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

const directory = temporaryDirectory("operations-in-sql");
const chat = playChatCalls();
let sql: QuerydStack;
let service: InProcessObserverd;
const start = () =>
  startObserverd({
    dataDir: directory.path,
    // Files so small that the log goes on in a second one.
    section: { segment_bytes: 4096 },
    chatd: chat.verbs,
    peers: { queryd: sql.queryd.peer, storaged: sql.storaged.peer },
  });

beforeAll(async () => {
  sql = await startQuerydStack();
  service = await start();
});
afterAll(async () => {
  await service.stop();
  await sql.stop();
  directory.remove();
});

type EventInput = InputOf<Observerd["endpoints"]["event"]>;
const event = (more: Partial<EventInput> = {}) =>
  service.peer.verbs.event({ endpoint: "/v1/sql", success: true, duration_ms: 5, ...more });
const table = "observer.operations";
const rows = (text: string, params?: unknown[]) => sql.rows(text, params);
const countNow = async () => Number((await rows(`SELECT count(*)::INTEGER AS n FROM ${table}`))[0]?.n);
const partsHeld = () => readdirSync(join(sql.directory, "queryd", "live")).length;

test("a table without rows has its columns, in every list of tables", async () => {
  expect(await countNow()).toBe(0);
  const columns = await rows(
    "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'observer' AND table_name = 'operations'",
  );
  expect(columns).toContainEqual({ column_name: "timestamp", data_type: "TIMESTAMP WITH TIME ZONE" });
  expect(columns).toHaveLength(16);
  expect(await rows("SELECT name FROM (SHOW ALL TABLES) WHERE schema = 'observer'")).toEqual([
    { name: "operations" },
  ]);
});

test("its plan is told as that of any table, and its columns are described", async () => {
  await event({ model: "planned" });
  const where = `FROM ${table} WHERE model = 'planned'`;
  for (const words of ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN (FORMAT JSON)"]) {
    const [plan] = await rows(`${words} SELECT endpoint ${where}`);
    expect(String(plan?.explain_value)).toMatch(/READ_PARQUET/);
    expect(String(plan?.explain_value)).not.toContain(sql.directory);
  }
  const described = await rows(`DESCRIBE ${table}`);
  expect(described.map(({ column_name: name }) => name)).toContain("endpoint");
  expect(await rows(`SELECT column_name FROM (SUMMARIZE SELECT model ${where})`)).toEqual([
    { column_name: "model" },
  ]);
});

test("what was recorded is read by the very next statement, value by value", async () => {
  const { id } = await event({
    timestamp: "2026-01-31T12:00:00.25Z",
    source: "mcp",
    success: false,
    duration_ms: 12.5,
    error: 'it\'s "away"',
    model: "m",
    run_id: "r",
    attributes: { "gen_ai.usage.input_tokens": 7, deep: { a: ["é"] }, cost_usd: "0.5" },
  });
  expect(await rows(`SELECT * FROM ${table} WHERE id = $1`, [id])).toEqual([
    {
      id,
      timestamp: "2026-01-31T12:00:00.250Z",
      source: "mcp",
      endpoint: "/v1/sql",
      success: false,
      duration_ms: 12.5,
      model: "m",
      run_id: "r",
      trace_uid: null,
      error: 'it\'s "away"',
      input_summary: null,
      output_summary: null,
      prompt_tokens: 7,
      completion_tokens: null,
      cost_usd: 0.5,
      attributes: { "gen_ai.usage.input_tokens": 7, deep: { a: ["é"] }, cost_usd: "0.5" },
    },
  ]);
  chat.add({
    model: "openrouter/x",
    prompt_tokens: 11,
    completion_tokens: 3,
    cost_usd: 0.25,
    duration_ms: 40,
  });
  expect(await rows(`SELECT prompt_tokens, cost_usd FROM ${table} WHERE source = 'chatd'`)).toEqual([
    { prompt_tokens: 11, cost_usd: 0.25 },
  ]);
});

test("a log of many files is read whole, with joins of itself, and what is not needed goes", async () => {
  const before = await countNow();
  for (let batch = 0; batch < 6; batch++)
    await Promise.all(Array.from({ length: 10 }, () => event({ input_summary: "x".repeat(200) })));
  const found = await Promise.all(Array.from({ length: 4 }, countNow));
  expect(found).toEqual([before + 60, before + 60, before + 60, before + 60]);
  const [joined] = await rows(
    `SELECT count(*)::INTEGER AS n FROM ${table} AS a JOIN ${table.toUpperCase()} AS b USING (id)`,
  );
  expect(joined?.n).toBe(before + 60);
  const held = partsHeld();
  expect(held).toBeGreaterThan(2);
  await event();
  expect(await countNow()).toBe(before + 61);
  expect(partsHeld()).toBeLessThanOrEqual(held + 1);
});

test("it has no versions and cannot be written", async () => {
  const says = async (body: object) => {
    const response = await sql.sql(body as Record<string, unknown>);
    return [response.status, (await response.text()).slice(0, 300)] as const;
  };
  const now = `SELECT 1 FROM ${table}`;
  expect(await says({ sql: now, as_of: "2026-01-01T00:00:00Z" })).toEqual([
    400,
    expect.stringContaining("has no versions"),
  ]);
  expect(await says({ sql: `SELECT 1 FROM observer."operations@3"` })).toEqual([
    400,
    expect.stringContaining("has no versions"),
  ]);
  expect((await says({ sql: `DELETE FROM ${table}` }))[0]).toBe(403);
});

test("who is erased is in no file of queryd either", async () => {
  const id = "W-77421";
  await event({ input_summary: `about ${id}` });
  const about = `SELECT count(*)::INTEGER AS n FROM ${table} WHERE contains(input_summary, $1)`;
  expect(await rows(about, [id])).toEqual([{ n: 1 }]);
  const subject = subjectOf(id);
  const asked = { who: "ann", why: "asked", dryRun: false, requestId: "r" };
  await service.running.erase?.({ ...asked, subject, signal: AbortSignal.timeout(60_000) });
  expect(partsHeld()).toBe(0);
  expect(await rows(about, [id])).toEqual([{ n: 0 }]);
});

describe("statistics over time", () => {
  test("quantiles, tokens and cost by model, exact", async () => {
    const timed = { model: "timed", attributes: { prompt_tokens: 2 } };
    await Promise.all(
      Array.from({ length: 100 }, (_, at) => event({ ...timed, duration_ms: at + 1, success: at >= 10 })),
    );
    const {
      groups = [],
      since,
      until,
      total,
    } = await service.peer.verbs.stats({ window: "1h", by: "model" });
    expect(groups.find(({ model }) => model === "timed")).toEqual({
      model: "timed",
      total: 100,
      failures: 10,
      p50_ms: 50.5,
      p90_ms: expect.closeTo(90.1, 9),
      p99_ms: expect.closeTo(99.01, 9),
      max_ms: 100,
      prompt_tokens: 200,
    });
    expect(Date.parse(until ?? "") - Date.parse(since ?? "")).toBe(3_600_000);
    const all = await service.peer.verbs.stats({ by: "source" });
    expect(all.groups?.reduce((sum, group) => sum + group.total, 0)).toBe(total);
  });

  test("in steps, in order of time", async () => {
    const hour = 3_600_000;
    const old = new Date(Date.now() - 5 * hour).toISOString();
    await event({ endpoint: "/old", timestamp: old });
    const { groups = [] } = await service.peer.verbs.stats({ window: "6h", every: "1h", by: "endpoint" });
    expect(groups[0]).toMatchObject({
      endpoint: "/old",
      total: 1,
      start: new Date(Math.floor(Date.parse(old) / hour) * hour).toISOString(),
    });
    const starts = groups.map(({ start = "" }) => start);
    expect(starts).toEqual([...starts].sort());
    const { groups: none } = await service.peer.verbs.stats({ window: "1m", by: "endpoint", every: "1m" });
    expect(none?.some(({ endpoint }) => endpoint === "/old")).toBe(false);
  });

  const stats = (query: string) => ({ path: `/observer/stats?${query}` });
  runCases(
    [
      refused("a window in words", stats("window=day"), "invalid_field", "window"),
      refused("a window of nothing", stats("window=0h"), "invalid_field", "window"),
      refused("by the person", stats("by=person"), "invalid_field", "by"),
      refused("steps without a window", stats("every=1h"), "invalid_field", "expected a window"),
      refused("too many steps", stats("window=30d&every=1m"), "invalid_field", "at most 1000 steps"),
    ],
    () => service.send,
  );
});

test("while observerd is away a statement says so; a start goes on", async () => {
  await service.stop();
  const response = await sql.sql(`SELECT count(*) FROM ${table}`);
  expect([response.status, await response.text()]).toEqual([
    503,
    expect.stringContaining("observerd, which keeps its rows, does not answer"),
  ]);
  expect((await sql.sql("SELECT 42 AS n")).status).toBe(200);
  service = await start();
  const { total } = await service.peer.verbs.stats({});
  expect(await countNow()).toBe(total);
});
