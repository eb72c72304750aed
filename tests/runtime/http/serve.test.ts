import { afterAll, beforeAll, expect, test } from "bun:test";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { definition } from "../../fixtures/runtime/echo.ts";
import { type ApiCase, refused, runCases } from "../../support/clients/api-case.ts";
import {
  configWith,
  type InProcess,
  startInProcess,
  temporaryDirectory,
} from "../../support/stacks/in-process.ts";

const directory = temporaryDirectory("serve");
let service: InProcess<typeof definition.contract>;
beforeAll(async () => {
  service = await startInProcess(definition, { config: configWith({ data_dir: directory.path }), peers: {} });
});
afterAll(async () => {
  await service.stop();
  directory.remove();
});

const post = { method: "POST", path: "/echo" };
const rows: ApiCase[] = [
  { name: "health", path: "/health", status: 200, contains: ['{"status":"ok","service":"echo"}'] },
  { name: "liveness", path: "/livez", status: 200 },
  { name: "readiness", path: "/readyz", status: 200, contains: ['"ready":true'] },
  {
    name: "metrics",
    path: "/metrics",
    status: 200,
    contains: ["# TYPE lakehouse_http_requests_total counter"],
  },
  { name: "a verb", ...post, body: { text: "hi" }, status: 200, contains: ['{"text":"hi"}'] },
  { name: "an optional field", ...post, body: { text: "hi", times: 2 }, status: 200, contains: ['"hihi"'] },
  {
    name: "JSON with curl's default media type",
    ...post,
    body: '{"text":"hi"}',
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 200,
  },
  {
    name: "JSON with a charset",
    ...post,
    body: '{"text":"hi"}',
    headers: { "content-type": "application/json; charset=utf-8" },
    status: 200,
  },
  refused(
    "an unknown field",
    { ...post, body: { text: "a", colour: 1 } },
    "unknown_field",
    "'colour'",
    "expected text, times",
  ),
  refused(
    "a field named __proto__",
    { ...post, body: '{"text":"a","__proto__":{"x":1}}', headers: { "content-type": "application/json" } },
    "unknown_field",
  ),
  refused("a missing field", { ...post, body: {} }, "invalid_field", "text: ", "it is missing"),
  refused(
    "a field of another type",
    { ...post, body: { text: 7 } },
    "invalid_field",
    "text: expected string, got 7",
  ),
  refused(
    "a value out of range",
    { ...post, body: { text: "a", times: 9 } },
    "invalid_field",
    "times",
    "got 9",
  ),
  refused("no body", post, "invalid_json", "the body is empty"),
  refused("broken JSON", { ...post, body: '{"text":' }, "invalid_json", "not valid JSON"),
  refused("a JSON array", { ...post, body: [1] }, "invalid_json", "expected a JSON object"),
  refused(
    "JSON in another encoding",
    { ...post, body: new Uint8Array([0x7b, 0xff, 0x7d]) },
    "invalid_json",
    "UTF-8",
  ),
  refused(
    "another media type",
    { ...post, body: "text=a", headers: { "content-type": "text/plain" } },
    "unsupported_media_type",
    "application/json",
  ),
  refused("a body over the limit", { ...post, body: { text: "x".repeat(9 << 20) } }, "too_large"),
  {
    name: "a path parameter and a query",
    path: "/echo/a%20b?n=5&deep=true",
    status: 200,
    contains: ['{"id":"a b","n":5,"deep":true}'],
  },
  refused(
    "a query value of another type",
    { path: "/echo/a?n=five" },
    "invalid_field",
    "n: expected integer",
    "five",
  ),
  refused("an unknown query parameter", { path: "/echo/a?m=5" }, "unknown_field", "'m'", "expected n, deep"),
  refused("a query parameter given twice", { path: "/echo/a?n=5&n=6" }, "invalid_field", "more than once"),
  refused("a query parameter that is a path parameter", { path: "/echo/a?id=b" }, "unknown_field"),
  refused("a path that is not UTF-8", { path: "/echo/%ff" }, "bad_request", "percent-encoded"),
  { name: "an etag", path: "/echo/a", status: 200, expectHeaders: { etag: '"v-a"' } },
  {
    name: "an etag that is known",
    path: "/echo/a",
    headers: { "if-none-match": '"x", W/"v-a"' },
    status: 304,
  },
  { name: "an etag that is not", path: "/echo/a", headers: { "if-none-match": '"v-b"' }, status: 200 },
  {
    name: "HEAD of a verb",
    method: "HEAD",
    path: "/echo/a",
    status: 200,
    expectHeaders: { etag: '"v-a"' },
    check: ({ text }) => expect(text).toBe(""),
  },
  refused("an unknown path", { path: "/nowhere" }, "not_found", "/nowhere"),
  refused("a path with more segments", { path: "/echo/a/b" }, "not_found"),
  refused("another method", { method: "DELETE", path: "/echo" }, "method_not_allowed", "POST"),
  refused("an internal call has no path", { method: "POST", path: "/refuse", body: {} }, "not_found"),
  {
    name: "a stream",
    method: "PUT",
    path: "/stream/a/b%2Fc",
    body: "bytes",
    status: 200,
    contains: ["bytes"],
  },
  { name: "a stream's key", path: "/stream/a/b%2Fc", status: 200, contains: ["a/b/c"] },
  {
    name: "a request id that is given",
    path: "/health",
    headers: { "x-request-id": "mine-1" },
    status: 200,
    expectHeaders: { "x-request-id": "mine-1" },
  },
  {
    name: "a request id that is no id",
    path: "/nowhere",
    headers: { "x-request-id": "a b" },
    status: 404,
    lacks: ["a b"],
  },
  refused(
    "an idempotency key that is no key",
    { method: "POST", path: "/count", body: {}, headers: { "idempotency-key": "x".repeat(300) } },
    "bad_request",
  ),
  refused("a foreign Host", { path: "/metrics", headers: { host: "evil.example" } }, "forbidden", "Host"),
  refused(
    "a foreign Origin",
    { ...post, body: { text: "a" }, headers: { origin: "https://evil.example" } },
    "forbidden",
    "Origin",
  ),
  refused("an opaque Origin", { ...post, body: { text: "a" }, headers: { origin: "null" } }, "forbidden"),
  {
    name: "an own Origin",
    ...post,
    body: { text: "a" },
    headers: { origin: "http://localhost:3110" },
    status: 200,
  },
  { name: "health is open to any Host", path: "/health", headers: { host: "evil.example" }, status: 200 },
];
runCases(rows, () => service.send);

