/** What callers are given whose request is open when the time to drain is over. */
import { afterEach, expect, test } from "bun:test";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { closed, contract, get, post, raw, t } from "../../../runtime/contract/endpoints.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { encode } from "../../../runtime/rpc/codec.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";

const body = closed({});
const reply = closed({ done: t.Boolean() });
const slow = contract("slow", {
  read: get("/read", { summary: "Reads.", reply }),
  ask: post("/ask", { summary: "Reads by POST.", body, reply, reads: true }),
  change: post("/change", { summary: "Changes something.", body, reply }),
  openai: post("/openai", { summary: "Answers as OpenAI does.", body, reply, reads: true, errors: "openai" }),
  file: raw(["GET", "PUT"], "/file", { summary: "A stream." }),
  query: raw(["POST"], "/query", { summary: "A query.", reads: true }),
});

const running: Listening[] = [];
afterEach(async () => {
  for (const each of running.splice(0)) await each.close(0);
});

/** A service whose answers wait until `done` resolves. */
function door() {
  const metrics = createMetrics();
  const face = createFace({
    name: "door",
    gate: createGate(defaults().auth, "127.0.0.1"),
    log: createLog("door", "error", () => {}),
    metrics,
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 100,
    maxJsonBytes: 1000,
  });
  const done = Promise.withResolvers<void>();
  const left: unknown[] = [];
  const invoke = () => done.promise.then(() => ({ done: true }));
  const held = () =>
    done.promise.then(() => new Response(new ReadableStream({ cancel: (reason) => void left.push(reason) })));
  face.verbs(slow, invoke);
  face.raw(slow, { file: held, query: held });
  face.rpc(invoke, slow);
  face.route("GET", "/stream", () => {
    const first = new TextEncoder().encode("begun");
    return new Response(new ReadableStream({ start: (controller) => controller.enqueue(first) }));
  });
  const listening = face.listen("127.0.0.1", 0);
  running.push(listening);
  const open = () => Number(/lakehouse_http_requests_open (\d+)/.exec(metrics.text())?.[1]);
  return {
    url: `http://127.0.0.1:${listening.port}`,
    close: listening.close,
    done,
    left,
    begun: async (count: number) => {
      while (open() !== count) await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test.each([
  ["GET", "/read", 503, "unavailable"],
  ["POST", "/ask", 503, "unavailable"],
  ["POST", "/change", 502, "outcome_unknown"],
  ["GET", "/file", 503, "unavailable"],
  ["PUT", "/file", 502, "outcome_unknown"],
  ["POST", "/query", 503, "unavailable"],
  ["POST", "/rpc/read", 503, "unavailable"],
  ["POST", "/rpc/ask", 503, "unavailable"],
  ["POST", "/rpc/change", 502, "outcome_unknown"],
  ["POST", "/rpc/nothing", 502, "outcome_unknown"],
])("%s %s without an answer is %i", async (method, path, status, type) => {
  const { url, close, begun, done, left } = door();
  const headers = { "content-type": "application/json" };
  const body = path.startsWith("/rpc/") ? encode({}) : "{}";
  const asked = fetch(url + path, { method, headers, ...(method === "GET" ? {} : { body }) });
  await begun(1);
  await close(0);
  const answer = await asked;
  expect([answer.status, answer.headers.get("connection")]).toEqual([status, "close"]);
  const { error } = (await answer.json()) as { error: { type: string; message: string } };
  expect(error.type).toBe(type);
  expect(error.message).toContain("the service stopped");
  // A stream that nobody is given any more is ended.
  done.resolve();
  if (path === "/file" || path === "/query")
    while (left.length === 0) await new Promise((resolve) => setImmediate(resolve));
});

test("the answer has the form of its endpoint", async () => {
  const { url, close, begun } = door();
  const headers = { "content-type": "application/json" };
  const asked = fetch(`${url}/openai`, { method: "POST", headers, body: "{}" });
  await begun(1);
  await close(0);
  const answer = await asked;
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({ error: { type: "server_error", code: "unavailable" } });
});

test("whoever is answered within the time to drain has the answer", async () => {
  const { url, close, begun, done } = door();
  const asked = fetch(`${url}/read`);
  await begun(1);
  const ended = close(600_000);
  done.resolve();
  expect(await (await asked).json()).toEqual({ done: true });
  await ended;
});

test("a stream that goes on breaks off, and never ends as if it were whole", async () => {
  const { url, close } = door();
  const answer = await fetch(`${url}/stream`);
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  expect(new TextDecoder().decode((await reader.read()).value)).toBe("begun");
  await close(0);
  expect(reader.read()).rejects.toThrow();
});
