/** The gateway of a whole product, as clients, pages and other users of the machine meet it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { mounted } from "../../../api/gateway/mounted.ts";
import { type Endpoint, methodsOf, placesOf } from "../../../runtime/contract/endpoints.ts";
import { durable } from "../../../runtime/worker/durable-endpoints.ts";
import { sendRaw } from "../../support/clients/raw-http.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

let product: Product;
beforeAll(async () => {
  product = await startProduct();
});
afterAll(() => product.end());

const send = (method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
  fetch(`${product.url}${path}`, { method, headers, ...(body !== undefined && { body }) });
const post = (path: string, value: unknown, key?: string) =>
  send("POST", path, JSON.stringify(value), {
    "content-type": "application/json",
    ...(key !== undefined && { "idempotency-key": key }),
  });

/** Every route of the API, its names filled with one word. */
const routes = [...Object.values(mounted), durable].flatMap(({ name, endpoints }) =>
  Object.entries(endpoints as Record<string, Endpoint>).flatMap(([verb, endpoint]) =>
    endpoint.kind === "internal"
      ? []
      : placesOf(endpoint).flatMap((place) =>
          methodsOf(endpoint).map((method) => ({ name: `${name}.${verb}`, method, ...place })),
        ),
  ),
);

describe.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
  "%s, which every object has, as a name",
  (word) => {
    test("is never a server's error, at any endpoint", async () => {
      const wrong: string[] = [];
      await Promise.all(
        routes.map(async ({ name, method, path, query }) => {
          const filled = `/v1${path.replace(/:\w+|\*$/g, word)}`;
          const texts = Object.entries(query?.properties ?? {}).filter(([, { type }]) => type === "string");
          const asked = texts.map(([field]) => `${field}=${word}`).join("&");
          const hasBody = method === "POST" || method === "PUT";
          const response = await send(
            method,
            asked === "" ? filled : `${filled}?${asked}`,
            hasBody ? `{"${word}":{}}` : undefined,
          );
          const text = await response.text();
          // 502: a provider of models that nothing here answers for.
          if (response.status >= 500 && response.status !== 502)
            wrong.push(`${name} ${method} ${filled}: ${response.status} ${text}`);
        }),
      );
      expect(wrong).toEqual([]);
    });
    test("is no service, no bucket, no model and no index", async () => {
      for (const path of [
        `/v1/durable/${word}/inspect`,
        `/v1/vectors/index/a${word}`,
        `/v1/storage/get/x?bucket=${word}`,
      ])
        expect([path, (await send("GET", path)).status]).toEqual([path, 404]);
    });
  },
);

describe("an Idempotency-Key stands for one operation", () => {
  test("of one service: `add` then `delete`, and another index", async () => {
    for (const name of ["keys-a", "keys-b"]) await post("/v1/vectors/index", { name, dimension: 1 });
    const items = { items: [{ id: "a", vector: [1] }] };
    const first = await post("/v1/vectors/index/keys-a/add", items, "one");
    expect(first.status).toBe(200);
    const again = await post("/v1/vectors/index/keys-a/add", items, "one");
    expect([again.status, await again.json()]).toEqual([200, await first.json()]);
    for (const [path, body] of [
      ["/v1/vectors/index/keys-a/delete", { ids: ["a"] }],
      ["/v1/vectors/index/keys-b/add", items],
      ["/v1/vectors/index/keys-a/add", { items: [{ id: "b", vector: [1] }] }],
      ["/v1/pathway/add", { content: 1 }],
      ["/v1/ingest?name=keys", {}],
    ] as const) {
      const refused = await post(path, body, "one");
      expect([path, refused.status, await refused.text()]).toEqual([
        path,
        409,
        expect.stringContaining("idempotency_conflict"),
      ]);
    }
    expect((await send("GET", "/v1/vectors/index/keys-a/items/a")).status).toBe(200);
  });
  test("of objects, too; reading binds nothing", async () => {
    const key = { "idempotency-key": "two" };
    expect((await send("PUT", "/v1/storage/put/key.txt", "x", key)).status).toBe(201);
    expect((await send("DELETE", "/v1/storage/delete/key.txt", undefined, key)).status).toBe(409);
    expect((await send("GET", "/v1/storage/get/key.txt", undefined, key)).status).toBe(200);
    expect((await post("/v1/sql", { sql: "SELECT 1" }, "two")).status).toBe(200);
  });
});

