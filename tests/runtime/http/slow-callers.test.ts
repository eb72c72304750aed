/** Callers that send a head and are silent then: they shut nobody out, and their silence has an end. */
import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createGate } from "../../../runtime/auth/auth.ts";
import { begunBody } from "../../../runtime/bodies/request-body.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace, type FaceDeps } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { definition } from "../../fixtures/runtime/echo.ts";

const running: Listening[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const each of running.splice(0)) await each.close(0);
});

/** Listens with these limits; `awaited` says how many requests wait for their callers. */
function door(limits: Partial<FaceDeps>) {
  const metrics = createMetrics();
  const face = createFace({
    name: "door",
    gate: createGate(defaults().auth, "127.0.0.1"),
    log: createLog("door", "error", () => {}),
    metrics,
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 3,
    maxJsonBytes: 1000,
    ...limits,
  });
  face.verbs(definition.contract, async (_, input) => input);
  face.route(
    "POST",
    "/upload",
    async (request) => new Response(await new Response(await begunBody(request)).text()),
  );
  face.route("GET", "/stream", () => new Response(new Response("streamed").body));
  const hold = Promise.withResolvers<Response>();
  face.route("GET", "/held", () => hold.promise);
  const listening = face.listen("127.0.0.1", 0);
  running.push(listening);
  const gauge = (name: string) => Number(new RegExp(`lakehouse_${name} (\\d+)`).exec(metrics.text())?.[1]);
  const until = async (name: string, count: number) => {
    while (gauge(name) !== count) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    url: `http://127.0.0.1:${listening.port}`,
    port: listening.port,
    until,
    hold,
    close: listening.close,
  };
}

/** Sends a text, and gives the socket and all that is answered before the connection ends. */
function send(port: number, text: string) {
  const ended = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect({ host: "127.0.0.1", port }, () => socket.write(text));
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  socket.on("close", () => ended.resolve(answer));
  sockets.push(socket);
  return { socket, ended: ended.promise };
}

const head = (path: string, length: string) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;
const json = { method: "POST", body: '{"text":"hi"}', headers: { "content-type": "application/json" } };

const unfinished = [
  ["a short body without its first byte", head("/echo", "Content-Length: 100")],
  ["a short body without its end", `${head("/echo", "Content-Length: 100")}{"te`],
  ["a long body without its first byte", head("/upload", "Content-Length: 100000")],
  ["a long body without its end", `${head("/upload", "Content-Length: 100000")}abc`],
  ["chunks without the first", head("/upload", "Transfer-Encoding: chunked")],
  ["chunks without the last", `${head("/upload", "Transfer-Encoding: chunked")}3\r\nabc\r\n`],
] as const;

for (const [name, text] of unfinished) {
  test(`many callers with ${name} shut nobody out`, async () => {
    const { url, port, until } = door({});
    for (let count = 0; count < 20; count++) send(port, text);
    await until("http_requests_awaited", 20);
    for (const path of ["/health", "/livez", "/readyz", "/metrics"])
      expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
    expect((await fetch(`${url}/echo`, json)).status).toBe(200);
  });

  test(`${name}: 408 that says what was expected, and the connection ends`, async () => {
    const { port } = door({ bodyTimeoutMs: 50 });
    const answer = await send(port, text).ended;
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(answer).toMatch(/"message":"expected [^"]*within 50 ms/);
    expect(answer).toContain('"type":"timeout"');
  });
}

test("what arrives in pieces is served when it is whole", async () => {
  const { port, until } = door({});
  const { socket, ended } = send(
    port,
    `${head("/upload", "Connection: close\r\nTransfer-Encoding: chunked")}3\r\nabc\r\n`,
  );
  await until("http_requests_awaited", 1);
  socket.write("3\r\ndef\r\n0\r\n\r\n");
  expect(await ended).toEndWith("abcdef");
});

test("single bytes now and then are no progress", async () => {
  let now = 0;
  const expiries: { at: number; work: () => void }[] = [];
  const clock = {
    elapsed: () => now,
    after: (ms: number, work: () => void) => {
      const expiry = { at: now + ms, work };
      expiries.push(expiry);
      return () => void expiries.splice(expiries.indexOf(expiry), 1);
    },
  };
  const { port, until } = door({ bodyTimeoutMs: 1000, clock });
  // The listener's own look at its connections.
  expiries.length = 0;
  const { socket, ended } = send(port, head("/upload", "Transfer-Encoding: chunked"));
  await until("http_requests_awaited", 1);
  const [first] = expiries;
  now += 900;
  socket.write("1\r\na\r\n");
  while (expiries[0] === undefined || expiries[0] === first)
    await new Promise((resolve) => setImmediate(resolve));
  expect(expiries[0].at).toBe(1002);
  for (let expired = expiries.shift(); expired; expired = expiries.shift()) expired.work();
  expect(await ended).toContain("at least 500 bytes per second, and 1 bytes came");
});

