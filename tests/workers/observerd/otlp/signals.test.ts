/** OTLP as nearly every exporter sends it: protobuf, plain and gzip, of traces, logs and metrics; and its JSON. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SpanStatusCode } from "@opentelemetry/api";
import { OTLPLogExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { OTLPMetricExporter } from "@opentelemetry/exporter-metrics-otlp-proto";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider } from "@opentelemetry/sdk-logs";
import { MeterProvider, PeriodicExportingMetricReader } from "@opentelemetry/sdk-metrics";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { gzipped, requestWith, spanWith } from "../../../support/clients/otlp-client.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../../support/stacks/observerd.ts";

const directory = temporaryDirectory("otlp-signals");
const protobuf = "application/x-protobuf";
let service: InProcessObserverd;
let server: ReturnType<typeof Bun.serve>;
/** What came, and the answer to it. */
const seen: { type: string | null; encoding: string | null; status: number; answered: string | null }[] = [];
beforeAll(async () => {
  const section = { chat_calls: false, max_otlp_bytes: 256 * 1024, max_otlp_spans: 50 };
  service = await startObserverd({ dataDir: directory.path, section });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: async (request) => {
      const response = await service.send(request);
      const { headers } = request;
      seen.push({
        type: headers.get("content-type"),
        encoding: headers.get("content-encoding"),
        status: response.status,
        answered: response.headers.get("content-type"),
      });
      return response;
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  await service.stop();
  directory.remove();
});

const newest = async (count: number) =>
  (await service.peer.verbs.events({ page_size: count })).events.reverse();
const total = async () => (await service.peer.verbs.stats({})).total;
const metric = async (series: string) => {
  const page = await (await service.send(new Request("http://localhost/metrics"))).text();
  const line = page.split("\n").find((text) => text.startsWith(`lakehouse_observerd_otlp_${series} `));
  return Number(line?.split(" ").at(-1) ?? 0);
};
const send = (
  signal: string,
  body: BodyInit,
  headers: Record<string, string> = { "content-type": protobuf },
) =>
  service.send(new Request(`http://localhost/observer/otlp/v1/${signal}`, { method: "POST", headers, body }));
const resource = resourceFromAttributes({ "service.name": "co-pilot" });
// The enum of this choice lives in a package that is not ours; its value is this word.
const settings = (signal: string, gzip: boolean) =>
  ({
    url: `http://127.0.0.1:${server.port}/observer/otlp/v1/${signal}`,
    ...(gzip && { compression: "gzip" }),
  }) as object;

describe.each([false, true])("the official exporters in protobuf (gzip: %p)", (gzip) => {
  const expectTaken = (from: number) => {
    for (const each of seen.slice(from))
      expect(each).toEqual({
        type: protobuf,
        encoding: gzip ? "gzip" : null,
        status: 200,
        answered: protobuf,
      });
    expect(seen.length).toBeGreaterThan(from);
  };

  test("spans become the operations that JSON makes of them", async () => {
    const from = seen.length;
    const provider = new BasicTracerProvider({
      resource,
      spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter(settings("traces", gzip)))],
    });
    const began = new Date(Date.now() - 5000);
    const attributes = {
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-4o",
      int: -7,
      big: 2 ** 40,
      double: 0.5,
      yes: true,
      list: ["a", "b"],
    };
    const span = provider.getTracer("tests").startSpan("chat gpt-4o", { startTime: began, attributes });
    span.recordException(new TypeError("state is not a column"));
    span.setStatus({ code: SpanStatusCode.ERROR, message: "the tool failed" });
    span.end(new Date(began.getTime() + 1500));
    await provider.forceFlush();
    await provider.shutdown();
    expectTaken(from);
    const [one] = await newest(1);
    expect(one).toMatchObject({
      endpoint: "chat gpt-4o",
      source: "otlp",
      success: false,
      error: "TypeError: state is not a column",
      duration_ms: 1500,
      timestamp: began.toISOString(),
      run_id: span.spanContext().traceId,
      model: "gpt-4o",
    });
    expect(one?.attributes).toMatchObject({
      span_id: span.spanContext().spanId,
      "service.name": "co-pilot",
      int: -7,
      big: 2 ** 40,
      double: 0.5,
      yes: true,
      list: ["a", "b"],
    });
  });

  test("logged errors become operations; other records are counted, and the answer says so", async () => {
    const from = seen.length;
    const before = [await total(), await metric('log_records_total{outcome="counted"}')];
    const provider = new LoggerProvider({
      resource,
      processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(settings("logs", gzip)) })],
    });
    const logger = provider.getLogger("planner");
    logger.emit({ severityNumber: 9, severityText: "INFO", body: "all is well" });
    logger.emit({ severityNumber: 17, severityText: "ERROR", body: "the queue is full" });
    logger.emit({
      severityNumber: 13,
      eventName: "step.failed",
      body: "gave up",
      attributes: { "exception.type": "Timeout", "exception.message": "after 3 s" },
    });
    await provider.forceFlush();
    await provider.shutdown();
    expectTaken(from);
    expect([await total(), await metric('log_records_total{outcome="counted"}')]).toEqual([
      (before[0] ?? 0) + 2,
      (before[1] ?? 0) + 1,
    ]);
    const [first, second] = await newest(2);
    expect(first).toMatchObject({ endpoint: "planner", success: false, error: "the queue is full" });
    expect(first?.attributes).toMatchObject({ severity: "ERROR", "service.name": "co-pilot" });
    expect(second).toMatchObject({ endpoint: "step.failed", success: false, error: "Timeout: after 3 s" });
    expect(second?.attributes).toMatchObject({ message: "gave up" });
  });

  test("data points are counted", async () => {
    const from = seen.length;
    const before = await metric('data_points_total{outcome="counted"}');
    const exporter = new OTLPMetricExporter(settings("metrics", gzip));
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 600_000 });
    const provider = new MeterProvider({ resource, readers: [reader] });
    const meter = provider.getMeter("tests");
    meter.createCounter("tokens").add(5, { model: "a" });
    meter.createCounter("calls").add(1, { model: "b" });
    meter.createHistogram("seconds").record(0.5);
    await provider.forceFlush();
    await provider.shutdown();
    expectTaken(from);
    expect(await metric('data_points_total{outcome="counted"}')).toBeGreaterThanOrEqual(before + 3);
  });
});

