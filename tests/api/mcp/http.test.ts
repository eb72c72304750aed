/** MCP at the gateway's /mcp: the official client of either protocol, and requests as they should not be. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Answer, startHttpSession, startSession } from "../../support/clients/mcp-session.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

const token = "a-token-of-this-test";
const authorization = { authorization: `Bearer ${token}` };
const protocols = [
  { protocol: "of 2025", client: {} },
  { protocol: "of 2026", client: { versionNegotiation: { mode: { pin: "2026-07-28" } } } },
] as const;
let product: Product;

const load = async (name: string, csv: string) => {
  const response = await fetch(`${product.url}/v1/ingest?name=${name}`, {
    method: "POST",
    headers: authorization,
    body: csv,
  });
  expect(response.status).toBe(200);
};

beforeAll(async () => {
  product = await startProduct({ env: { AUTH_TOKEN: token } });
  await load("people", "id,name\n1,Ann\n2,Bob\n");
});
afterAll(async () => {
  await product.end();
});

describe.each(protocols)("a client $protocol", ({ client }) => {
  test("has what a client on stdio has, and the same answers", async () => {
    const over = await startHttpSession({ gateway: product.url, headers: authorization, client });
    const stdio = await startSession({ gateway: product.url, env: { AUTH_TOKEN: token }, client });
    try {
      expect((await over.client.listTools()).tools).toEqual((await stdio.client.listTools()).tools);
      expect((await over.client.listPrompts()).prompts).toEqual((await stdio.client.listPrompts()).prompts);
      expect(over.client.getInstructions()).toBe(stdio.client.getInstructions() as string);
      const calls: [string, Record<string, unknown>][] = [
        ["list_datasets", {}],
        ["get_manifest", { name: "people" }],
        ["get_manifest", { name: "nope" }],
        ["query_sql", { sql: "SELECT name FROM people ORDER BY id" }],
        ["query_sql", { sql: "SELECT gone FROM people" }],
        ["search_vectors", { name: "nope", text: "x" }],
        ["search_matrix", { query_text: "x", k: 0 }],
        ["list_datasets", { stray: 1 }],
      ];
      for (const [name, input] of calls)
        expect(withoutTimes(await over.call(name, input))).toEqual(
          withoutTimes(await stdio.call(name, input)),
        );
    } finally {
      await over.close();
      await stdio.close();
    }
  });

  test("hears of a change of the dataset that it subscribed to, and of the list", async () => {
    const updated = Promise.withResolvers<string>();
    const listed = Promise.withResolvers<void>();
    const uri = "lakehouse://datasets/heard";
    await load("heard", "id\n1\n");
    const over = await startHttpSession({ gateway: product.url, headers: authorization, client });
    try {
      over.client.setNotificationHandler("notifications/resources/updated", ({ params }) =>
        updated.resolve(params.uri),
      );
      over.client.setNotificationHandler("notifications/resources/list_changed", () => listed.resolve());
      if ("versionNegotiation" in client)
        await over.client.listen({ resourceSubscriptions: [uri], resourcesListChanged: true });
      else await over.client.subscribeResource({ uri });
      await load("heard", "id\n2\n");
      expect(await updated.promise).toBe(uri);
      await listed.promise;
    } finally {
      await over.close();
    }
  });
});

/** What differs between two runs of the same call. */
const withoutTimes = ({ isError, text, data }: Answer) => ({
  isError,
  text: text.replaceAll(/[\d.]+ ms|request [0-9a-f-]+|the gateway at \S+/g, ""),
  data: { ...data, elapsed_ms: 0, query_id: "" },
});

const accept = "application/json, text/event-stream";
const hello = {
  ...{ jsonrpc: "2.0", id: 1, method: "initialize" },
  params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "raw", version: "1" } },
};
const send = (message: unknown, headers: Record<string, string> = {}, method = "POST") =>
  fetch(`${product.url}/mcp`, {
    method,
    headers: { ...authorization, accept, "content-type": "application/json", ...headers },
    ...(method === "POST" && { body: typeof message === "string" ? message : JSON.stringify(message) }),
  });
