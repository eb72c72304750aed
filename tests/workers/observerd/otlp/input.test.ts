/** OTLP requests that are wrong: refused whole, or span by span, and nothing of them is recorded. */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { type ApiCase, refused, runCases } from "../../../support/clients/api-case.ts";
import { gzipped, requestWith, spanWith } from "../../../support/clients/otlp-client.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { type InProcessObserverd, startObserverd } from "../../../support/stacks/observerd.ts";

const directory = temporaryDirectory("otlp-input");
let service: InProcessObserverd;
beforeAll(async () => {
  const section = { chat_calls: false, max_otlp_bytes: 64 * 1024, max_otlp_spans: 5 };
  service = await startObserverd({ dataDir: directory.path, section });
});
afterAll(async () => {
  expect((await service.peer.verbs.stats({})).total).toBe(0);
  await service.stop();
  directory.remove();
});

const post = { method: "POST", path: "/observer/otlp/v1/traces" };
const json = { "content-type": "application/json" };
const gzip = { ...json, "content-encoding": "gzip" };

const refusals: ApiCase[] = [
  refused(
    "text",
    { ...post, headers: { "content-type": "text/plain" }, body: "{}" },
    "unsupported_media_type",
    "application/json",
  ),
  refused(
    "JSON lines",
    { ...post, headers: { "content-type": "application/jsonl" }, body: "{}" },
    "unsupported_media_type",
  ),
  refused(
    "an encoding nobody reads",
    { ...post, headers: { ...json, "content-encoding": "compress" }, body: "{}" },
    "unsupported_media_type",
    "gzip",
  ),
  refused("gzip that is none", { ...post, headers: gzip, body: "{}" }, "bad_request", "cannot be unpacked"),
  refused(
    "gzip that was cut",
    { ...post, headers: gzip, body: gzipped(requestWith([spanWith()])).slice(0, 60) },
    "bad_request",
    "cannot be unpacked",
  ),
  refused("gzip of no JSON", { ...post, headers: gzip, body: gzipped("nothing") }, "invalid_json"),
  refused(
    "a small body that unpacks to a large one",
    { ...post, headers: gzip, body: gzipped("x".repeat(8_000_000)) },
    "too_large",
    "65536",
  ),
  refused(
    "a body over the limit",
    { ...post, headers: json, body: `{"a":"${"x".repeat(70_000)}"}` },
    "too_large",
  ),
  refused("no body", { ...post, headers: json }, "invalid_json", "empty"),
  refused("broken JSON", { ...post, headers: json, body: '{"resourceSpans":[' }, "invalid_json"),
  refused(
    "no UTF-8",
    { ...post, headers: json, body: new Uint8Array([0x7b, 0xff, 0x7d]) },
    "invalid_json",
    "UTF-8",
  ),
  refused("a list", { ...post, headers: json, body: "[]" }, "invalid_json", "resourceSpans"),
  refused("null", { ...post, headers: json, body: "null" }, "invalid_json"),
  refused("a number", { ...post, headers: json, body: "7" }, "invalid_json"),
  refused("snake case", { ...post, body: { resource_spans: [] } }, "invalid_field", "resourceSpans"),
  refused(
    "resourceSpans is no list",
    { ...post, body: { resourceSpans: {} } },
    "invalid_field",
    "resourceSpans",
  ),
  refused(
    "a resource's spans are no object",
    { ...post, body: { resourceSpans: [7] } },
    "invalid_field",
    "resourceSpans.0",
  ),
  refused(
    "scopeSpans is no list",
    { ...post, body: { resourceSpans: [{ scopeSpans: "x" }] } },
    "invalid_field",
    "resourceSpans.0.scopeSpans",
  ),
  refused(
    "a scope's spans are null",
    { ...post, body: { resourceSpans: [{ scopeSpans: [null] }] } },
    "invalid_field",
    "scopeSpans.0",
  ),
  refused(
    "spans is no list",
    { ...post, body: { resourceSpans: [{ scopeSpans: [{ spans: {} }] }] } },
    "invalid_field",
    "resourceSpans.0.scopeSpans.0.spans",
  ),
  refused(
    "too many spans",
    { ...post, body: requestWith(Array.from({ length: 6 }, () => spanWith())) },
    "too_large",
    "5 spans",
  ),
  refused("another method", { path: post.path }, "method_not_allowed"),
];

const rejected: [string, unknown, string][] = [
  ["a span that is a number", 7, "a span is no object"],
  ["no trace id", spanWith({ traceId: undefined }), "traceId"],
  ["a trace id in base64", spanWith({ traceId: "W47/95gDgQPSabYzgT/GDA==" }), "traceId"],
  ["a trace id of zeros", spanWith({ traceId: "0".repeat(32) }), "traceId"],
  ["a span id too short", spanWith({ spanId: "eee19b7ec3c1b1" }), "spanId"],
  ["a span id that is a number", spanWith({ spanId: 1234567890123456 }), "spanId"],
  ["a parent that is no id", spanWith({ parentSpanId: "parent" }), "parentSpanId"],
  ["no name", spanWith({ name: "" }), "name is missing"],
  ["a name that is no text", spanWith({ name: { a: 1 } }), "name is missing"],
  ["no begin", spanWith({ startTimeUnixNano: undefined }), "startTimeUnixNano"],
  ["a begin of zero", spanWith({ startTimeUnixNano: "0" }), "startTimeUnixNano"],
  ["a begin as a date", spanWith({ startTimeUnixNano: "2026-01-01T00:00:00Z" }), "startTimeUnixNano"],
  ["a begin with a fraction", spanWith({ startTimeUnixNano: 1.5 }), "startTimeUnixNano"],
  ["a begin below zero", spanWith({ startTimeUnixNano: "-5" }), "startTimeUnixNano"],
  ["more than 64 bits", spanWith({ endTimeUnixNano: "99999999999999999999" }), "endTimeUnixNano"],
  ["an end that is no time", spanWith({ endTimeUnixNano: "soon" }), "endTimeUnixNano"],
  ["an end before the begin", spanWith({ endTimeUnixNano: "1767225599000000000" }), "ends before it begins"],
  ["a status that is no object", spanWith({ status: "ok" }), "status.code"],
  ["a status code nobody knows", spanWith({ status: { code: 9 } }), "status.code"],
  [
    "a far future",
    spanWith({ startTimeUnixNano: "9000000000000000000", endTimeUnixNano: "9000000000000000001" }),
    "a day ahead",
  ],
];

describe("refused whole", () => runCases(refusals, () => service.send));

describe("rejected one by one, as OTLP's partial success", () =>
  runCases(
    rejected.map(
      ([name, span, says]): ApiCase => ({
        name,
        ...post,
        body: requestWith([span]),
        status: 200,
        contains: ['"rejectedSpans":"1"', says],
      }),
    ),
    () => service.send,
  ));

describe("nothing in it, and nothing wrong with it", () =>
  runCases(
    [
      {
        name: "an empty request",
        ...post,
        body: {},
        status: 200,
        check: ({ text }) => expect(text).toBe("{}"),
      },
      {
        name: "no spans",
        ...post,
        body: requestWith([]),
        status: 200,
        check: ({ text }) => expect(text).toBe("{}"),
      },
      {
        name: "fields of a later version",
        ...post,
        body: { resourceSpans: [], later: { a: 1 } },
        status: 200,
      },
      { name: "gzip", ...post, headers: gzip, body: gzipped(requestWith([])), status: 200 },
    ],
    () => service.send,
  ));