describe("answers in kind", () => {
  // A request in protobuf whose only span has no name: resourceSpans { scopeSpans { spans { traceId, spanId } } }.
  const nested = (number: number, bytes: number[]) => [(number << 3) | 2, bytes.length, ...bytes];
  const ids = [...nested(1, Array(16).fill(7)), ...nested(2, Array(8).fill(9))];
  const nameless = new Uint8Array(nested(1, nested(2, nested(2, ids))));

  test("partial success in protobuf says how many, and why", async () => {
    const response = await send("traces", nameless);
    expect([response.status, response.headers.get("content-type")]).toEqual([200, protobuf]);
    const bytes = Buffer.from(await response.arrayBuffer());
    // partial_success { rejected_spans: 1, error_message: … }
    expect([...bytes.subarray(0, 1), ...bytes.subarray(2, 5)]).toEqual([0x0a, 0x08, 1, 0x12]);
    expect(bytes.toString()).toContain("name is missing");
  });

  test("an empty request is one of nothing, and its answer is empty", async () => {
    for (const signal of ["traces", "logs", "metrics"]) {
      const response = await send(signal, new Uint8Array());
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 0]);
      const json = await send(signal, "{}", { "content-type": "application/json" });
      expect([json.status, await json.json()]).toEqual([200, {}]);
    }
  });

  test("what is only counted is reported in JSON as well", async () => {
    const headers = { "content-type": "application/json" };
    const logs = {
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityNumber: "SEVERITY_NUMBER_INFO" }] }] }],
    };
    expect(await (await send("logs", JSON.stringify(logs), headers)).json()).toEqual({
      partialSuccess: {
        rejectedLogRecords: "1",
        errorMessage: expect.stringContaining("those of errors are"),
      },
    });
    const points = { name: "x", sum: { dataPoints: [{ asInt: "1" }, { asInt: "2" }] } };
    const metrics = { resourceMetrics: [{ scopeMetrics: [{ metrics: [points] }] }] };
    expect(await (await send("metrics", JSON.stringify(metrics), headers)).json()).toEqual({
      partialSuccess: { rejectedDataPoints: "2", errorMessage: expect.stringContaining("2 data points") },
    });
  });

  const broken: [string, Uint8Array, Record<string, string>, number, string][] = [
    ["no protobuf", new TextEncoder().encode("hello"), {}, 400, "no OTLP request in protobuf"],
    ["a message that ends early", nameless.slice(0, -4), {}, 400, "no OTLP request"],
    ["another wire type", new Uint8Array([0x08, 1]), {}, 400, "wire type"],
    ["an endless number", new Uint8Array(20).fill(255), {}, 400, "no OTLP request"],
    ["too much of it", new Uint8Array(300_000), {}, 413, "at most"],
    [
      "too much packed",
      gzipped("x".repeat(3_000_000)),
      { "content-encoding": "gzip" },
      413,
      "unpacks to more",
    ],
    ["what is no gzip", nameless, { "content-encoding": "gzip" }, 400, "cannot be unpacked"],
    ["messages without end", deep(100), {}, 400, "more than 64 deep"],
  ];
  test.each(broken)("%s is refused whole, in protobuf", async (_name, body, headers, status, says) => {
    const before = await total();
    const response = await send("traces", body as Uint8Array<ArrayBuffer>, {
      "content-type": protobuf,
      ...headers,
    });
    expect([response.status, response.headers.get("content-type")]).toEqual([status, protobuf]);
    expect(await response.text()).toContain(says);
    expect(response.headers.get("x-request-id")).toBeTruthy();
    expect(await total()).toBe(before);
  });

  test("another media type is refused with those there are", async () => {
    const response = await send("logs", "x", { "content-type": "text/plain" });
    expect(response.status).toBe(415);
    expect((await response.json()).error.message).toContain("application/x-protobuf or application/json");
  });

  test("the same span in both encodings is one", async () => {
    const before = await total();
    const headers = { "content-type": "application/json" };
    const span = spanWith({ traceId: "07".repeat(16), spanId: "09".repeat(8), name: "n" });
    await send("traces", JSON.stringify(requestWith([span])), headers);
    const time = (number: number) => [(number << 3) | 1, 0, 0, 0x40, 0x2e, 0x79, 0xd9, 0x83, 0x18];
    const all = [...ids, ...nested(5, [0x6e]), ...time(7), ...time(8)];
    await send("traces", new Uint8Array(nested(1, nested(2, nested(2, all)))));
    expect(await total()).toBe(before + 1);
  });
});

