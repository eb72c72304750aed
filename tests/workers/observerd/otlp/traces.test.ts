/** OTLP in: the official exporter over HTTP, and what a span becomes. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { SpanKind, SpanStatusCode } from "@opentelemetry/api";
import {
  type OtlpClient,
  requestWith,
  spanWith,
  startOtlpClient,
} from "../../../support/clients/otlp-client.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../../support/stacks/observerd.ts";

const path = "/observer/otlp/v1/traces";
const directory = temporaryDirectory("otlp");
let service: InProcessObserverd;
let server: ReturnType<typeof Bun.serve>;
const encodings: (string | null)[] = [];

beforeAll(async () => {
  service = await startObserverd({ dataDir: directory.path, section: { chat_calls: false } });
  server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request) => {
      encodings.push(request.headers.get("content-encoding"));
      return service.send(request);
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  await service.stop();
  directory.remove();
});

const newest = async (count: number) => {
  const { events } = await service.peer.verbs.events({ page_size: count });
  return events.reverse();
};
const total = async () => (await service.peer.verbs.stats({})).total;
const value = (key: string, text: string) => ({ key, value: { stringValue: text } });
const send = async (spans: readonly unknown[], resource?: Record<string, unknown>) => {
  const body = JSON.stringify(requestWith(spans, resource));
  const headers = { "content-type": "application/json" };
  const response = await service.send(
    new Request(`http://localhost${path}`, { method: "POST", headers, body }),
  );
  expect(response.status).toBe(200);
  return (await response.json()) as { partialSuccess?: { rejectedSpans: string; errorMessage: string } };
};
let made = 0;
/** A span with ids of its own. */
const fresh = (changes: Record<string, unknown> = {}) =>
  spanWith({ spanId: (++made).toString(16).padStart(16, "0"), ...changes });
/** What one span became. */
const operation = async (changes: Record<string, unknown>, resource?: Record<string, unknown>) => {
  expect(await send([fresh(changes)], resource)).toEqual({});
  const [one] = await newest(1);
  if (!one) throw new Error("nothing was recorded");
  return one;
};

for (const gzip of [false, true])
  describe(`the official exporter over HTTP, ${gzip ? "gzip" : "plain"}`, () => {
    let client: OtlpClient;
    beforeEach(() => {
      client = startOtlpClient(`http://127.0.0.1:${server.port}${path}`, { gzip });
    });
    afterEach(() => client.stop());

    test("a call of a model and a tool become operations when the exporter's flush has ended", async () => {
      const before = await total();
      const began = new Date();
      const chat = client.tracer.startSpan("chat gpt-4o", {
        kind: SpanKind.CLIENT,
        startTime: began,
        attributes: {
          "gen_ai.operation.name": "chat",
          "gen_ai.request.model": "gpt-4o",
          "gen_ai.usage.input_tokens": 12,
          "gen_ai.request.stop_sequences": ["a", "b"],
          "gen_ai.input.messages": '[{"role":"user","content":"who is near Chicago?"}]',
          "gen_ai.output.messages": '[{"role":"assistant","content":"Maria"}]',
        },
      });
      chat.setStatus({ code: SpanStatusCode.OK });
      chat.end(new Date(began.getTime() + 1500));
      const tool = client.tracer.startSpan("execute_tool find_workers", {
        attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find_workers" },
      });
      tool.recordException(new TypeError("state is not a column"));
      tool.setStatus({ code: SpanStatusCode.ERROR, message: "the tool failed" });
      tool.end();
      await client.flush();
      expect(encodings.at(-1)).toBe(gzip ? "gzip" : null);
      expect(await total()).toBe(before + 2);
      const [first, second] = await newest(2);
      expect(first).toMatchObject({
        endpoint: "chat gpt-4o",
        source: "otlp",
        success: true,
        duration_ms: 1500,
        timestamp: began.toISOString(),
        run_id: chat.spanContext().traceId,
        model: "gpt-4o",
        input_summary: '[{"role":"user","content":"who is near Chicago?"}]',
        output_summary: '[{"role":"assistant","content":"Maria"}]',
      });
      expect(first?.attributes).toMatchObject({
        span_id: chat.spanContext().spanId,
        span_kind: "client",
        "service.name": "co-pilot",
        "gen_ai.usage.input_tokens": 12,
        "gen_ai.request.stop_sequences": ["a", "b"],
      });
      expect(second).toMatchObject({
        endpoint: "execute_tool find_workers",
        success: false,
        error: "TypeError: state is not a column",
        run_id: tool.spanContext().traceId,
      });
      expect(second?.attributes).toMatchObject({
        status_message: "the tool failed",
        "span.events": [
          {
            name: "exception",
            attributes: { "exception.type": "TypeError", "exception.message": "state is not a column" },
          },
        ],
      });
      const { clusters } = await service.peer.verbs.failures({ endpoint: "execute_tool find_workers" });
      expect(clusters[0]?.examples[0]?.id).toBe(second?.id ?? "");
    });

    test("hundreds of spans arrive, each once", async () => {
      const before = await total();
      for (let n = 0; n < 700; n++) client.tracer.startSpan(`span ${n}`).end();
      await client.flush();
      expect(await total()).toBe(before + 700);
    });
  });

