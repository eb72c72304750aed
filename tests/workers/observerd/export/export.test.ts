/** Operations on their way out, against a collector in a process of its own that has its faults. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Config } from "../../../../runtime/config/settings.ts";
import type { InputOf } from "../../../../runtime/contract/endpoints.ts";
import { askedWaitMs, authorizationOf } from "../../../../runtime/otlp/otlp.ts";
import type { Observerd } from "../../../../workers/observerd/contract.ts";
import { type CollectedSpan, spansOf, startOtlpCollector } from "../../../support/clients/otlp-collector.ts";
import type { FakeServer } from "../../../support/model-servers/fake-server.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../../support/stacks/observerd.ts";

type EventInput = InputOf<Observerd["endpoints"]["event"]>;

const key = "pk-lf-public:sk-lf-very-secret";
const basic = `Basic ${Buffer.from(key).toString("base64")}`;
let collector: FakeServer;
let own: ReturnType<typeof temporaryDirectory>;
let service: InProcessObserverd | undefined;

beforeAll(async () => {
  collector = await startOtlpCollector();
});
afterAll(() => collector.stop());
beforeEach(async () => {
  await collector.reset();
  own = temporaryDirectory("export");
});
afterEach(async () => {
  await collector.release();
  await service?.stop();
  service = undefined;
  own.remove();
});

const start = async (section: Partial<Config["observerd"]> = {}, secret = key) => {
  const loops = {
    error_analysis: false,
    playbook_consolidation: false,
    overseer_corrections: false,
    escalation: false,
  };
  const quick = {
    otlp_export_url: `${collector.url}/v1/traces`,
    otlp_export_interval_ms: 10,
  };
  const all = { chat_calls: false, ...loops, ...quick, ...section };
  const { otlp_export_provider: named = "langfuse" } = section;
  const provider = (name: string) => (name === named && secret !== "" ? secret : undefined);
  const secrets = { s3: () => undefined, provider };
  service = await startObserverd({ dataDir: own.path, section: all, secrets });
  return service;
};
const record = async (more: Partial<EventInput> = {}) => {
  if (!service) throw new Error("not started");
  return service.peer.verbs.event({ endpoint: "/v1/sql", success: true, duration_ms: 12.5, ...more });
};
const page = async () => {
  const response = await service?.send(new Request("http://localhost/metrics"));
  return (await response?.text()) ?? "";
};
const metric = async (outcome: string) => {
  const found = new RegExp(
    `^lakehouse_observerd_export_operations_total\\{outcome="${outcome}"\\} (\\d+)$`,
    "m",
  ).exec(await page());
  return Number(found?.[1] ?? 0);
};
/** Waits for what has no event: the counter after an answer. */
const counted = async (outcome: string, count: number) => {
  while ((await metric(outcome)) < count) {
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  expect(await metric(outcome)).toBe(count);
};
const sent = async (): Promise<CollectedSpan[]> => (await collector.requests()).flatMap(spansOf);
const attributesOf = (span: CollectedSpan | undefined) =>
  Object.fromEntries(span?.attributes.map(({ key: name, value }) => [name, Object.values(value)[0]]) ?? []);
const everythingLogged = async () => JSON.stringify(service?.log) + (await page());

test("an operation arrives as a span, with the key as Basic credentials", async () => {
  await start();
  const run = "5b8efff798038103d269b633813fc60c";
  const { id } = await record({
    run_id: run,
    model: "gpt-4o",
    timestamp: "2026-01-01T00:00:00.000Z",
    input_summary: "question",
    output_summary: "answer",
    attributes: { depth: "3", nested: { a: 1 } },
  });
  await counted("sent", 1);
  const [request] = await collector.requests();
  expect(request?.headers).toMatchObject({ authorization: basic, "content-type": "application/json" });
  const [span] = await sent();
  expect(span).toMatchObject({
    traceId: run,
    name: "/v1/sql",
    startTimeUnixNano: "1767225600000000000",
    endTimeUnixNano: "1767225600012500000",
    status: { code: 1 },
  });
  expect(span?.spanId).toMatch(/^[0-9a-f]{16}$/);
  expect(attributesOf(span)).toMatchObject({
    "lakehouse.operation_id": id,
    "langfuse.observation.type": "generation",
    "langfuse.observation.input": "question",
    "langfuse.observation.output": "answer",
    "gen_ai.request.model": "gpt-4o",
    depth: "3",
    nested: '{"a":1}',
  });
});

test("a failure is an error with its message; one run is one trace", async () => {
  await start();
  await record({ success: false, error: "boom", run_id: "run of ours" });
  await record({ run_id: "run of ours" });
  await record();
  await counted("sent", 3);
  const [first, second, third] = await sent();
  expect(first?.status).toEqual({ code: 2, message: "boom" });
  expect(first?.traceId).toBe(second?.traceId ?? "");
  expect(third?.traceId).not.toBe(first?.traceId ?? "");
});

test("what came by OTLP does not leave by it", async () => {
  await start();
  await record({ source: "otlp" });
  await record({ source: "langfuse" });
  await record({ endpoint: "last" });
  await counted("sent", 1);
  expect((await sent()).map(({ name }) => name)).toEqual(["last"]);
});

test("without a URL nothing is sent or counted; without a secret no header is", async () => {
  await start({ otlp_export_url: "" });
  await record();
  expect(await page()).not.toContain("observerd_export");
  await service?.stop();
  await start({}, "");
  await record();
  await counted("sent", 1);
  const [request] = await collector.requests();
  expect(request?.headers.authorization).toBeUndefined();
});

test("batches are as large as they may be", async () => {
  await start({ otlp_export_batch: 10, otlp_export_interval_ms: 60_000 });
  await Promise.all(Array.from({ length: 25 }, () => record()));
  await collector.arrived(2);
  await counted("sent", 20);
  expect((await collector.requests()).map((request) => spansOf(request).length)).toEqual([10, 10]);
  await service?.stop();
  service = undefined;
  expect(await sent()).toHaveLength(25);
});

test("a batch is no larger than endpoints take, in bytes", async () => {
  await start({ otlp_export_interval_ms: 50 });
  const output_summary = "x".repeat(60_000);
  await Promise.all(Array.from({ length: 60 }, () => record({ output_summary })));
  await counted("sent", 60);
  const sizes = (await collector.requests()).map(({ headers }) => Number(headers["content-length"]));
  expect(Math.max(...sizes)).toBeLessThan(3_000_000);
  expect(sizes.length).toBeGreaterThan(1);
});

describe("faults", () => {
  test("429 with Retry-After is waited for, then all arrives once", async () => {
    await start();
    await collector.set({ status: 429, failures: 1, retryAfter: 1 });
    const began = performance.now();
    await record();
    await counted("sent", 1);
    expect(performance.now() - began).toBeGreaterThanOrEqual(950);
    expect(await collector.requests()).toHaveLength(2);
    expect(new Set((await sent()).map(({ spanId }) => spanId)).size).toBe(1);
  });

  test("503 until tries are used up: dropped, counted, logged; the next batch is sent", async () => {
    await start({ otlp_export_retries: 2 });
    await collector.set({ status: 503, failures: 3, retryAfter: 0 });
    await record();
    await counted("dropped_exhausted", 1);
    expect(await collector.requests()).toHaveLength(3);
    await record();
    await counted("sent", 1);
    const warning = service?.log.find(({ msg }) => msg === "operations could not be exported");
    expect(warning).toMatchObject({ level: "warn", dropped: 1, why: "it answered 503" });
  });

  for (const status of [500, 400, 401, 404])
    test(`${status} is final, as OTLP says: dropped without another try`, async () => {
      await start();
      await collector.set({ status, failures: 1 });
      await record();
      await counted("dropped_refused", 1);
      await record();
      await counted("sent", 1);
      expect(await collector.requests()).toHaveLength(2);
    });

  test("a redirect is not followed: the key is for this endpoint alone", async () => {
    await start();
    await collector.set({ status: 307, failures: 1, location: `${collector.url}/elsewhere` });
    await record();
    await counted("dropped_refused", 1);
    expect((await collector.requests()).map(({ path }) => path)).toEqual(["/v1/traces"]);
  });

  test("a hang is given up after the timeout, and recording never waits for it", async () => {
    await start({ otlp_export_retries: 0, otlp_export_timeout_ms: 2000 });
    await collector.hold();
    await record();
    await collector.arrived(1);
    for (let n = 0; n < 20; n++) await record();
    await collector.gone(1);
    await counted("dropped_exhausted", 1);
    await collector.release();
    await counted("sent", 20);
    const warning = service?.log.find(({ msg }) => msg === "operations could not be exported");
    expect(warning?.why).toBe("it did not answer within 2000 ms");
  });

  test("nobody listens", async () => {
    await start({ otlp_export_url: "http://127.0.0.1:1/v1/traces", otlp_export_retries: 0 });
    await record();
    await counted("dropped_exhausted", 1);
    expect(service?.log.find(({ level }) => level === "warn")?.why).toContain("it could not be reached");
  });

  test("what the queue cannot hold is dropped and counted; the waiting ones are sent", async () => {
    await start({ otlp_export_queue: 5 });
    await collector.hold();
    await record({ endpoint: "held" });
    await collector.arrived(1);
    for (let n = 0; n < 10; n++) await record({ endpoint: `${n}` });
    expect(await metric("dropped_full")).toBe(6);
    expect(await page()).toContain("lakehouse_observerd_export_waiting 5\n");
    await collector.release();
    await counted("sent", 5);
    expect((await sent()).map(({ name }) => name)).toEqual(["held", "0", "1", "2", "3"]);
    expect((await service?.peer.verbs.stats({}))?.total).toBe(11);
  });

  test("spans the endpoint rejects are counted, whatever it answers", async () => {
    await start();
    await collector.set({ rejects: 1 });
    await Promise.all([record(), record()]);
    await counted("dropped_rejected", 1);
    await collector.set({ plain: true });
    await record();
    await counted("sent", 2);
  });

  test("stopping sends what waits, and does not wait for an endpoint that hangs", async () => {
    await start({ otlp_export_interval_ms: 60_000 });
    await record();
    await service?.stop();
    expect(await sent()).toHaveLength(1);
    await collector.reset();
    await start({});
    await collector.hold();
    await record();
    await collector.arrived(1);
    await service?.stop();
    expect(await metric("dropped_stopped")).toBe(1);
    service = undefined;
  });
});

describe("the key", () => {
  test("is in no log line and no metric, whatever goes wrong", async () => {
    await start({ otlp_export_retries: 0 });
    for (const status of [401, 500, 503]) {
      await collector.set({ status, failures: 1 });
      await record();
      await counted(status === 503 ? "dropped_exhausted" : "dropped_refused", status === 500 ? 2 : 1);
    }
    await collector.set({ status: 200, rejects: 1, echo: true });
    await record();
    await counted("dropped_rejected", 1);
    const logged = await everythingLogged();
    expect(logged).toContain("not with Basic [hidden]");
    for (const secret of [key, "very-secret", basic.slice(6)]) expect(logged).not.toContain(secret);
  });

  test("may stand in the URL, and leaves it", async () => {
    const url = `${collector.url}/v1/traces`.replace("://", "://pk-lf-public:sk-lf-very-secret@");
    await start({ otlp_export_url: url }, "");
    await record();
    await counted("sent", 1);
    const [request] = await collector.requests();
    expect(request?.headers.authorization).toBe(basic);
    expect(await everythingLogged()).not.toContain("very-secret");
  });

  test("is Basic when it is a pair, else Bearer", () => {
    expect(authorizationOf(key)).toBe(basic);
    expect(authorizationOf("abc")).toBe("Bearer abc");
  });
});

test("an endpoint that asks for more than a minute gets a minute", () => {
  const wait = (headers: Record<string, string>) => askedWaitMs(new Headers(headers), { now: () => 0 });
  expect([wait({ "retry-after": "3" }), wait({ "retry-after": "999999" }), wait({})]).toEqual([
    3000,
    60_000,
    undefined,
  ]);
});