/** A session by hand; its headers. */
const begin = async (): Promise<Record<string, string>> => {
  const response = await send(hello);
  expect(response.status).toBe(200);
  await response.text();
  const session = { "mcp-session-id": response.headers.get("mcp-session-id") ?? "" };
  const initialized = await send({ jsonrpc: "2.0", method: "notifications/initialized" }, session);
  expect(initialized.status).toBe(202);
  return { ...session, "mcp-protocol-version": "2025-11-25" };
};
const call = (id: number, name: string, input: object) => ({
  ...{ jsonrpc: "2.0", id, method: "tools/call" },
  params: { name, arguments: input },
});

describe("without a token", () => {
  test("a request is told where it is said how to give one, and that needs none", async () => {
    const refused = await send(hello, { authorization: "Bearer wrong" });
    expect(refused.status).toBe(401);
    const challenge = refused.headers.get("www-authenticate") ?? "";
    const [, at = ""] = /^Bearer resource_metadata="(\S+)"$/.exec(challenge) ?? [];
    expect(at).toBe(`${product.url}/.well-known/oauth-protected-resource/mcp`);
    const metadata = await (await fetch(at)).json();
    expect(metadata.resource).toBe(`${product.url}/mcp`);
    expect(metadata.bearer_methods_supported).toEqual(["header"]);
  });
  test("behind a proxy the addresses are the proxy's, and what it says cannot leave the header", async () => {
    const headers = { "x-forwarded-proto": "https", "x-forwarded-host": 'lake.example"x' };
    const refused = await send(hello, { ...headers, authorization: "" });
    expect(refused.headers.get("www-authenticate")).toBe(
      'Bearer resource_metadata="https://lake.examplex/.well-known/oauth-protected-resource/mcp"',
    );
    const at = `${product.url}/.well-known/oauth-protected-resource/mcp`;
    expect(
      (await (await fetch(at, { headers: { ...headers, "x-forwarded-host": "lake.example" } })).json())
        .resource,
    ).toBe("https://lake.example/mcp");
  });
  test("other endpoints say Bearer as ever", async () => {
    const refused = await fetch(`${product.url}/v1/catalog/list`);
    expect(refused.headers.get("www-authenticate")).toBe("Bearer");
  });
});

describe("what is no request of the protocol", () => {
  const list = { jsonrpc: "2.0", id: 7, method: "tools/list" };
  test.each([
    { what: "no JSON", message: "{", headers: {}, status: 400, says: "the body is not valid JSON" },
    { what: "no body", message: "", headers: {}, status: 400, says: "the body is not valid JSON" },
    { what: "no message", message: { a: 1 }, headers: {}, status: 400, says: "not a valid JSON-RPC message" },
    {
      what: "a number that floats cannot hold",
      message: '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":9007199254740993}}',
      headers: {},
      status: 400,
      says: "9007199254740993",
    },
    {
      what: "no initialize before it",
      message: list,
      headers: {},
      status: 400,
      says: "expected initialize first",
    },
    {
      what: "a session that is not there",
      message: list,
      headers: { "mcp-session-id": "gone" },
      status: 404,
      says: "there is no session 'gone'",
    },
    {
      what: "another media type",
      message: hello,
      headers: { "content-type": "text/csv" },
      status: 415,
      says: "Content-Type",
    },
    {
      what: "an Accept without events",
      message: hello,
      headers: { accept: "application/json" },
      status: 406,
      says: "text/event-stream",
    },
    {
      what: "too large",
      message: " ".repeat(9 * 1024 * 1024),
      headers: {},
      status: 413,
      says: "at most 8388608 are allowed",
    },
  ])("$what: $status", async ({ message, headers, status, says }) => {
    const response = await send(message, headers);
    const text = await response.text();
    expect([response.status, text]).toEqual([status, expect.stringContaining(says)]);
  });
  test("a stream without a session, and another method", async () => {
    expect((await send(undefined, {}, "GET")).status).toBe(400);
    const put = await fetch(`${product.url}/mcp`, { method: "PUT", headers: authorization, body: "{}" });
    expect([put.status, put.headers.get("allow")]).toEqual([405, "GET, POST, DELETE"]);
  });
  test("a version that nobody knows, of a session that is there", async () => {
    const session = await begin();
    const response = await send(list, { ...session, "mcp-protocol-version": "1999-01-01" });
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining("2025-11-25")]);
  });
  test("one session does not see another's messages, and is over when it is deleted", async () => {
    const session = await begin();
    expect((await send(undefined, session, "DELETE")).status).toBe(200);
    expect((await send(list, session)).status).toBe(404);
    expect((await send(undefined, session, "GET")).status).toBe(404);
  });
});

