import { expect, test } from "bun:test";
import { join } from "node:path";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { closed, contract, post, t } from "../../../runtime/contract/endpoints.ts";
import { makeDirectory } from "../../../runtime/durable/files.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { openIdempotency } from "../../../runtime/idempotency/idempotency.ts";
import { decode, encode } from "../../../runtime/rpc/codec.ts";
import { overHttp } from "../../../runtime/rpc/http.ts";
import { counted, createInvoke } from "../../../runtime/rpc/invoke.ts";
import { client, type Invoke, overPort, servePort } from "../../../runtime/rpc/transport.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { currentTrace, inTrace, traceOf } from "../../../runtime/trace-context/trace-context.ts";
import { createTracing } from "../../../runtime/tracing/tracing.ts";
import { testTransport } from "../../conformance/transport.ts";
import { definition, echo } from "../../fixtures/runtime/echo.ts";
import { keptIn } from "../../support/durability/marked.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";
import { overLocal } from "../../support/stacks/local-transport.ts";

const limits = { timeoutMs: 10_000, inFlightMax: 1000 };
const nothing = async () => new Response(null, { status: 404 });
const log = createLog("echo", "error", () => {});

async function serving(): Promise<{ invoke: Invoke; remove: () => Promise<void> }> {
  const directory = temporaryDirectory("rpc");
  await makeDirectory(directory.path);
  const idempotency = await openIdempotency(directory.path, systemClock, {
    kept: await keptIn(join(directory.path, "service")),
  });
  const running = await definition.create({ clock: systemClock } as never);
  return {
    invoke: createInvoke(echo, running.verbs, { idempotency, log }),
    remove: () => idempotency.close().then(directory.remove),
  };
}

function listening(invoke: Invoke) {
  const gate = createGate(defaults().auth, "127.0.0.1");
  const metrics = createMetrics();
  const config = defaults().telemetry;
  const secrets = { provider: () => undefined };
  const face = createFace({
    name: "echo",
    gate,
    log,
    metrics,
    tracing: createTracing({ service: "echo", config, secrets, metrics, clock: systemClock, log }),
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 1000,
    maxJsonBytes: 1 << 20,
  });
  face.rpc(invoke);
  return face.listen("127.0.0.1", 0);
}

testTransport("local", async () => {
  const { invoke, remove } = await serving();
  return { verbs: client(echo, overLocal(invoke, limits)), stop: remove };
});

testTransport("port", async () => {
  const { invoke, remove } = await serving();
  const { port1, port2 } = new MessageChannel();
  servePort(port2, { invoke, fetch: nothing, inFlightMax: 1000 });
  const { call, attach, detach } = overPort("echo", limits);
  attach(port1);
  return { verbs: client(echo, call), stop: () => remove().then(() => detach("over")) };
});

testTransport("http", async () => {
  const { invoke, remove } = await serving();
  const server = listening(invoke);
  const call = overHttp({ peer: "echo", url: () => `http://127.0.0.1:${server.port}`, headers: {} }, limits);
  return { verbs: client(echo, call), stop: () => server.close(100).then(remove) };
});

test("a port that closes rejects what is pending; a new one serves the same client", async () => {
  const { invoke, remove } = await serving();
  const { call, attach } = overPort("echo", limits);
  const verbs = client(echo, call);
  expect(verbs.say({ text: "nobody" })).rejects.toMatchObject({ type: "unavailable" });
  const first = new MessageChannel();
  servePort(first.port2, { invoke, fetch: nothing, inFlightMax: 10 });
  attach(first.port1);
  const waiting = verbs.wait({});
  await verbs.say({ text: "begun" });
  first.port2.close();
  expect(waiting).rejects.toMatchObject({
    type: "outcome_unknown",
    status: 502,
    retryAfterSeconds: undefined,
  });
  await waiting.catch(() => {});
  const second = new MessageChannel();
  servePort(second.port2, { invoke, fetch: nothing, inFlightMax: 10 });
  attach(second.port1);
  expect(await verbs.say({ text: "again" })).toEqual({ text: "again" });
  await remove();
});

test("calls beyond the bound are refused, on both ends", async () => {
  const { invoke, remove } = await serving();
  const { port1, port2 } = new MessageChannel();
  servePort(port2, { invoke, fetch: nothing, inFlightMax: 1 });
  const transport = overPort("echo", { timeoutMs: 1000, inFlightMax: 2 });
  transport.attach(port1);
  const verbs = client(echo, transport.call);
  const first = verbs.wait({}).catch((error: unknown) => error);
  expect(verbs.wait({})).rejects.toMatchObject({ type: "overloaded", retryAfterSeconds: 1 });
  expect(verbs.wait({})).rejects.toMatchObject({ type: "overloaded" });
  transport.detach("over");
  await first;
  await remove();
});

test("a reply that cannot be cloned is an internal error, not a wait for the deadline", async () => {
  const { invoke, remove } = await serving();
  const { port1, port2 } = new MessageChannel();
  servePort(port2, { invoke, fetch: nothing, inFlightMax: 10 });
  const { call, attach, detach } = overPort("echo", limits);
  attach(port1);
  expect(call("uncloneable", {})).rejects.toMatchObject({ type: "internal" });
  await call("say", { text: "next" });
  detach("over");
  await remove();
});

