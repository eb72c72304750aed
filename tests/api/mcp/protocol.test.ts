/** The server line by line: nothing but protocol on stdout, whatever comes in and however the gateway is. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { JSONRPCMessageSchema } from "@modelcontextprotocol/core";
import { seeded } from "../../support/campaigns/seeded.ts";
import { type Lines, startLines } from "../../support/clients/mcp-session.ts";
import { type Product, startProduct } from "../../support/product/product.ts";

/** Every line is one JSON-RPC message. */
function expectPure(lines: Lines): void {
  for (const line of lines.stdout()) {
    expect(line).toStartWith('{"');
    JSONRPCMessageSchema.parse(JSON.parse(line));
  }
}

/** Something at an address that is no gateway. */
async function listener(
  answer: Parameters<typeof createServer>[1],
): Promise<{ url: string; stop: () => void }> {
  const server = createServer(answer as never);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

const callOf = (name: string, input: object = {}) => ({ name, arguments: input });
type Told = { result: { isError?: boolean; content: { text: string }[] } };
const toldBy = async (lines: Lines, name = "list_datasets", input: object = {}) => {
  const { result } = (await lines.request("tools/call", callOf(name, input))) as unknown as Told;
  return { isError: result.isError, text: result.content[0]?.text ?? "" };
};

describe("a gateway that is not well", () => {
  const rows: { name: string; answer: Parameters<typeof createServer>[1]; says: string }[] = [
    {
      name: "a web page",
      answer: (_, out) => out.writeHead(200, { "content-type": "text/html" }).end("<html>"),
      says: "does not answer in JSON",
    },
    {
      name: "a 502 of a proxy",
      answer: (_, out) => out.writeHead(502).end("<html>bad gateway"),
      says: "answered 502, and not in the gateway's form",
    },
    {
      name: "a redirect",
      answer: (_, out) => out.writeHead(302, { location: "https://elsewhere.example/" }).end(),
      says: "answered 302",
    },
    {
      name: "another form",
      answer: (_, out) => out.writeHead(200).end('{"datasets":[1]}'),
      says: "has another form than expected",
    },
    {
      name: "an end before the answer",
      answer: (incoming) => incoming.socket.destroy(),
      says: "cannot be reached",
    },
    {
      name: "an end in the middle",
      answer: (_, out) => {
        out.writeHead(200, { "content-length": "1000" });
        out.write('{"datasets":', () => out.socket?.destroy());
      },
      says: "broke off in its middle",
    },
    {
      name: "an error of its own",
      answer: (_, out) =>
        out.writeHead(503).end(
          JSON.stringify({
            error: { type: "unavailable", message: "catalogd is starting", request_id: "r" },
          }),
        ),
      says: "catalogd is starting (unavailable, status 503, request r)",
    },
  ];
  test.each(rows)("$name", async ({ answer, says }) => {
    const { url, stop } = await listener(answer);
    const lines = startLines(["--gateway", url]);
    try {
      await lines.initialize();
      const { isError, text } = await toldBy(lines);
      expect(text).toContain(says);
      expect(isError).toBe(true);
      expect(await lines.request("resources/list")).toMatchObject({
        error: { message: expect.stringContaining(says) },
      });
      expect(await lines.end()).toBe(0);
      expectPure(lines);
    } finally {
      stop();
    }
  });

  test("a result of SQL that ends cleanly before its end is no result", async () => {
    const { url, stop } = await listener((_, out) => {
      out.writeHead(200).end('{"columns":[{"name":"a","type":"INTEGER"}],"rows":[{"a":1}');
    });
    const lines = startLines(["--gateway", url]);
    await lines.initialize();
    const { isError, text } = await toldBy(lines, "query_sql", { sql: "SELECT 1 AS a" });
    expect({ isError, text }).toMatchObject({
      isError: true,
      text: expect.stringContaining("another form than expected"),
    });
    expect(await lines.end()).toBe(0);
    stop();
  });

  test("nobody there: the handshake and the lists work, calls say what to do, and each is an error of its own", async () => {
    const lines = startLines(["--gateway", "http://127.0.0.1:9"]);
    expect(await lines.initialize()).toMatchObject({ result: { serverInfo: { name: "lakehouse" } } });
    const { result } = (await lines.request("tools/list")) as { result: { tools: unknown[] } };
    expect(result.tools).toHaveLength(18);
    for (const [name, input] of [
      ["list_datasets", {}],
      ["get_manifest", { name: "a" }],
      ["dataset_versions", { name: "a" }],
      ["query_sql", { sql: "SELECT 1" }],
      ["embed_text", { text: "a" }],
      ["search_vectors", { name: "a", text: "a" }],
      ["search_matrix", { query_text: "a" }],
      ["record_playbook", { query_text: "a", answer_id: "1", corpus: "c" }],
    ] as const) {
      const { isError, text } = await toldBy(lines, name, input);
      expect(isError).toBe(true);
      expect(text).toContain("the gateway at http://127.0.0.1:9 cannot be reached");
      expect(text).toContain("bun run supervisor");
    }
    expect(await lines.end()).toBe(0);
    expectPure(lines);
    expect(lines.stderr()).toContain("tool calls are not observed at present");
    for (const line of lines.stderr().trim().split("\n")) JSON.parse(line);
  });

  test("a proxy of the environment is not told the token of a gateway on this machine", async () => {
    const seen: string[] = [];
    const { url, stop } = await listener((incoming, out) => {
      seen.push(incoming.url ?? "");
      out.writeHead(502).end();
    });
    const env = { HTTP_PROXY: url, http_proxy: url, AUTH_TOKEN: "a-token-for-the-gateway" };
    const lines = startLines(["--gateway", "http://127.0.0.1:9"], env);
    await lines.initialize();
    expect((await toldBy(lines)).text).toContain("cannot be reached");
    await lines.end();
    stop();
    expect(seen).toEqual([]);
  });
});

describe("what comes in", () => {
  let product: Product;
  let lines: Lines;
  beforeAll(async () => {
    product = await startProduct();
    lines = startLines(["--gateway", product.url]);
    await lines.initialize();
  });
  afterAll(async () => {
    await lines.end();
    await product.end();
  });
  const expectAlive = async (): Promise<void> => {
    expect(await lines.request("ping")).toMatchObject({ result: {} });
    expectPure(lines);
  };

  test("lines that are no messages are passed over", async () => {
    const strange = [
      "",
      " ",
      "{",
      "null",
      "[]",
      "42",
      '"x"',
      "{}",
      '{"jsonrpc":"1.0","id":1,"method":"ping"}',
      "\u0000",
      "[".repeat(50_000),
    ];
    const messages = [
      { jsonrpc: "2.0" },
      { jsonrpc: "2.0", id: null, method: "ping" },
      { jsonrpc: "2.0", id: {}, method: "ping" },
      { jsonrpc: "2.0", result: {}, id: 99 },
    ];
    for (const line of [...strange, ...messages.map((one) => JSON.stringify(one))]) lines.write(line);
    lines.write(Uint8Array.of(0xff, 0xfe, 0x80));
    await expectAlive();
  });

  test("unknown methods and parameters of the wrong form are errors of the protocol", async () => {
    expect(await lines.request("tools/destroy")).toMatchObject({ error: { code: -32601 } });
    expect(await lines.request("tasks/destroy")).toMatchObject({ error: { code: -32601 } });
    expect(await lines.request("tools/call", { name: 5 })).toHaveProperty("error");
    expect(await lines.request("tools/call", { arguments: {} })).toHaveProperty("error");
    expect(await lines.request("tools/call", { name: "query_sql", arguments: "SELECT 1" })).toHaveProperty(
      "error",
    );
    expect(await lines.request("tools/call", callOf("__proto__"))).toMatchObject({ error: { code: -32602 } });
    expect(await lines.request("resources/read", {})).toHaveProperty("error");
    await expectAlive();
  });

  test("any id comes back as it was", async () => {
    for (const id of [0, -1, 2 ** 53 - 1, "", "x".repeat(100_000), "💥", "__proto__"]) {
      expect(await lines.request("ping", {}, id)).toMatchObject({ id, result: {} });
    }
    await expectAlive();
  });

  test("a message that is too long is refused by its id, and the session goes on", async () => {
    const sql = `SELECT '${"x".repeat(9_000_000)}'`;
    expect(await lines.request("tools/call", callOf("query_sql", { sql }))).toMatchObject({
      error: { code: -32600, message: expect.stringContaining("at most 8388608 are taken") },
    });
    await expectAlive();
  });

  test("a message that is long but within the bound is taken", async () => {
    const { isError, text } = await toldBy(lines, "query_sql", { sql: `SELECT '${"x".repeat(7_000_000)}'` });
    expect(isError).toBe(true);
    expect(text).toContain("(invalid_field");
    await expectAlive();
  });

  test("two requests in one write are two", async () => {
    const first = JSON.stringify({ jsonrpc: "2.0", id: "first", method: "tools/list" });
    const second = lines.request("ping", {}, "second");
    lines.write(`${first}\n${first.replace("first", "third")}`);
    await second;
    await expectAlive();
    const ids = lines.stdout().map((line) => JSON.parse(line).id);
    expect(ids).toEqual(expect.arrayContaining(["first", "second", "third"]));
  });

  test("messages that were bent at random do not end it (300, seed 3)", async () => {
    const random = seeded(3);
    const below = (count: number): number => Math.floor(random() * count);
    const sound = [
      { jsonrpc: "2.0", id: 1000, method: "tools/call", params: callOf("query_sql", { sql: "SELECT 1" }) },
      { jsonrpc: "2.0", id: 1001, method: "resources/read", params: { uri: "lakehouse://datasets/x" } },
      { jsonrpc: "2.0", method: "notifications/cancelled", params: { requestId: 1000 } },
      { jsonrpc: "2.0", id: 1002, method: "tools/list", params: { _meta: { progressToken: 1 } } },
    ].map((one) => JSON.stringify(one));
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(sound[below(sound.length)] ?? "");
      for (let change = 0; change < 1 + below(4); change++) bytes[below(bytes.length)] = below(256);
      lines.write(below(3) === 0 ? bytes.subarray(0, below(bytes.length)) : bytes);
    }
    await expectAlive();
  });

  test("many calls at once are all answered; beyond the bound they are refused, not queued", async () => {
    // A session of its own: what was bent before may still be at work in the other.
    const own = startLines(["--gateway", product.url]);
    await own.initialize();
    const answers = await Promise.all(
      Array.from({ length: 100 }, () =>
        toldBy(own, "query_sql", { sql: "SELECT count(*) AS n FROM range(1000000)" }),
      ),
    );
    const good = answers.filter(({ isError }) => !isError);
    expect(good.length).toBeGreaterThanOrEqual(32);
    for (const { text } of good) expect(text).toContain("| 1000000 |");
    for (const { isError, text } of answers) if (isError) expect(text).toContain("(too_many_requests");
    expect(await own.end()).toBe(0);
    expectPure(own);
  });
});

describe("start and end", () => {
  test.each([
    { flags: ["--token", "s3cret"], code: 2, says: "--token is refused" },
    { flags: ["--gateway", "nowhere"], code: 2, says: "expected --gateway as http://HOST:PORT" },
    { flags: ["--help"], code: 0, says: "usage: bun run mcp" },
  ])("$flags ends with $code and says why on stderr alone", async ({ flags, code, says }) => {
    const lines = startLines(flags);
    expect(await lines.exited).toBe(code);
    expect(lines.stdout()).toEqual([]);
    expect(lines.stderr()).toContain(says);
    expect(lines.stderr()).not.toContain("s3cret");
  });

  test("it ends when stdin ends, also before any message, and at a signal", async () => {
    const silent = startLines([]);
    expect(await silent.end()).toBe(0);
    expect(silent.stdout()).toEqual([]);
    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      const lines = startLines([]);
      await lines.initialize();
      lines.kill(signal);
      expect(await lines.exited).toBe(0);
      expectPure(lines);
    }
  });
});