/** A value in a list in a value …, as an attribute of a span. */
function deep(levels: number): Uint8Array {
  let bytes = Buffer.from([0x10, 1]);
  const wrap = (number: number) => {
    const length: number[] = [];
    for (let rest = bytes.length; ; rest >>= 7) {
      length.push(rest > 127 ? (rest & 127) | 128 : rest);
      if (rest <= 127) break;
    }
    bytes = Buffer.concat([Buffer.from([(number << 3) | 2, ...length]), bytes]);
  };
  for (let level = 0; level < levels; level++) for (const number of [1, 5]) wrap(number);
  for (const number of [2, 9, 2, 2, 1]) wrap(number);
  return new Uint8Array(bytes);
}

test("a request with an Idempotency-Key is recorded once, and another with the same key is refused", async () => {
  const record = (text: string) =>
    JSON.stringify({
      resourceLogs: [{ scopeLogs: [{ logRecords: [{ severityNumber: 17, body: { stringValue: text } }] }] }],
    });
  const keyed = { "content-type": "application/json", "idempotency-key": "sent-again" };
  const before = await total();
  const answers = [await send("logs", record("a"), keyed), await send("logs", record("a"), keyed)];
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  expect(await total()).toBe(before + 1);
  expect((await send("logs", record("b"), keyed)).status).toBe(409);
  const bytes = Buffer.from([0x0a, 0x04, 0x12, 0x02, 0x12, 0x00]);
  const conflict = await send("logs", bytes, { ...keyed, "content-type": protobuf });
  expect([conflict.status, conflict.headers.get("content-type")]).toEqual([409, protobuf]);
  await send("logs", record("a"), { "content-type": "application/json" });
  expect(await total()).toBe(before + 2);
});