test("a peer that is not ours, or not there, is named", async () => {
  const page = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("<html>hello</html>", { headers: { "content-type": "text/html" } }),
  });
  const foreign = overHttp({ peer: "echo", url: () => `http://127.0.0.1:${page.port}`, headers: {} }, limits);
  expect(foreign("say", { text: "a" })).rejects.toMatchObject({ type: "bad_gateway" });
  await foreign("say", {}).catch(() => {});
  await page.stop(true);
  const gone = overHttp({ peer: "echo", url: () => `http://127.0.0.1:${page.port}`, headers: {} }, limits);
  expect(gone("say", { text: "a" })).rejects.toMatchObject({
    type: "unavailable",
    message: "echo cannot be reached",
  });
});

test("an encoded call that is cut, deep or strange is refused", () => {
  const whole = encode({ a: new Uint8Array(10), b: 1n, c: "text" });
  for (let length = 0; length < whole.length; length++)
    expect(() => decode(whole.subarray(0, length))).toThrow();
  expect(() => decode(new Uint8Array([...whole, 1]))).toThrow("nothing refers to");
  const deep = JSON.parse(`${"[".repeat(70)}${"]".repeat(70)}`);
  expect(() => encode(deep)).toThrow("nested deeper");
  const tagged = (json: unknown) => {
    const text = new TextEncoder().encode(JSON.stringify(json));
    const bytes = new Uint8Array(4 + text.length);
    new DataView(bytes.buffer).setUint32(0, text.length, true);
    bytes.set(text, 4);
    return bytes;
  };
  for (const bad of [
    { $: "Function" },
    { $: "bigint", v: "1x" },
    { $: "Uint8Array", n: -1 },
    { $: "Uint8Array", n: 1e9 },
    { $: "constructor", n: 0 },
  ]) {
    expect(() => decode(tagged(bad))).toThrow();
  }
  expect(() => encode({ f: () => 1 })).toThrow(fail("bad_request", "a function cannot be sent").message);
  expect(() => encode(new Map())).toThrow("class Map");
});

test("a call that only reads remembers nothing under an idempotency key", async () => {
  const directory = temporaryDirectory("reads");
  await makeDirectory(directory.path);
  const idempotency = await openIdempotency(directory.path, systemClock, {
    kept: await keptIn(join(directory.path, "service")),
  });
  const body = closed({ text: t.String() });
  const counted = contract("counted", {
    read: post("/read", { reads: true, summary: "Reads.", body, reply: t.Integer() }),
  });
  let runs = 0;
  const invoke = createInvoke(counted, { read: async () => ++runs }, { idempotency, log });
  const context = { requestId: "r", idempotencyKey: "same", signal: new AbortController().signal };
  expect(await invoke("read", { text: "a" }, context)).toBe(1);
  expect(await invoke("read", { text: "b" }, context)).toBe(2);
  await idempotency.close();
  directory.remove();
});

test("calls are counted by verb and outcome, and a name that is no verb becomes no label", async () => {
  const { invoke, remove } = await serving();
  const metrics = createMetrics();
  const measured = counted(echo, invoke, { metrics, clock: systemClock });
  const context = { requestId: "r", signal: new AbortController().signal };
  await measured("say", { text: "a" }, context);
  await measured("say", { text: "b" }, context);
  expect(await measured("say", { wrong: 1 }, context).catch((error) => error.type)).toBe("unknown_field");
  expect(await measured("sayy", {}, context).catch((error) => error.type)).toBe("not_found");
  const lines = metrics.text().split("\n");
  expect(lines).toContain('lakehouse_calls_total{verb="say",outcome="ok"} 2');
  expect(lines).toContain('lakehouse_calls_total{verb="say",outcome="unknown_field"} 1');
  expect(lines).toContain('lakehouse_calls_total{verb="unknown",outcome="not_found"} 1');
  expect(lines).toContain('lakehouse_call_duration_seconds_count{verb="say"} 3');
  await remove();
});

test("what nests too deep to be cloned is the caller's mistake, and the channel lives on", async () => {
  const { invoke, remove } = await serving();
  const { port1, port2 } = new MessageChannel();
  servePort(port2, { invoke, fetch: nothing, inFlightMax: 1000 });
  const transport = overPort("echo", limits);
  transport.attach(port1);
  let deep: unknown = 1;
  for (let level = 0; level < 200_000; level++) deep = [deep];
  const error = await transport.call("say", { text: deep }).catch((cause) => cause);
  expect(error).toMatchObject({ type: "bad_request", message: "the request nests too deep" });
  expect(await transport.call("say", { text: "still there" })).toEqual({ text: "still there" });
  port1.close();
  await remove();
});

test("the caller's trace reaches the verb, over a port and over HTTP; without one there is none", async () => {
  const invoke: Invoke = async () => currentTrace() ?? null;
  const { port1, port2 } = new MessageChannel();
  servePort(port2, { invoke, fetch: nothing, inFlightMax: 1000 });
  const port = overPort("echo", limits);
  port.attach(port1);
  const server = listening(invoke);
  const http = overHttp({ peer: "echo", url: () => `http://127.0.0.1:${server.port}`, headers: {} }, limits);
  const trace = traceOf("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1");
  for (const call of [port.call, http]) {
    expect(await inTrace(trace, () => call("echo", {}))).toEqual({ ...trace });
    expect(await call("echo", {})).toBeNull();
  }
  port.detach("over");
  await server.close(100);
});