describe("a connection that broke", () => {
  /** The events of an answer, each with its id. */
  const eventsOf = (text: string) =>
    [...text.matchAll(/^id: (\S+)\ndata: (.*)$/gm)].map(([, id = "", data = ""]) => ({ id, data }));
  test("is taken up where it ended: what was missed is sent again", async () => {
    const session = await begin();
    const answered = await send(call(2, "query_sql", { sql: "SELECT 1 AS a" }), session);
    const events = eventsOf(await answered.text());
    expect(events.length).toBeGreaterThanOrEqual(2);
    const [first] = events;
    const again = await send(undefined, { ...session, "last-event-id": first?.id ?? "" }, "GET");
    expect(eventsOf(await again.text())).toEqual(events.slice(1));
  });
  test("cannot be taken up from an event that there never was, nor from another session's", async () => {
    const [mine, other] = [await begin(), await begin()];
    const answered = await send(call(2, "query_sql", { sql: "SELECT 1 AS a" }), other);
    const [first] = eventsOf(await answered.text());
    for (const id of ["999", "x", "-1"])
      expect((await send(undefined, { ...mine, "last-event-id": id }, "GET")).status).toBe(400);
    const theirs = await send(undefined, { ...mine, "last-event-id": first?.id ?? "" }, "GET");
    if (theirs.status === 200) expect(await theirs.text()).not.toContain('"a":1');
  });
});

describe("log messages", () => {
  test("come at the level that the client asked for, and by default only of what failed", async () => {
    const session = await begin();
    const heard = async (id: number, sql: string) => {
      const text = await (await send(call(id, "query_sql", { sql }), session)).text();
      return [...text.matchAll(/"method":"notifications\/message","params":\{"level":"(\w+)"/g)].map(
        ([, level]) => level,
      );
    };
    expect(await heard(2, "SELECT 1")).toEqual([]);
    expect(await heard(3, "SELECT gone")).toEqual(["warning"]);
    await send(
      { jsonrpc: "2.0", id: 4, method: "logging/setLevel", params: { level: "debug" } },
      session,
    ).then((r) => r.text());
    expect(await heard(5, "SELECT 1")).toEqual(["info"]);
    await send(
      { jsonrpc: "2.0", id: 6, method: "logging/setLevel", params: { level: "error" } },
      session,
    ).then((r) => r.text());
    expect(await heard(7, "SELECT gone")).toEqual([]);
  });
});

test("a stop ends with sessions open, and does not wait for those that only listen", async () => {
  const listening = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const stream = await send(undefined, await begin(), "GET");
      expect(stream.status).toBe(200);
      return stream;
    }),
  );
  const modern = await startHttpSession({
    gateway: product.url,
    headers: authorization,
    client: protocols[1].client,
  });
  await modern.client.listen({ resourcesListChanged: true });
  const metrics = await (await fetch(`${product.url}/metrics`, { headers: authorization })).text();
  expect(Number(/mcp_sessions (\d+)/m.exec(metrics)?.[1])).toBeGreaterThanOrEqual(20);
  expect(await product.end()).toBe(0);
  // Their streams ended cleanly: a connection that is cut off would reject.
  for (const stream of listening) expect(await stream.text()).not.toContain("data:");
  expect(product.log()).not.toContain('"level":"error"');
  await modern.client.close();
});
