/** Silent callers of the whole product: the places they take come back, others are served, and no stop waits for them. */
import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { startProduct } from "../../support/product/product.ts";

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

/** Those that the callers speak to, and those that these call. */
const services = "storaged,catalogd,queryd,ingestd,gateway";

/** Sends a text, and gives all that is answered before the connection ends. */
function send(url: string | undefined, text: string): { connected: Promise<void>; ended: Promise<string> } {
  const { hostname, port } = new URL(url ?? "");
  const connected = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<string>();
  let answer = "";
  const socket = connect({ host: hostname, port: Number(port) }, () =>
    socket.write(text, () => connected.resolve()),
  );
  socket.on("data", (bytes) => {
    answer += bytes;
  });
  socket.on("error", () => undefined);
  socket.on("close", () => ended.resolve(answer));
  sockets.push(socket);
  return { connected: connected.promise, ended: ended.promise };
}

const stalled = (method: string, path: string) =>
  `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nid\n1\n`;

async function gauge(url: string | undefined, name: string): Promise<number> {
  const page = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^lakehouse_${name} (\\d+)`, "m").exec(page)?.[1]);
}

test("bodies that stall on their way through the gateway are a 408, and their places are free then", async () => {
  const product = await startProduct({
    flags: ["--only", services],
    env: {
      LH_GATEWAY_BODY_TIMEOUT_MS: "1000",
      LH_STORAGED_MAX_CONCURRENT_PUTS: "1",
      LH_INGESTD_MAX_CONCURRENT_INGESTS: "1",
    },
  });
  const { storaged, ingestd } = product.addresses;
  for (const [method, path] of [
    ["PUT", "/v1/storage/put/stalled"],
    ["POST", "/v1/ingest?name=stalled"],
  ] as const) {
    const answer = await send(product.url, stalled(method, path)).ended;
    expect(answer).toStartWith("HTTP/1.1 408 ");
    expect(answer).toContain("expected more of the body within 1000 ms");
  }
  // The services had begun with them.
  for (const url of [storaged, ingestd])
    expect(await (await fetch(`${url}/metrics`)).text()).toMatch(/http_requests_total{.*status="408".*} 1/);
  expect((await fetch(`${storaged}/storage/put/next`, { method: "PUT", body: "x" })).status).toBe(201);
  const file = { method: "POST", body: "id\n1\n" };
  expect((await fetch(`${ingestd}/ingest?name=next`, file)).status).toBe(200);
  await product.end();
});

test("silent callers keep nobody from an answer, and a stop from nothing", async () => {
  // So long that a stop which waits for one of them is no stop.
  const product = await startProduct({
    flags: ["--only", services],
    env: {
      LH_SUPERVISOR_STOP_TIMEOUT_MS: "600000",
      // Room for all of them: whoever is refused is not silent.
      LH_STORAGED_MAX_CONCURRENT_PUTS: "100",
      LH_INGESTD_MAX_CONCURRENT_INGESTS: "64",
    },
  });
  const { storaged, ingestd } = product.addresses;
  const texts = [
    [product.url, stalled("POST", "/v1/ingest?name=silent")],
    [product.url, stalled("PUT", "/v1/storage/put/silent")],
    [product.url, "POST /v1/sql HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"],
    [product.url, "GET /health HT"],
    [product.url, "GET /v1/storage/list HTTP/1.1\r\nHost: localhost\r\n\r\n"],
    [storaged, stalled("PUT", "/storage/put/silent-too")],
    [ingestd, stalled("POST", "/ingest?name=silent-too")],
  ] as const;
  const silent = Array.from({ length: 10 }, () => texts.map(([url, text]) => send(url, text))).flat();
  await Promise.all(silent.map(({ connected }) => connected));
  while ((await gauge(product.url, "http_requests_awaited")) < 30) await Bun.sleep(5);
  const headers = { "content-type": "application/json" };
  const answered = await fetch(`${product.url}/v1/sql`, {
    method: "POST",
    body: '{"sql":"SELECT 42"}',
    headers,
  });
  expect(answered.status).toBe(200);
  const stopped = product.end();
  for (const { ended } of silent) await ended;
  expect(await stopped).toBe(0);
});
