/** What a tool says to bad input: an answer that is an error, with what was expected, what came and what to do. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { seeded } from "../../support/campaigns/seeded.ts";
import { type Session, startSession } from "../../support/clients/mcp-session.ts";
import { ingest, type Product, startProduct } from "../../support/product/product.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const token = "a-token-that-nobody-may-see";
const home = temporaryDirectory("mcp-bad-input");
let product: Product;
let session: Session;

beforeAll(async () => {
  product = await startProduct();
  expect((await ingest(product.url, "name=workers", "id,name,zip\n1,Ann,02134\n2,Bob,60605\n")).status).toBe(
    200,
  );
  const index = { name: "profiles", dimension: 3 };
  const made = await fetch(`${product.url}/v1/vectors/index`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(index),
  });
  expect(made.status).toBe(201);
  session = await startSession({ gateway: product.url });
});
afterAll(async () => {
  await session.close();
  await product.end();
  home.remove();
});

/** What is said, the tool, its input, the product's stable word and what the answer says. */
type Row = [name: string, tool: string, input: Record<string, unknown>, type: string, ...says: string[]];

const rows: Row[] = [
  ["an unknown field", "list_datasets", { limit: 3 }, "unknown_field", "'limit'", "page_size, page_token"],
  ["a page of nothing", "list_datasets", { page_size: 0 }, "invalid_field", "page_size", "got 0"],
  ["a page too long", "list_datasets", { page_size: 201 }, "invalid_field", "page_size", "200"],
  ["text for a number", "list_datasets", { page_size: "10" }, "invalid_field", "page_size", 'got "10"'],
  ["a page token of nobody", "list_datasets", { page_token: "💥" }, "invalid_field", "page_token"],
  ["no name", "get_manifest", {}, "invalid_field", "name", "it is missing"],
  ["an unknown dataset", "get_manifest", { name: "worker" }, "not_found", "worker", "list_datasets"],
  [
    "a name that is none",
    "get_manifest",
    { name: "../etc/passwd" },
    "invalid_field",
    "name",
    "expected text matching",
  ],
  ["a name of null", "get_manifest", { name: null }, "invalid_field", "name", "got null"],
  ["a version that is not there", "get_manifest", { name: "@nothing", version: 0 }, "invalid_field", "name"],
  [
    "versions of an unknown dataset",
    "dataset_versions",
    { name: "worker" },
    "not_found",
    "worker",
    "list_datasets",
  ],
  ["no statement", "query_sql", {}, "invalid_field", "sql", "or a cursor"],
  ["an empty statement", "query_sql", { sql: "" }, "invalid_field", "sql"],
  [
    "a statement that does not parse",
    "query_sql",
    { sql: "SELEC 1" },
    "sql_error",
    "syntax error",
    '"line":1',
    "get_manifest",
  ],
  ["an unknown table", "query_sql", { sql: "SELECT * FROM worker" }, "sql_error", "did you mean workers?"],
  ["an unknown column", "query_sql", { sql: "SELECT nme FROM workers" }, "sql_error", "nme"],
  [
    "a writing statement",
    "query_sql",
    { sql: "DROP TABLE workers" },
    "statement_not_allowed",
    "Only reading statements",
  ],
  ["two statements", "query_sql", { sql: "SELECT 1; SELECT 2" }, "sql_error", "one statement"],
  [
    "a file of the machine",
    "query_sql",
    { sql: "SELECT * FROM read_csv('/etc/passwd')" },
    "statement_not_allowed",
    "read_csv",
  ],
  [
    "a file of the machine by a name of WITH",
    "query_sql",
    { sql: 'WITH RECURSIVE "/x/a.csv" AS (FROM "/x/a.csv" UNION ALL FROM "/x/a.csv") FROM "/x/a.csv"' },
    "statement_not_allowed",
    "is not a dataset",
  ],
  [
    "a value that does not convert",
    "query_sql",
    { sql: "SELECT CAST(name AS INT) FROM workers" },
    "sql_error",
    "Ann",
  ],
  ["a missing parameter", "query_sql", { sql: "SELECT $1" }, "invalid_field", "arameter"],
  ["parameters of text", "query_sql", { sql: "SELECT $1", params: "x" }, "invalid_field", "params"],
  [
    "more rows than are taken",
    "query_sql",
    { sql: "SELECT 1", limit: 10_001 },
    "invalid_field",
    "limit",
    "10000",
  ],
  ["a page of half a row", "query_sql", { sql: "SELECT 1", page_size: 0.5 }, "invalid_field", "page_size"],
  [
    "a time that is over",
    "query_sql",
    { sql: "SELECT count(*) FROM range(100000000000)", timeout_ms: 50 },
    "timeout",
    "50",
    "timeout_ms",
  ],
  ["a cursor of nobody", "query_sql", { cursor: "x" }, "not_found", "Run the statement again"],
  ["neither text nor texts", "embed_text", {}, "invalid_field", "text"],
  ["both text and texts", "embed_text", { text: "a", texts: ["b"] }, "invalid_field", "text"],
  ["an empty text", "embed_text", { texts: ["a", ""] }, "invalid_field", "texts.1"],
  ["no texts", "embed_text", { texts: [] }, "invalid_field", "texts"],
  [
    "more texts than an answer holds",
    "embed_text",
    { texts: Array(9).fill("a") },
    "invalid_field",
    "texts",
    "8",
  ],
  [
    "a model of a provider that is not there",
    "embed_text",
    { text: "a", model: "nobody/none" },
    "bad_gateway",
    "ollama",
    "nobody/none",
  ],
  ["an index that is not there", "search_vectors", { name: "none", vector: [1, 2, 3] }, "not_found", "none"],
  [
    "the same by text",
    "search_vectors",
    { name: "none", text: "a" },
    "not_found",
    "none",
    "indexes there are: profiles",
  ],
  ["neither text nor vector", "search_vectors", { name: "profiles" }, "invalid_field", "none of them"],
  [
    "both text and vector",
    "search_vectors",
    { name: "profiles", text: "a", vector: [1, 2, 3] },
    "invalid_field",
    "text and vector",
  ],
  ["another dimension", "search_vectors", { name: "profiles", vector: [1, 2] }, "bad_request", "3"],
  [
    "a text for an index without a model",
    "search_vectors",
    { name: "profiles", text: "a" },
    "bad_request",
    "names no embedding_model",
  ],
  [
    "an operator that is none",
    "search_vectors",
    { name: "profiles", vector: [1, 2, 3], filter: { a: { near: 1 } } },
    "invalid_field",
    "near",
  ],
  ["no hits", "search_vectors", { name: "profiles", vector: [1, 2, 3], k: 0 }, "invalid_field", "k"],
  ["an index name that is a path", "search_vectors", { name: "../x", vector: [1] }, "invalid_field", "name"],
  [
    "vectors in the answer",
    "search_vectors",
    { name: "profiles", vector: [1, 2, 3], include: ["vector"] },
    "unknown_field",
    "include",
  ],
  [
    "a corpus name that is none",
    "search_matrix",
    { query_text: "a", corpora: ["a b"] },
    "invalid_field",
    "corpora.0",
  ],
  [
    "an unknown mode",
    "search_matrix",
    { query_text: "a", mode: "psychic" },
    "invalid_field",
    "vector, lexical, hybrid",
  ],
  ["too many hits", "search_matrix", { query_text: "a", k: 101 }, "invalid_field", "k", "100"],
  [
    "no query to remember",
    "record_playbook",
    { answer_id: "1", corpus: "c" },
    "invalid_field",
    "query_text",
    "missing",
  ],
  [
    "a score over one",
    "record_playbook",
    { query_text: "q", answer_id: "1", corpus: "c", score: 2 },
    "invalid_field",
    "score",
    "1",
  ],
  [
    "tags of text",
    "record_playbook",
    { query_text: "q", answer_id: "1", corpus: "c", tags: "a" },
    "invalid_field",
    "tags",
  ],
];