describe("what a span is called", () => {
  const rows: [string, Record<string, string>, string][] = [
    ["its own name", {}, "GET"],
    ["the route of a request", { "http.route": "/v1/sql/:id", "url.path": "/v1/sql/7" }, "/v1/sql/:id"],
    ["the path without its query", { "url.path": "/v1/sql?token=x" }, "/v1/sql"],
    ["the old name of the path", { "http.target": "/v1/old?a=1" }, "/v1/old"],
    ["a call of a model", { "gen_ai.operation.name": "chat", "gen_ai.request.model": "m" }, "chat m"],
    [
      "an agent",
      { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "scout" },
      "invoke_agent scout",
    ],
    ["an operation on nothing", { "gen_ai.operation.name": "embeddings" }, "embeddings"],
  ];
  for (const [name, attributes, endpoint] of rows)
    test(name, async () => {
      const list = Object.entries(attributes).map(([key, text]) => value(key, text));
      expect((await operation({ name: "GET", attributes: list })).endpoint).toBe(endpoint);
    });
});

describe("whether a span failed, and why", () => {
  const http = (code: number) => ({ key: "http.response.status_code", value: { intValue: String(code) } });
  const exception = {
    name: "exception",
    timeUnixNano: "1",
    attributes: [value("exception.type", "TypeError"), value("exception.message", "x is no list")],
  };
  const rows: { name: string; span: Record<string, unknown>; error?: string }[] = [
    { name: "nothing is said", span: {} },
    { name: "status ok", span: { status: { code: 1 } } },
    { name: "status error with a message", span: { status: { code: 2, message: "boom" } }, error: "boom" },
    { name: "status error alone", span: { status: { code: 2 } }, error: "the span's status is error" },
    {
      name: "the status by its name",
      span: { status: { code: "STATUS_CODE_ERROR", message: "b" } },
      error: "b",
    },
    { name: "an exception", span: { events: [exception] }, error: "TypeError: x is no list" },
    { name: "an exception that was handled", span: { events: [exception], status: { code: 1 } } },
    { name: "another event", span: { events: [{ name: "retry" }] } },
    { name: "an error type", span: { attributes: [value("error.type", "timeout")] }, error: "timeout" },
    { name: "a server's 500", span: { attributes: [http(503)] }, error: "HTTP 503" },
    { name: "a server's 404", span: { attributes: [http(404)] } },
    { name: "a client's 404", span: { kind: 3, attributes: [http(404)] }, error: "HTTP 404" },
    {
      name: "Langfuse's level",
      span: {
        attributes: [
          value("langfuse.observation.level", "ERROR"),
          value("langfuse.observation.status_message", "cut off"),
        ],
      },
      error: "cut off",
    },
  ];
  for (const { name, span, error } of rows)
    test(name, async () => {
      const { success, error: recorded } = await operation(span);
      expect({ success, recorded }).toEqual({ success: error === undefined, recorded: error });
    });
});

describe("sources", () => {
  test("Langfuse, by its attributes", async () => {
    const attributes = [
      value("langfuse.observation.type", "generation"),
      value("langfuse.observation.model.name", "claude"),
      value("langfuse.observation.input", "question"),
      value("langfuse.observation.output", "answer"),
      value("session.id", "s1"),
      value("lakehouse.trace_uid", "trace 7"),
    ];
    const traceId = "a".repeat(32);
    const one = await operation({ traceId, attributes });
    expect(one).toMatchObject({
      source: "langfuse",
      model: "claude",
      input_summary: "question",
      output_summary: "answer",
      trace_uid: "trace 7",
      run_id: traceId,
    });
    expect(one.attributes).toMatchObject({ "session.id": "s1" });
    expect(one.attributes).not.toHaveProperty("langfuse.observation.input");
  });
});

test("one trace is in one source, whichever spans of it come together", async () => {
  const traceId = "b".repeat(32);
  const langfuse = { attributes: [value("langfuse.observation.type", "span")] };
  await send([fresh({ traceId, name: "a" }), fresh({ traceId, name: "b", ...langfuse })]);
  await send([fresh({ traceId, name: "c" })]);
  await send([fresh({ traceId: "c".repeat(32), name: "d" })]);
  expect((await newest(4)).map(({ source }) => source)).toEqual(["langfuse", "langfuse", "langfuse", "otlp"]);
});

