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

interface Row {
  name: string;
  tool: string;
  input: Record<string, unknown>;
  /** The product's stable word. */
  type: string;
  says: string[];
}

const rows: Row[] = [
  {
    name: "an unknown field",
    tool: "list_datasets",
    input: { limit: 3 },
    type: "unknown_field",
    says: ["'limit'", "page_size, page_token"],
  },
  {
    name: "a page of nothing",
    tool: "list_datasets",
    input: { page_size: 0 },
    type: "invalid_field",
    says: ["page_size", "got 0"],
  },
  {
    name: "a page too long",
    tool: "list_datasets",
    input: { page_size: 201 },
    type: "invalid_field",
    says: ["page_size", "200"],
  },
  {
    name: "text for a number",
    tool: "list_datasets",
    input: { page_size: "10" },
    type: "invalid_field",
    says: ["page_size", 'got "10"'],
  },
  {
    name: "a page token of nobody",
    tool: "list_datasets",
    input: { page_token: "💥" },
    type: "invalid_field",
    says: ["page_token"],
  },
  {
    name: "no name",
    tool: "get_manifest",
    input: {},
    type: "invalid_field",
    says: ["name", "it is missing"],
  },
  {
    name: "an unknown dataset",
    tool: "get_manifest",
    input: { name: "worker" },
    type: "not_found",
    says: ["worker", "list_datasets"],
  },
  {
    name: "a name that is none",
    tool: "get_manifest",
    input: { name: "../etc/passwd" },
    type: "invalid_field",
    says: ["name", "expected text matching"],
  },
  {
    name: "a name of null",
    tool: "get_manifest",
    input: { name: null },
    type: "invalid_field",
    says: ["name", "got null"],
  },
  {
    name: "a version that is not there",
    tool: "get_manifest",
    input: { name: "@nothing", version: 0 },
    type: "invalid_field",
    says: ["name"],
  },
  {
    name: "versions of an unknown dataset",
    tool: "dataset_versions",
    input: { name: "worker" },
    type: "not_found",
    says: ["worker", "list_datasets"],
  },
  { name: "no statement", tool: "query_sql", input: {}, type: "invalid_field", says: ["sql", "or a cursor"] },
  { name: "an empty statement", tool: "query_sql", input: { sql: "" }, type: "invalid_field", says: ["sql"] },
  {
    name: "a statement that does not parse",
    tool: "query_sql",
    input: { sql: "SELEC 1" },
    type: "sql_error",
    says: ["syntax error", '"line":1', "get_manifest"],
  },
  {
    name: "an unknown table",
    tool: "query_sql",
    input: { sql: "SELECT * FROM worker" },
    type: "sql_error",
    says: ["did you mean workers?"],
  },
  {
    name: "an unknown column",
    tool: "query_sql",
    input: { sql: "SELECT nme FROM workers" },
    type: "sql_error",
    says: ["nme"],
  },
  {
    name: "a writing statement",
    tool: "query_sql",
    input: { sql: "DROP TABLE workers" },
    type: "statement_not_allowed",
    says: ["Only reading statements"],
  },
  {
    name: "two statements",
    tool: "query_sql",
    input: { sql: "SELECT 1; SELECT 2" },
    type: "sql_error",
    says: ["one statement"],
  },
  {
    name: "a file of the machine",
    tool: "query_sql",
    input: { sql: "SELECT * FROM read_csv('/etc/passwd')" },
    type: "statement_not_allowed",
    says: ["read_csv"],
  },
  {
    name: "a file of the machine by a name of WITH",
    tool: "query_sql",
    input: {
      sql: 'WITH RECURSIVE "/x/a.csv" AS (FROM "/x/a.csv" UNION ALL FROM "/x/a.csv") FROM "/x/a.csv"',
    },
    type: "statement_not_allowed",
    says: ["is not a dataset"],
  },
  {
    name: "a value that does not convert",
    tool: "query_sql",
    input: { sql: "SELECT CAST(name AS INT) FROM workers" },
    type: "sql_error",
    says: ["Ann"],
  },
  {
    name: "a missing parameter",
    tool: "query_sql",
    input: { sql: "SELECT $1" },
    type: "invalid_field",
    says: ["arameter"],
  },
  {
    name: "parameters of text",
    tool: "query_sql",
    input: { sql: "SELECT $1", params: "x" },
    type: "invalid_field",
    says: ["params"],
  },
  {
    name: "more rows than are taken",
    tool: "query_sql",
    input: { sql: "SELECT 1", limit: 10_001 },
    type: "invalid_field",
    says: ["limit", "10000"],
  },
  {
    name: "a page of half a row",
    tool: "query_sql",
    input: { sql: "SELECT 1", page_size: 0.5 },
    type: "invalid_field",
    says: ["page_size"],
  },
  {
    name: "a time that is over",
    tool: "query_sql",
    input: { sql: "SELECT count(*) FROM range(100000000000)", timeout_ms: 50 },
    type: "timeout",
    says: ["50", "timeout_ms"],
  },
  {
    name: "a cursor of nobody",
    tool: "query_sql",
    input: { cursor: "x" },
    type: "not_found",
    says: ["Run the statement again"],
  },
  { name: "neither text nor texts", tool: "embed_text", input: {}, type: "invalid_field", says: ["text"] },
  {
    name: "both text and texts",
    tool: "embed_text",
    input: { text: "a", texts: ["b"] },
    type: "invalid_field",
    says: ["text"],
  },
  {
    name: "an empty text",
    tool: "embed_text",
    input: { texts: ["a", ""] },
    type: "invalid_field",
    says: ["texts.1"],
  },
  { name: "no texts", tool: "embed_text", input: { texts: [] }, type: "invalid_field", says: ["texts"] },
  {
    name: "more texts than an answer holds",
    tool: "embed_text",
    input: { texts: Array(9).fill("a") },
    type: "invalid_field",
    says: ["texts", "8"],
  },
  {
    name: "a model of a provider that is not there",
    tool: "embed_text",
    input: { text: "a", model: "nobody/none" },
    type: "bad_gateway",
    says: ["ollama", "nobody/none"],
  },
  {
    name: "an index that is not there",
    tool: "search_vectors",
    input: { name: "none", vector: [1, 2, 3] },
    type: "not_found",
    says: ["none"],
  },
  {
    name: "the same by text",
    tool: "search_vectors",
    input: { name: "none", text: "a" },
    type: "not_found",
    says: ["none", "indexes there are: profiles"],
  },
  {
    name: "neither text nor vector",
    tool: "search_vectors",
    input: { name: "profiles" },
    type: "invalid_field",
    says: ["neither"],
  },
  {
    name: "both text and vector",
    tool: "search_vectors",
    input: { name: "profiles", text: "a", vector: [1, 2, 3] },
    type: "invalid_field",
    says: ["both"],
  },
  {
    name: "another dimension",
    tool: "search_vectors",
    input: { name: "profiles", vector: [1, 2] },
    type: "bad_request",
    says: ["3"],
  },
  {
    name: "a text for an index of another dimension",
    tool: "search_vectors",
    input: { name: "profiles", text: "a" },
    type: "bad_request",
    says: ["768"],
  },
  {
    name: "an operator that is none",
    tool: "search_vectors",
    input: { name: "profiles", vector: [1, 2, 3], filter: { a: { near: 1 } } },
    type: "invalid_field",
    says: ["near"],
  },
  {
    name: "no hits",
    tool: "search_vectors",
    input: { name: "profiles", vector: [1, 2, 3], k: 0 },
    type: "invalid_field",
    says: ["k"],
  },
  {
    name: "an index name that is a path",
    tool: "search_vectors",
    input: { name: "../x", vector: [1] },
    type: "invalid_field",
    says: ["name"],
  },
  {
    name: "vectors in the answer",
    tool: "search_vectors",
    input: { name: "profiles", vector: [1, 2, 3], include: ["vector"] },
    type: "unknown_field",
    says: ["include"],
  },
  {
    name: "a corpus name that is none",
    tool: "search_matrix",
    input: { query_text: "a", corpora: ["a b"] },
    type: "invalid_field",
    says: ["corpora.0"],
  },
  {
    name: "an unknown mode",
    tool: "search_matrix",
    input: { query_text: "a", mode: "psychic" },
    type: "invalid_field",
    says: ["vector, lexical, hybrid"],
  },
  {
    name: "too many hits",
    tool: "search_matrix",
    input: { query_text: "a", k: 101 },
    type: "invalid_field",
    says: ["k", "100"],
  },
  {
    name: "no query to remember",
    tool: "record_playbook",
    input: { answer_id: "1", corpus: "c" },
    type: "invalid_field",
    says: ["query_text", "missing"],
  },
  {
    name: "a score over one",
    tool: "record_playbook",
    input: { query_text: "q", answer_id: "1", corpus: "c", score: 2 },
    type: "invalid_field",
    says: ["score", "1"],
  },
  {
    name: "tags of text",
    tool: "record_playbook",
    input: { query_text: "q", answer_id: "1", corpus: "c", tags: "a" },
    type: "invalid_field",
    says: ["tags"],
  },
];

describe("tools", () => {
  test.each(rows)("$tool: $name", async ({ tool, input, type, says }) => {
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