describe("tools", () => {
  test.each(rows)("%s", async (_, tool, input, type, ...says) => {
    const { isError, text, data } = await session.call(tool, input);
    expect({ isError, data, text }).toMatchObject({
      isError: true,
      data: {},
      text: expect.stringContaining(`(${type}`),
    });
    for (const part of says) expect(text).toContain(part);
    for (const part of ["node_modules", "    at ", "/root/", ".ts:"]) expect(text).not.toContain(part);
  });

  test("arguments made up at random get an answer or a clear error, never a fault inside (400, seed 9)", async () => {
    const random = seeded(9);
    const below = (count: number): number => Math.floor(random() * count);
    const { tools } = await session.client.listTools();
    const scalars = ["", "workers", "profiles", "SELECT 1", "\u0000", "💥", -1, 0, 1, 2.5, 1e308, true, null];
    const value = (deep: number): unknown => {
      const kind = below(deep > 2 ? 1 : 4);
      if (kind === 2) return Array.from({ length: below(4) }, () => value(deep + 1));
      if (kind === 3)
        return Object.fromEntries(Array.from({ length: below(3) }, (_, at) => [`k${at}`, value(deep + 1)]));
      return scalars[below(scalars.length)];
    };
    for (let round = 0; round < 400; round++) {
      const tool = tools[below(tools.length)];
      const fields = Object.keys(tool?.inputSchema.properties ?? {});
      const chosen = fields.filter(() => below(3) === 0);
      const input = Object.fromEntries(chosen.map((field) => [field, value(0)]));
      const { text } = await session.call(tool?.name ?? "", input);
      expect({ tool: tool?.name, input, text }).not.toMatchObject({
        text: expect.stringMatching(/failed inside|status 5/),
      });
    }
  });

  test("a tool that is not there is an error of the protocol that names those there are", async () => {
    await expect(session.call("drop_everything")).rejects.toThrow(/no tool 'drop_everything'.*query_sql/);
  });
});