test("what watches the service is answered while all slots are taken; the rest is 503", async () => {
  const { url, until, hold } = door({});
  const held = Array.from({ length: 3 }, () => fetch(`${url}/held`));
  await until("http_requests_open", 3);
  for (const path of ["/health", "/livez", "/readyz", "/metrics"])
    expect([path, (await fetch(url + path)).status]).toEqual([path, 200]);
  const refused = await fetch(`${url}/echo`, json);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
  hold.resolve(new Response());
  await Promise.all(held);
});

test("bodies that arrive while all slots are taken are refused, and nothing was done", async () => {
  const { url, port, until, hold } = door({});
  const { socket, ended } = send(port, head("/echo", "Connection: close\r\nContent-Length: 13"));
  await until("http_requests_awaited", 1);
  const held = Array.from({ length: 3 }, () => fetch(`${url}/held`));
  await until("http_requests_open", 3);
  socket.write('{"text":"hi"}');
  expect(await ended).toStartWith("HTTP/1.1 503 ");
  hold.resolve(new Response());
  await Promise.all(held);
});

test("an address has its own limit, a proxy the addresses it speaks for", async () => {
  const { url, port, until } = door({
    maxConnections: 100,
    perAddress: { max: 2, addressOf: (headers, socket) => headers.get("x-test-address") ?? socket },
  });
  for (let count = 0; count < 2; count++) send(port, head("/echo", "Content-Length: 100"));
  await until("http_requests_awaited", 2);
  const refused = await fetch(`${url}/echo`, json);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "1"]);
  expect(await refused.text()).toContain("this address has 2 requests open");
  expect((await fetch(`${url}/health`)).status).toBe(200);
  const other = { ...json, headers: { ...json.headers, "x-test-address": "192.0.2.7" } };
  expect((await fetch(`${url}/echo`, other)).status).toBe(200);
  for (const socket of sockets.splice(0)) socket.destroy();
  await until("http_requests_awaited", 0);
  expect((await fetch(`${url}/echo`, json)).status).toBe(200);
});

test("a stop does not wait for silent callers, and tells those who began a body", async () => {
  let now = 0;
  const clock = { elapsed: () => now, after: () => () => {} };
  const { port, until, hold, close } = door({ clock });
  const silent = unfinished.map(([, text]) => send(port, text));
  send(port, "GET /health HT");
  const served = send(port, "GET /held HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await until("http_requests_awaited", unfinished.length);
  await until("http_requests_open", 1);
  now += 1000;
  const closed = close(1);
  for (const { ended } of silent) {
    const answer = await ended;
    expect(answer).toStartWith("HTTP/1.1 503 ");
    expect(answer).toContain("the service stops and does not wait for the rest of the body; send it again");
  }
  // What was asked for whole is waited for, as long as there is time.
  hold.resolve(new Response("held"));
  expect(await served.ended).toEndWith("held");
  await closed;
});

test("a stop waits for bodies that arrive", async () => {
  const clock = { elapsed: () => 0, after: () => () => {} };
  const { port, until, close } = door({ clock });
  const { socket, ended } = send(port, `${head("/upload", "Transfer-Encoding: chunked")}3\r\nabc\r\n`);
  await until("http_requests_awaited", 1);
  const closed = close(1);
  socket.write("3\r\ndef\r\n0\r\n\r\n");
  expect(await ended).toContain("abcdef");
  await closed;
});

test("a connection without a whole head ends, also one that was answered before", async () => {
  const { port } = door({ headTimeoutMs: 1000 });
  const ended = [
    send(port, "GET /health HT"),
    send(port, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"),
    send(port, `${head("/echo", "Content-Length: 13")}{"text":"hi"}`),
    send(port, "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n"),
  ];
  const [first, second, third, fourth] = await Promise.all(ended.map((each) => each.ended));
  expect(first).toBe("");
  expect(second).toStartWith("HTTP/1.1 200 ");
  expect(third).toStartWith("HTTP/1.1 200 ");
  expect(fourth).toMatch(/^HTTP\/1.1 200 .*streamed/s);
});
