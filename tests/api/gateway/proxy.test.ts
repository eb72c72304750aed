import { afterAll, beforeAll, expect, test } from "bun:test";
import { proxy } from "../../../api/gateway/services/proxy.ts";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { type Contract, contract, type Peer } from "../../../runtime/contract/endpoints.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { createLinks } from "../../../runtime/worker/links.ts";
import { configWith } from "../../support/stacks/in-process.ts";

const seen: { aborted: boolean; headers: Headers | undefined } = { aborted: false, headers: undefined };
let upstream: ReturnType<typeof Bun.serve>;
let server: Listening;
let url: string;
const aborted = Promise.withResolvers<void>();

const answers: Record<string, (request: Request) => Response | Promise<Response>> = {
  "/echo": (request) => new Response(request.body, { headers: { "x-method": request.method } }),
  "/headers": ({ headers }) => {
    seen.headers = headers;
    return new Response("ok", {
      headers: { connection: "x-private", "x-private": "1", "set-cookie": "a=1", etag: '"e"' },
    });
  },
  "/gzip": () => new Response(Bun.gzipSync("squeezed"), { headers: { "content-encoding": "gzip" } }),
  "/redirect": () => new Response(null, { status: 302, headers: { location: "/elsewhere" } }),
  "/empty": () => new Response(null, { status: 204 }),
  "/head": ({ method }) =>
    new Response(method === "HEAD" ? null : "x".repeat(11), { headers: { "content-length": "11" } }),
  "/broken": () => new Response(failing()),
  "/endless": (request) => {
    request.signal.addEventListener("abort", () => aborted.resolve());
    return new Response(endless());
  },
  "/silent": () => new Promise<Response>(() => {}),
};

beforeAll(() => {
  upstream = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    maxRequestBodySize: 1 << 30,
    development: false,
    // One answer breaks off on purpose: it need not be told.
    error: () => new Response(null, { status: 500 }),
    fetch: (request) =>
      answers[new URL(request.url).pathname]?.(request) ?? new Response("?", { status: 404 }),
  });
  const peer = {
    verbs: {},
    fetch: (path: string, init?: RequestInit) =>
      fetch(`http://127.0.0.1:${upstream.port}${path}`, {
        ...init,
        redirect: "manual",
        decompress: false,
      } as RequestInit),
  } as unknown as Peer<Contract>;
  const { upstream: nobody } = createLinks(
    { upstream: contract("upstream", {}) },
    { upstream: { url: "http://127.0.0.1:1", local: false } },
    configWith({}),
  ).peers;
  const gate = createGate(defaults().auth, "127.0.0.1");
  const face = createFace({
    name: "gateway",
    gate,
    log: createLog("gateway", "error", () => {}),
    metrics: createMetrics(),
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 100,
    maxJsonBytes: 1 << 20,
  });
  for (const method of ["GET", "HEAD", "PUT", "POST"] as const) {
    for (const path of Object.keys(answers))
      face.route(method, path, (_, context) =>
        proxy({ name: "upstream", peer, timeoutMs: path === "/silent" ? 300 : 600_000 }, path, context),
      );
    face.route(method, "/nobody", (_, context) =>
      proxy({ name: "upstream", peer: nobody, timeoutMs: 600_000 }, "/", context),
    );
  }
  server = face.listen("127.0.0.1", 0);
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(async () => {
  await server.close(100);
  await upstream.stop(true);
});

test("bodies pass both ways", async () => {
  const response = await fetch(`${url}/echo`, { method: "PUT", body: "there and back" });
  expect(response.headers.get("x-method")).toBe("PUT");
  expect(await response.text()).toBe("there and back");
});
test("64 MiB pass unbuffered and whole", async () => {
  const block = crypto.getRandomValues(new Uint8Array(1 << 16));
  const sent = new Bun.CryptoHasher("sha256");
  let left = 1024;
  const body = new ReadableStream({
    pull: (controller) => {
      if (left-- === 0) return controller.close();
      block[0] = left;
      sent.update(block);
      controller.enqueue(block.slice());
    },
  });
  const response = await fetch(`${url}/echo`, { method: "POST", body, duplex: "half" } as RequestInit);
  const received = new Bun.CryptoHasher("sha256");
  for await (const chunk of response.body as ReadableStream<Uint8Array>) received.update(chunk);
  expect(received.digest("hex")).toBe(sent.digest("hex"));
});
test("headers of the message pass, those of the connection and the client's token do not", async () => {
  const response = await fetch(`${url}/headers`, {
    headers: { authorization: "Bearer client", "x-request-id": "r1", range: "bytes=0-1", te: "trailers" },
  });
  expect(seen.headers?.get("authorization")).toBeNull();
  expect(seen.headers?.get("te")).toBeNull();
  expect(seen.headers?.get("range")).toBe("bytes=0-1");
  expect(seen.headers?.get("x-request-id")).toBe("r1");
  expect(response.headers.get("x-private")).toBeNull();
  expect(response.headers.get("etag")).toBe('"e"');
  expect(response.headers.getSetCookie()).toEqual(["a=1"]);
  expect(response.headers.get("x-request-id")).toBe("r1");
});
test("compressed bytes, redirects, empty answers and HEAD pass as they are", async () => {
  expect(await (await fetch(`${url}/gzip`)).text()).toBe("squeezed");
  expect((await fetch(`${url}/redirect`, { redirect: "manual" })).headers.get("location")).toBe("/elsewhere");
  expect((await fetch(`${url}/empty`)).status).toBe(204);
  expect((await fetch(`${url}/head`, { method: "HEAD" })).headers.get("content-length")).toBe("11");
});
test("an answer that breaks off upstream breaks off here", async () => {
  const whole = fetch(`${url}/broken`).then((response) => response.text());
  expect(await whole.catch((error: Error) => error)).toBeInstanceOf(Error);
});
test("a client that leaves stops the work upstream", async () => {
  const controller = new AbortController();
  const response = await fetch(`${url}/endless`, { signal: controller.signal });
  await response.body?.getReader().read();
  controller.abort();
  await aborted.promise;
});
test("a service that is silent is a 504, one that is not there a 503; both are named", async () => {
  const silent = await fetch(`${url}/silent`);
  expect([silent.status, (await silent.json()).error.message]).toEqual([
    504,
    "upstream did not answer within 300 ms",
  ]);
  const gone = await fetch(`${url}/nobody`);
  expect([gone.status, gone.headers.get("retry-after"), (await gone.json()).error.message]).toEqual([
    503,
    "1",
    "upstream cannot be reached",
  ]);
});

const failing = () => {
  let sent = 0;
  return new ReadableStream({
    pull: (controller) => {
      if (sent++ < 3) controller.enqueue(new Uint8Array(100_000));
      else controller.error(new Error("broken"));
    },
  });
};

const endless = () =>
  new ReadableStream({
    pull: async (controller) => {
      await Bun.sleep(1);
      controller.enqueue(new Uint8Array(1000));
    },
  });