test("the same idempotency key gets the first answer again over HTTP; with another body 409", async () => {
  const send = (body: unknown) =>
    service.send(
      new Request("http://localhost/echo", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", "idempotency-key": "k1" },
      }),
    );
  const first = await (await send({ text: "one", times: 2 })).text();
  expect(await (await send({ times: 2, text: "one" })).text()).toBe(first);
  expect((await send({ text: "two" })).status).toBe(409);
});

test("requests are counted by route, not by path", async () => {
  await service.send(new Request("http://localhost/echo/secret-id"));
  const page = await (await service.send(new Request("http://localhost/metrics"))).text();
  expect(page).toContain('lakehouse_http_requests_total{route="/echo/:id",method="GET",status="200"}');
  expect(page).not.toContain("secret-id");
});

test("a path that is written out goes first, and leaves other methods to a pattern", async () => {
  const log = createLog("paths", "error", () => {});
  const face = createFace({
    name: "paths",
    gate: createGate(defaults().auth, "127.0.0.1"),
    log,
    metrics: createMetrics(),
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 10,
    maxJsonBytes: 1000,
  });
  face.route("GET", "/items/:id", () => new Response("one item"));
  face.route("POST", "/items/:id", () => new Response("changed"));
  face.route("POST", "/items/scroll", () => new Response("a page"));
  // Elysia would take it, and end the process at the first request.
  expect(() => face.route("GET", "/items/:file/parts", () => new Response())).toThrow(
    "route '/items/:file/parts': another route there says ':id' for ':file'",
  );
  const { port, close } = face.listen("127.0.0.1", 0);
  const rows = [
    ["GET", "/items/7", "one item"],
    ["GET", "/items/scroll", "one item"],
    ["POST", "/items/scroll", "a page"],
    ["POST", "/items/7", "changed"],
  ] as const;
  for (const [method, path, text] of rows) {
    const url = `http://127.0.0.1:${port}${path}`;
    expect(await (await fetch(url, { method })).text()).toBe(text);
    expect(await (await face.fetch(new Request(url, { method }))).text()).toBe(text);
  }
  expect((await fetch(`http://127.0.0.1:${port}/items/scroll`, { method: "PUT" })).status).toBe(405);
  await close(100);
});
