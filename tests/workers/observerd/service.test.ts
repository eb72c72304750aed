/** Events in, and what is read of them: at once, and after a start. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { type InProcessObserverd, playChatCalls, startObserverd } from "../../support/stacks/observerd.ts";

const directory = temporaryDirectory("observerd");
const section = { ring_operations: 20, recent_scenarios: 3 };
let service: InProcessObserverd;
beforeAll(async () => {
  service = await startObserverd({ dataDir: directory.path, section });
});
afterAll(async () => {
  await service.stop();
  directory.remove();
});
const verbs = () => service.peer.verbs;
const event = (more: object = {}) => ({ endpoint: "/v1/sql", success: true, duration_ms: 3, ...more });

test("an event is in statistics, ring and clusters when its POST has answered", async () => {
  for (let n = 1; n <= 30; n++) {
    const success = n % 3 !== 0;
    const source = n % 2 ? "mcp" : "scenario";
    const more = { success, run_id: `run ${n}`, source, ...(!success && { error: `no worker ${n}` }) };
    const { id } = await verbs().event(event(more));
    const { total, successes, failures, by_source } = await verbs().stats({});
    expect([total, successes, failures]).toEqual([n, n - Math.floor(n / 3), Math.floor(n / 3)]);
    expect(by_source.mcp).toBe(Math.ceil(n / 2));
    expect((await verbs().events({ page_size: 1 })).events[0]?.id).toBe(id);
    expect((await verbs().failures({})).clusters[0]?.count ?? 0).toBe(Math.floor(n / 3));
  }
});

test("statistics have the documented shape; the latest scenario is the last of them", async () => {
  const stats = await verbs().stats({});
  expect(Object.keys(stats)).toEqual(["total", "successes", "failures", "by_source", "recent_scenario_ops"]);
  expect(stats.recent_scenario_ops.map(({ run_id }) => run_id)).toEqual(["run 26", "run 28", "run 30"]);
});

test("the ring gives its operations newest first, by filters, in pages that others do not shift", async () => {
  const first = await verbs().events({ page_size: 8 });
  await verbs().event(event({ run_id: "meanwhile" }));
  const seen = [...first.events];
  for (let token = first.next_page_token; token !== undefined; ) {
    const page = await verbs().events({ page_size: 8, page_token: token });
    seen.push(...page.events);
    token = page.next_page_token;
  }
  // The ring holds 20; the operation that came meanwhile pushed the oldest out.
  expect(seen.map(({ run_id }) => run_id)).toEqual(Array.from({ length: 19 }, (_, at) => `run ${30 - at}`));
  const failed = await verbs().events({ success: false, source: "scenario" });
  expect(failed.events.map(({ run_id }) => run_id)).toEqual(["run 30", "run 24", "run 18", "run 12"]);
  expect((await verbs().events({ run_id: "run 29" })).events.length).toBe(1);
  expect((await verbs().events({ endpoint: "/v1/other" })).events).toEqual([]);
});

test("times: now unless given, in UTC, and the ring is asked since one", async () => {
  const before = new Date().toISOString();
  const now = await verbs().event(event());
  expect(now.timestamp >= before).toBe(true);
  expect(now.source).toBe("api");
  const recorded = await verbs().event(event({ timestamp: "2026-02-28T23:30:00.5-01:00", run_id: "past" }));
  expect(recorded.timestamp).toBe("2026-03-01T00:30:00.500Z");
  const { events } = await verbs().events({ since: before });
  expect(events.map(({ id }) => id)).toContain(now.id);
  expect(events.map(({ id }) => id)).not.toContain(recorded.id);
});

test("a source may be called as an object's own field is", async () => {
  await verbs().event(event({ source: "__proto__" }));
  await verbs().event(event({ source: "constructor" }));
  const answer = await service.send(new Request("http://localhost/observer/stats"));
  const text = await answer.text();
  expect(text).toContain('"__proto__":1');
  expect(text).toContain('"constructor":1');
});

test("failures alike are one cluster, with examples, span and rate", async () => {
  const at = (hour: number) => `2026-01-01T0${hour}:00:00.000Z`;
  for (let n = 0; n < 8; n++) {
    const error = `TimeoutError: query ${crypto.randomUUID()} took ${n}00 ms at '/tables/${n}'`;
    await verbs().event(
      event({ endpoint: `/v1/jobs/${n}`, success: false, error, timestamp: at(n), run_id: `${n}` }),
    );
  }
  const { clusters } = await verbs().failures({ endpoint: "/v1/jobs/99" });
  expect(clusters.length).toBe(1);
  expect(clusters[0]).toMatchObject({
    endpoint: "/v1/jobs/<n>",
    error_class: "TimeoutError",
    message: "TimeoutError: query <uuid> took <n> ms at <quoted>",
    count: 8,
    first_seen: at(0),
    last_seen: at(7),
    rate_per_hour: 8 / 7,
    recent: 0,
    growing: false,
  });
  expect(clusters[0]?.examples.map(({ run_id }) => run_id)).toEqual(["7", "6", "5", "4", "3"]);
});

test("clusters come in pages, the most frequent first", async () => {
  for (const name of ["a", "b", "c"])
    await verbs().event(event({ endpoint: "/pages", success: false, error: `only ${name}` }));
  const all = (await verbs().failures({})).clusters;
  const counts = all.map(({ count }) => count);
  expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  const paged: typeof all = [];
  for (let token: string | undefined; ; ) {
    const page = await verbs().failures({ page_size: 1, ...(token && { page_token: token }) });
    paged.push(...page.clusters);
    token = page.next_page_token;
    if (token === undefined) break;
  }
  expect(paged).toEqual(all);
});

test("a start finds everything as it was", async () => {
  const read = async () => ({
    stats: await verbs().stats({}),
    events: (await verbs().events({})).events,
    failures: (await verbs().failures({})).clusters,
  });
  const before = await read();
  await service.stop();
  service = await startObserverd({ dataDir: directory.path, section });
  expect(await read()).toEqual(before);
  expect(service.running.notReady?.()).toEqual([]);
});

test("an idempotency key records once", async () => {
  const { total } = await verbs().stats({});
  const once = () => verbs().event(event({ run_id: "once" }), { idempotencyKey: "key-1" });
  expect(await once()).toEqual(await once());
  expect((await verbs().stats({})).total).toBe(total + 1);
});

test("a call that chatd finished is in the statistics that follow", async () => {
  const home = temporaryDirectory("observerd-chat");
  const chat = playChatCalls();
  const stack = await startObserverd({ dataDir: home.path, chatd: chat.verbs });
  chat.add({ outcome: "timeout", error: "no answer in 60 s" });
  expect((await stack.peer.verbs.stats({})).by_source).toEqual({ chatd: 1 });
  const { clusters } = await stack.peer.verbs.failures({});
  expect(clusters[0]).toMatchObject({ endpoint: "/v1/chat", error_class: "timeout", count: 1 });
  await stack.stop();
  home.remove();
});