test("everything in the data directory is its owner's alone", async () => {
  await send("POST", "/v1/ingest?name=people", "id,name\n1,Ann\n");
  await post("/v1/sql", { sql: "SELECT * FROM people" });
  const dataset = { name: "people", dataset: "people", id_column: "id", text_columns: ["name"] };
  await post("/v1/matrix/corpora", dataset);
  await post("/v1/observer/event", { endpoint: "x", success: true, duration_ms: 1 });
  await post("/v1/pathway/add", { content: "x" });
  const open = readdirSync(product.dataDir, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .concat(product.dataDir)
    .flatMap((path) => {
      const facts = lstatSync(path, { throwIfNoEntry: false });
      return facts && (facts.mode & 0o077) !== 0 ? [`${path} ${(facts.mode & 0o777).toString(8)}`] : [];
    });
  expect(open).toEqual([]);
});

test("an item is read by its id in the query, too", async () => {
  await post("/v1/vectors/index", { name: "dots", dimension: 1 });
  const items = ["...", "a/../b", "a b", "ü"].map((id) => ({ id, vector: [1] }));
  await post("/v1/vectors/index/dots/add", { items });
  for (const { id } of items) {
    const response = await send("GET", `/v1/vectors/index/dots/items?id=${encodeURIComponent(id)}`);
    expect([response.status, await response.json()]).toEqual([200, { id, vector: [1] }]);
  }
});

test("what is too long for a header has the form of all errors", async () => {
  const { hostname, port } = new URL(product.url);
  const { status, text } = await sendRaw({
    host: hostname,
    port: Number(port),
    method: "GET",
    path: "/v1/system",
    headers: [
      ["Host", "localhost"],
      ["X-Long", "a".repeat(20_000)],
    ],
  });
  expect(status).toBe(431);
  expect(text).toContain('"type":"headers_too_large"');
  expect(text).toMatch(/x-request-id: \S+/i);
});

test("results of SQL are packed as they are asked for, and the same", async () => {
  for (const type of ["application/json", "application/x-ndjson", "text/csv"]) {
    const results = await Promise.all(
      ["identity", "gzip", "br", "zstd"].map(async (encoding) => {
        const response = await fetch(`${product.url}/v1/sql`, {
          method: "POST",
          headers: { accept: type, "accept-encoding": encoding, "content-type": "application/json" },
          body: JSON.stringify({ sql: "SELECT range AS a, 'text ' || range AS b FROM range(200000)" }),
        });
        expect(response.headers.get("vary")).toBe("accept-encoding");
        expect(response.headers.get("content-encoding")).toBe(encoding === "identity" ? null : encoding);
        return Bun.hash(await response.bytes());
      }),
    );
    expect(new Set(results).size).toBe(1);
  }
});

describe("what operators ask", () => {
  test.each([
    { method: "GET", path: "/v1/system/log?level=loud", status: 400, says: "level" },
    { method: "GET", path: "/v1/system/log?limit=0", status: 400, says: "limit" },
    { method: "GET", path: "/v1/system/log?service=nobody", status: 404, says: "expected gateway, ingestd" },
    { method: "POST", path: "/v1/system/backups", body: {}, status: 409, says: "set gateway.backup_dir" },
    { method: "POST", path: "/v1/system/backups", body: { keep: 0 }, status: 400, says: "keep" },
    {
      method: "POST",
      path: "/v1/system/backups",
      body: { directory: "/etc" },
      status: 400,
      says: "directory",
    },
    { method: "POST", path: "/v1/system/doctor", body: { config: "/x" }, status: 400, says: "config" },
    {
      method: "POST",
      path: "/v1/chat/providers/none/test",
      body: {},
      status: 404,
      says: "no provider 'none'",
    },
  ])("$method $path with $body is refused: $says", async ({ method, path, body, status, says }) => {
    const answer = await (method === "GET" ? send("GET", path) : post(path, body));
    expect([answer.status, await answer.text()]).toEqual([status, expect.stringContaining(says)]);
  });

  test("settings name their source, and without a directory there are no backups", async () => {
    const { settings } = (await (await send("GET", "/v1/system/settings")).json()) as {
      settings: { key: string; source: string }[];
    };
    const sources = new Map(settings.map(({ key, source }) => [key, source]));
    expect([sources.get("data_dir"), sources.get("log.level")]).toEqual(["LH_DATA_DIR", "default"]);
    expect(await (await send("GET", "/v1/system/backups")).json()).toEqual({ points: [] });
  });
});
