/** Paths as they were sent, over a socket: a URL parser takes `a/../b` for `b`, and a request would act on `b`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createGate } from "../../../runtime/auth/auth.ts";
import { defaults } from "../../../runtime/config/loading.ts";
import { closed, contract, get, raw, t } from "../../../runtime/contract/endpoints.ts";
import { check, inputSchema } from "../../../runtime/contract/validate.ts";
import type { Listening } from "../../../runtime/http/listener.ts";
import { createFace } from "../../../runtime/http/serve.ts";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { sendRaw } from "../../support/clients/raw-http.ts";

const things = contract("things", {
  remove: raw(["DELETE"], "/things/*", {
    summary: "Acts on a key.",
    params: closed({ key: t.String() }),
    inQuery: true,
  }),
  item: get("/shelf/:name/items/:id", {
    summary: "One of them.",
    params: closed({ name: t.String(), id: t.String() }),
    query: closed({ n: t.Optional(t.Integer()) }),
    inQuery: true,
    reply: closed({ name: t.String(), id: t.String(), n: t.Optional(t.Integer()) }),
  }),
});

let listening: Listening;
let acted: string[];
beforeAll(() => {
  const face = createFace({
    name: "things",
    gate: createGate(defaults().auth, "127.0.0.1"),
    log: createLog("things", "error", () => {}),
    metrics: createMetrics(),
    newId: () => crypto.randomUUID(),
    notReady: () => [],
    clock: systemClock,
    maxConnections: 10,
    maxJsonBytes: 1000,
  });
  face.verbs(things, async (_, input) => check(inputSchema(things.endpoints.item), input, "the request"));
  face.raw(things, {
    remove: async ({ key }: { key: string }) => {
      acted.push(key);
      return new Response(null, { status: 204 });
    },
  } as never);
  listening = face.listen("127.0.0.1", 0);
});
afterAll(() => listening.close(100));

const ask = async (method: string, path: string, headers: [string, string][] = []) => {
  acted = [];
  const { port } = listening;
  const { status, text } = await sendRaw({
    host: "127.0.0.1",
    port,
    method,
    path,
    headers: [["Host", `localhost:${port}`], ...headers],
  });
  return { status, text };
};

describe("a path that a URL parser changes is refused, and nothing is done", () => {
  const paths = [
    "a/../b",
    "a/%2e%2e/b",
    "a/%2E%2E/b",
    "a/.%2e/b",
    "a/%2E./b",
    "./b",
    "%2e/b",
    "a/./b",
    "a\\..\\b",
    "a\\b",
    "a/..",
    "a/.",
    "..",
    "%2E%2e",
    "a//../b",
    "x//b/..",
    "a//b",
    "a/",
    "a#b",
    `${"x/".repeat(90)}${"../".repeat(90)}b`,
    "../../things/b",
  ];
  test.each(paths)("%p", async (path) => {
    const { status, text } = await ask("DELETE", `/things/${path}`);
    // 404 where nothing is at what is left of it.
    expect([[400, 404].includes(status), acted]).toEqual([true, []]);
    expect(text).toContain("URLs are read without them");
    expect(text).toMatch(/x-request-id/i);
  });
  test("also in its absolute form", async () => {
    expect((await ask("DELETE", "http://localhost/things/a/../b")).status).toBe(400);
    expect(acted).toEqual([]);
  });
});

describe("all others arrive as they were sent", () => {
  const rows: [string, string][] = [
    ["b", "b"],
    ["a/b", "a/b"],
    ["a%2Fb", "a/b"],
    ["..a/b..", "..a/b.."],
    ["a/...", "a/..."],
    ["%252e%252e", "%2e%2e"],
    ["a;b/c+d,e=f", "a;b/c+d,e=f"],
    ["%C3%BC", "ü"],
    ["a%20b", "a b"],
    ["b?key", ""],
    [`${"x/".repeat(120)}b`, `${"x/".repeat(120)}b`],
    // Refused by the rule for keys, which reads what the name is.
    ["a%2F..%2Fb", "a/../b"],
  ];
  test.each(rows)("%p", async (path, key) => {
    const { status } = await ask("DELETE", `/things/${path}`);
    expect([status, acted]).toEqual(key === "" ? [400, []] : [204, [key]]);
  });
});

test("a name that no path can hold stands in the query", async () => {
  expect((await ask("DELETE", "/things?key=a/../b")).status).toBe(204);
  expect(acted).toEqual(["a/../b"]);
  expect((await ask("GET", "/shelf/s/items?id=..&n=1")).text).toEndWith('{"name":"s","id":"..","n":1}');
  expect((await ask("GET", "/shelf/s/items?id=%2E%2E")).status).toBe(200);
  expect((await ask("GET", "/shelf/s/items/%2E%2E")).text).toContain("Give such a name in the query");
  const missing = await ask("GET", "/shelf/s/items");
  expect([missing.status, missing.text]).toEqual([400, expect.stringContaining("id: ")]);
  expect((await ask("GET", "/shelf/s/items/a?id=b")).status).toBe(400);
});

test("another method names those there are, at every place", async () => {
  for (const path of ["/things/a", "/things?key=a"]) {
    const { status, text } = await ask("PUT", path);
    expect(status).toBe(405);
    expect(text).toMatch(/\r\nallow: DELETE\r\n/i);
  }
  expect((await ask("OPTIONS", "/shelf/s/items/a")).text).toMatch(/\r\nallow: GET, HEAD\r\n/i);
  expect((await ask("TRACE", "/health")).text).toMatch(/\r\nallow: GET, HEAD\r\n/i);
});

describe("URL and headers over 16 KiB are refused in the form of all errors", () => {
  const rows: [string, string, [string, string][], number][] = [
    ["a long URL", `/shelf/s/items/${"a".repeat(17_000)}`, [], 431],
    ["a long query", `/shelf/s/items?id=${"a".repeat(17_000)}`, [], 431],
    ["a long header", "/health", [["X-Long", "a".repeat(17_000)]], 431],
    ["a very long header", "/health", [["X-Long", "a".repeat(900_000)]], 431],
    ["many headers", "/health", Array.from({ length: 150 }, (_, at) => [`X-${at}`, "a".repeat(110)]), 431],
    ["just below", "/health", [["X-Long", "a".repeat(15_000)]], 200],
  ];
  test.each(rows)("%s", async (_, path, headers, right) => {
    const { status, text } = await ask("GET", path, headers);
    expect(status).toBe(right);
    if (right === 431) {
      expect(text).toMatch(/\r\nx-request-id: \S+\r\n/i);
      expect(text).toContain('"type":"headers_too_large"');
      expect(text).toContain("at most 16384");
    }
  });
});