test("a span that has not ended is kept as that, and again when it has", async () => {
  const span = fresh({ name: "long", endTimeUnixNano: "0" });
  const before = await total();
  expect(await send([span, span])).toEqual({});
  const [open] = await newest(1);
  expect(open).toMatchObject({ endpoint: "long", success: true, duration_ms: 0 });
  expect(open?.attributes).toMatchObject({ span_open: true });
  expect(await send([{ ...span, endTimeUnixNano: "1767225600250000000" }])).toEqual({});
  const [ended] = await newest(1);
  expect(ended?.duration_ms).toBe(250);
  expect(ended?.attributes).not.toHaveProperty("span_open");
  expect(await total()).toBe(before + 2);
});

test("a uid that no trace can have stays an attribute", async () => {
  const one = await operation({ attributes: [value("lakehouse.trace_uid", ".")] });
  expect(one.trace_uid).toBeUndefined();
  expect(one.attributes).toMatchObject({ "lakehouse.trace_uid": "." });
});

test("every kind of value arrives as JSON", async () => {
  const attributes = [
    { key: "s", value: { stringValue: "" } },
    { key: "b", value: { boolValue: false } },
    { key: "i", value: { intValue: "42" } },
    { key: "n", value: { intValue: -7 } },
    { key: "big", value: { intValue: "9223372036854775807" } },
    { key: "d", value: { doubleValue: 0.5 } },
    { key: "nan", value: { doubleValue: "NaN" } },
    { key: "bytes", value: { bytesValue: "AAEC" } },
    { key: "list", value: { arrayValue: { values: [{ intValue: "1" }, { stringValue: "x" }] } } },
    { key: "map", value: { kvlistValue: { values: [{ key: "k", value: { boolValue: true } }] } } },
    { key: "none", value: {} },
    { key: "__proto__", value: { stringValue: "polluted" } },
  ];
  const { attributes: kept } = await operation({ attributes });
  expect(kept).toMatchObject({
    s: "",
    b: false,
    i: 42,
    n: -7,
    big: "9223372036854775807",
    d: 0.5,
    nan: "NaN",
    bytes: "AAEC",
    list: [1, "x"],
    map: { k: true },
    none: null,
  });
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("attributes are bounded, and what is left out is counted", async () => {
  const many = Array.from({ length: 200 }, (_, n) => value(`key ${n}`, "x".repeat(3000)));
  const { attributes } = await operation({ attributes: [value("long", "y".repeat(10_000)), ...many] });
  expect(JSON.stringify(attributes).length).toBeLessThan(40_000);
  expect(attributes?.long).toBe(`${"y".repeat(4096)}…`);
  const names = Object.keys(attributes ?? {}).filter((key) => key.startsWith("key ")).length;
  expect(attributes?.attributes_left_out).toBe(200 - names);
});

test("times are exact to the millisecond, whether text or number", async () => {
  const one = await operation({
    startTimeUnixNano: "1767225600123456789",
    endTimeUnixNano: "1767225600124956789",
  });
  expect([one.timestamp, one.duration_ms]).toEqual(["2026-01-01T00:00:00.123Z", 1.5]);
  const number = await operation({
    startTimeUnixNano: 1767225600000000000,
    endTimeUnixNano: 1767225601000000000,
  });
  expect([number.timestamp, number.duration_ms]).toEqual(["2026-01-01T00:00:00.000Z", 1000]);
});

test("a span that is sent again after a lost answer is recorded once", async () => {
  const span = fresh();
  const before = await total();
  expect(await send([span, span])).toEqual({});
  expect(await send([span, fresh()])).toEqual({});
  expect(await total()).toBe(before + 2);
});

test("the good spans of a batch are taken, the bad ones reported", async () => {
  const before = await total();
  const tomorrow = String(BigInt(Date.now() + 2 * 86_400_000) * 1_000_000n);
  const far = { name: "far", startTimeUnixNano: tomorrow, endTimeUnixNano: tomorrow };
  const { partialSuccess } = await send([
    fresh(),
    fresh({ name: "bad", traceId: "xyz" }),
    fresh(far),
    fresh(),
  ]);
  expect(partialSuccess?.rejectedSpans).toBe("2");
  expect(partialSuccess?.errorMessage).toContain("span 'bad': traceId is not 32 hexadecimal digits");
  expect(partialSuccess?.errorMessage).toContain("span 'far': timestamp");
  expect(await total()).toBe(before + 2);
});

test("an operation that would be too large is reported, the others are taken", async () => {
  const own = temporaryDirectory("otlp-small");
  const small = await startObserverd({
    dataDir: own.path,
    section: { chat_calls: false, max_event_bytes: 1024 },
  });
  const attributes = [value("input.value", "x".repeat(2000))];
  const body = JSON.stringify(requestWith([fresh(), fresh({ name: "fat", attributes })]));
  const headers = { "content-type": "application/json" };
  const response = await small.send(
    new Request(`http://localhost${path}`, { method: "POST", headers, body }),
  );
  expect(await response.json()).toEqual({
    partialSuccess: {
      rejectedSpans: "1",
      errorMessage: expect.stringContaining("span 'fat': the operation has"),
    },
  });
  expect((await small.peer.verbs.stats({})).total).toBe(1);
  await small.stop();
  own.remove();
});