describe("a gateway that wants a token", () => {
  let guarded: Product;
  beforeAll(async () => {
    guarded = await startProduct({ env: { AUTH_TOKEN: token } });
  });
  afterAll(async () => {
    await guarded.end();
  });
  const tokenFile = (text: string): string => {
    const path = join(home.path, crypto.randomUUID());
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    return path;
  };
  const sessions: { name: string; env?: Record<string, string>; flags?: () => string[]; isError: boolean }[] =
    [
      { name: "none", isError: true },
      { name: "another", env: { AUTH_TOKEN: `${token}x` }, isError: true },
      { name: "the environment's", env: { AUTH_TOKEN: token }, isError: false },
      {
        name: "a file's, which wins",
        env: { AUTH_TOKEN: "x" },
        flags: () => ["--token-file", tokenFile(`${token}\n`)],
        isError: false,
      },
    ];
  test.each(sessions)("token: $name", async ({ env = {}, flags = () => [], isError }) => {
    const one = await startSession({ gateway: guarded.url, env, flags: flags() });
    try {
      const answer = await one.call("list_datasets");
      expect(answer.isError).toBe(isError);
      if (isError) {
        expect(answer.text).toContain("(unauthorized, status 401");
        expect(answer.text).toContain("set AUTH_TOKEN in the environment of this MCP server");
        await expect(one.client.listResources()).rejects.toThrow("AUTH_TOKEN");
      }
      expect(answer.text + one.log()).not.toContain(token);
    } finally {
      await one.close();
    }
  });

  test("a token that is said back is hidden", async () => {
    const one = await startSession({ gateway: guarded.url, env: { AUTH_TOKEN: token } });
    try {
      const { isError, text } = await one.call("query_sql", { sql: `SELECT "${token}"` });
      expect(isError).toBe(true);
      expect(text).toContain("[hidden]");
      expect(text + one.log()).not.toContain(token);
    } finally {
      await one.close();
    }
  });

  test("a token file that goes away under a running session is told, and its return suffices", async () => {
    const path = tokenFile(token);
    const one = await startSession({ gateway: guarded.url, flags: ["--token-file", path] });
    try {
      chmodSync(path, 0o644);
      expect((await one.call("list_datasets")).text).toContain(`chmod 600 ${path}`);
      chmodSync(path, 0o600);
      expect((await one.call("list_datasets")).isError).toBe(false);
    } finally {
      await one.close();
    }
  });
});
