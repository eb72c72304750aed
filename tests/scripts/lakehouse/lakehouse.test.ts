/** The product from a terminal, and its client in the runtimes it is for: both over HTTP alone, against one product. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createClient } from "../../../api/client/lakehouse/lakehouse.ts";
import { startHttpSession } from "../../support/clients/mcp-session.ts";
import { startCollector } from "../../support/clients/span-collector.ts";
import { type Product, startProduct } from "../../support/product/product.ts";
import { type ModelServer, startModelServer } from "../../support/stacks/chatd.ts";
import { temporaryDirectory } from "../../support/stacks/in-process.ts";

const root = join(import.meta.dir, "../../..");
const fixtures = join(root, "tests/fixtures/ingestd/documents");
const home = temporaryDirectory("lakehouse");
const folder = join(home.path, "folder");
const token = "a-token";
let product: Product;
let models: ModelServer;
const collector = startCollector();
beforeAll(async () => {
  mkdirSync(join(folder, "cv"), { recursive: true });
  for (const name of ["jane.docx", "jane.pdf", "locked.pdf"])
    copyFileSync(join(fixtures, name), join(folder, "cv", name));
  writeFileSync(join(folder, "kim.txt"), "Kim Lee, plumber in Osaka");
  writeFileSync(join(folder, ".hidden"), "x");
  writeFileSync(join(home.path, "Jobs 2024.csv"), "id,zip,big\n1,02134,9007199254740993\n2,60605,\n");
  writeFileSync(join(home.path, "more.csv"), "id,zip,big\n3,00501,7\n");
  writeFileSync(join(home.path, "bad.csv"), "id,name\n1,Ann\n2\n");
  writeFileSync(join(home.path, "empty.csv"), "");
  writeFileSync(join(home.path, "token"), `${token}\n`);
  models = await startModelServer();
  writeFileSync(
    join(home.path, "lakehouse.toml"),
    `[providers.ollama]\nkind = "ollama"\nbase_url = "${models.url}"\n`,
  );
  const env = {
    AUTH_TOKEN: token,
    LH_TELEMETRY_OTLP_ENDPOINT: `http://127.0.0.1:${collector.port}/v1/traces`,
    LH_TELEMETRY_OTLP_INTERVAL_MS: "20",
  };
  product = await startProduct({ dataDir: home.path, env });
});
afterAll(async () => {
  await product.end();
  await models.stop();
  await collector.stop(true);
  home.remove();
});

/** The command as it is typed, by this Bun. */
async function lakehouse(words: readonly string[], { env = { AUTH_TOKEN: token }, input = "" } = {}) {
  const program = join(root, "scripts/lakehouse/lakehouse.ts");
  const run = Bun.spawn([process.execPath, program, ...words], {
    cwd: home.path,
    env: { ...process.env, LH_GATEWAY_URL: product.url, ...env },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(run.stdout).text(), new Response(run.stderr).text()]);
  return { code: await run.exited, out, err };
}
const into = ["--corpus", "resumes"];

test("a folder: loaded, searchable, the bad file named, exit 1", async () => {
  const first = await lakehouse(["load", folder, ...into, "--metadata", '{"team":"north"}']);
  expect(first.err).toContain("cv/locked.pdf: the PDF is encrypted");
  expect(JSON.parse(first.out)).toMatchObject({ corpus: "resumes", documents: 3, chunks: 3, unchanged: 0 });
  expect(first.code).toBe(1);
  const { code, out } = await lakehouse(["search", "plumber", "--k", "1"]);
  expect(JSON.parse(out).hits).toMatchObject([{ id: "kim.txt#0", text: "Kim Lee, plumber in Osaka" }]);
  expect(code).toBe(0);
});

test("a second time what is there is left out, and what changed is replaced", async () => {
  writeFileSync(join(folder, "kim.txt"), "Kim Lee, baker in Kyoto");
  const { out } = await lakehouse(["load", folder, ...into]);
  expect(JSON.parse(out)).toMatchObject({ documents: 1, chunks: 1, unchanged: 2 });
  const again = await lakehouse(["load", join(folder, "kim.txt"), ...into, "--again"]);
  expect(again).toMatchObject({ code: 0, err: "" });
});

test("through the gateway: a document with a path in its id is read and deleted", async () => {
  const { ingestd } = createClient({ url: product.url, token });
  const id = { id: "cv/jane.pdf", corpus: "resumes" };
  const original = await ingestd.document(id);
  expect([original.status, original.headers.get("content-type")]).toEqual([200, "application/pdf"]);
  expect((await original.bytes()).length).toBe(Bun.file(join(fixtures, "jane.pdf")).size);
  expect(await ingestd.deleteDocument(id)).toMatchObject({ document: "cv/jane.pdf", chunks: 1 });
  expect(ingestd.document(id)).rejects.toMatchObject({ type: "not_found", status: 404 });
});

test("files become datasets: each by its name, or all under one", async () => {
  const own = await lakehouse(["load", "Jobs 2024.csv"]);
  expect(JSON.parse(own.out)).toMatchObject([{ manifest: { name: "jobs_2024" }, rows_loaded: 2 }]);
  const one = await lakehouse([
    "load",
    "Jobs 2024.csv",
    "more.csv",
    "--name",
    "all",
    "--types",
    "big:BIGINT",
  ]);
  expect(JSON.parse(one.out)).toMatchObject([{ rows_loaded: 2 }, { manifest: { name: "all", version: 2 } }]);
  const together = ["--name", "both", "--together", "--union-by-name"];
  const both = await lakehouse(["load", "Jobs 2024.csv", "more.csv", ...together]);
  expect(JSON.parse(both.out)).toMatchObject([{ manifest: { name: "both", version: 1 } }]);
  const far = await lakehouse(["load", "--url", "https://files.example.com/a.csv", "--name", "far"]);
  expect([far.code, far.err]).toEqual([1, expect.stringContaining("ingestd.url_hosts")]);
  const some = await lakehouse(["load", "bad.csv", "more.csv"]);
  expect(some.err).toContain("bad.csv: ");
  expect(some.err).toContain("rejected_rows");
  expect(JSON.parse(some.out)).toMatchObject([{ manifest: { name: "more" } }]);
  expect(some.code).toBe(1);
});

test("a file of another encoding is told how to be read, the input is a file, and accents stay letters", async () => {
  writeFileSync(join(home.path, "Köln 1252.csv"), Buffer.from("id,name\n1,Andr\xe9 \x80\n", "latin1"));
  const refused = await lakehouse(["load", "Köln 1252.csv"]);
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("say encoding=windows-1252")]);
  const read = await lakehouse(["load", "Köln 1252.csv", "--encoding", "windows-1252"]);
  expect(JSON.parse(read.out)).toMatchObject([{ manifest: { name: "koln_1252" } }]);
  expect((await lakehouse(["sql", "SELECT name FROM koln_1252"])).out).toBe('[{"name":"André €"}]\n');
  const piped = await lakehouse(["load", "-", "--name", "piped"], { input: "id\n1\n2\n" });
  expect(JSON.parse(piped.out)).toMatchObject([{ manifest: { name: "piped" }, rows_loaded: 2 }]);
});

test("SQL: digits and zeros as they are, in each format; the statement may come from the input", async () => {
  const statement = "SELECT zip, big FROM jobs_2024 ORDER BY id";
  const json = await lakehouse(["sql", statement]);
  expect(json.out).toBe('[{"zip":"02134","big":9007199254740993},{"zip":"60605","big":null}]\n');
  const csv = await lakehouse(["sql", "-", "--format", "csv", "--limit", "1"], { input: statement });
  expect(csv.out).toBe("zip,big\n02134,9007199254740993\n");
  const table = await lakehouse(["sql", statement, "--format", "table"]);
  expect(table.out).toBe(
    "zip                 big\n─────  ────────────────\n02134  9007199254740993\n60605              NULL\n",
  );
  expect(table.err).toMatch(/^2 rows, \d+ ms\n$/);
  const past = await lakehouse(["sql", 'SELECT count(*) AS n FROM "all@1"']);
  expect(past.out).toBe('[{"n":2}]\n');
});

test("what there is, and its columns", async () => {
  const { queryd } = createClient({ url: product.url, token });
  await queryd.putView({ name: "zips", sql: "SELECT zip FROM jobs_2024" });
  const all = JSON.parse((await lakehouse(["datasets"])).out);
  const names = all.map(({ name }: { name: string }) => name);
  expect(names).toEqual(expect.arrayContaining(["jobs_2024", "zips"]));
  const view = JSON.parse((await lakehouse(["datasets", "zips"])).out);
  expect(view).toMatchObject({ columns: [{ name: "zip", type: "VARCHAR" }], reads: ["jobs_2024"] });
  const one = JSON.parse((await lakehouse(["datasets", "jobs_2024"])).out);
  expect(one.columns).toMatchObject([{ type: "BIGINT" }, { type: "VARCHAR" }, { type: "BIGINT" }]);
});

test("a model answers, from the passages that it is given", async () => {
  const { out, code } = await lakehouse(["ask", "who bakes?", ...into, "--k", "1", "--model", "ollama/good"]);
  expect(JSON.parse(out)).toMatchObject({
    answer: "the answer is forty two",
    sources: [{ number: 1, corpus: "resumes", id: "kim.txt#0" }],
  });
  expect(code).toBe(0);
  const asked = (await models.requests()).at(-1);
  expect(JSON.stringify(asked?.body)).toContain("[1] Kim Lee, baker in Kyoto");
});

test("wrong words end with 2, what the product refuses with 1, each with what was expected", async () => {
  const withToken = { AUTH_TOKEN: "" };
  const rows: [code: number, says: string, words: string[], env?: Record<string, string>][] = [
    [2, "usage: bun run lakehouse COMMAND", []],
    [2, "there is no command 'wrong'", ["wrong"]],
    [2, "expected files, or a folder and --corpus", ["load"]],
    [2, "is a folder; expected files, or --corpus NAME", ["load", folder]],
    [2, "there is no folder or file '/nowhere/at/all'", ["load", "/nowhere/at/all", "--corpus", "x"]],
    [1, "corpus", ["load", folder, "--corpus", "a-b"]],
    [1, "metadata", ["load", folder, "--corpus", "x", "--metadata", "{"]],
    [
      2,
      "nothing answers at http://127.0.0.1:1",
      ["load", folder, ...into, "--gateway", "http://127.0.0.1:1"],
    ],
    [2, "--gateway: expected an address", ["datasets", "--gateway", "here"]],
    [2, "unexpected option '--wrong'", ["load", folder, "--wrong"]],
    [1, 'infer: expected one of exact, values, got "no"', ["load", "more.csv", "--infer", "no"]],
    [2, "expected one statement, in quotes", ["sql", "SELECT", "1"]],
    [2, "--format: expected one of table, json", ["sql", "SELECT 1", "--format", "xml"]],
    [2, "--limit: expected a whole number, got 'many'", ["sql", "SELECT 1", "--limit", "many"]],
    [2, "the statement is empty", ["sql", " "]],
    [2, "the input is empty", ["sql", "-"]],
    [2, "expected it alone, with --name DATASET", ["load", "-"]],
    [1, "empty.csv: the file is empty", ["load", "empty.csv"]],
    [1, "did you mean jobs_2024?", ["datasets", "job_2024"]],
    [1, "there is no dataset 'job'", ["sql", "SELECT * FROM job"]],
    [1, "there is no corpus", ["search", "x", "--corpus", "nothing"]],
    [1, "give it by AUTH_TOKEN, or --token-file FILE (unauthorized)", ["datasets"], withToken],
    [2, "--token-file: 'none' cannot be read", ["datasets", "--token-file", "none"], withToken],
    [0, "", ["datasets", "--token-file", "token"], withToken],
    [0, "", ["sql", "--help"]],
  ];
  for (const [code, says, words, env] of rows) {
    const found = await lakehouse(words, { ...(env && { env: env as { AUTH_TOKEN: string } }) });
    expect(found.err).toContain(says);
    expect([words, found.code]).toEqual([words, code]);
  }
});

/** The program that uses the client as one file for Node; Bun takes it as well. */
async function bundled(): Promise<string> {
  const entrypoints = [join(root, "tests/support/clients/lakehouse-client.ts")];
  const built = await Bun.build({ entrypoints, target: "node", outdir: home.path, naming: "client.mjs" });
  return built.outputs[0]?.path ?? "";
}

test.each(["node", process.execPath])("the client in %s", async (runtime) => {
  const run = Bun.spawn([runtime, await bundled(), product.url, token], {
    stdout: "pipe",
    stderr: "inherit",
  });
  expect(JSON.parse(await new Response(run.stdout).text())).toEqual({
    ...{ loaded: 2, job: "done", rows: [{ id: "2", name: "Łukasz" }], firstRows: [{ n: "0" }, { n: "1" }] },
    ...{ hasArrow: true, answer: "the answer is forty two", isListed: true, isReady: true, isDoneOnce: true },
    errors: {
      ...{ statement: "sql_error 400", token: "unauthorized 401", nobody: "unavailable undefined" },
      stopped: "AbortError",
    },
  });
});

test("the client is made for browsers: it asks for nothing that only a server has", async () => {
  const entrypoints = [join(root, "api/client/lakehouse/lakehouse.ts")];
  const built = await Bun.build({ entrypoints, target: "browser", minify: true });
  const text = (await built.outputs[0]?.text()) ?? "";
  expect(text).not.toMatch(/node:|\bprocess\.|\bBun\.|\brequire\(/);
  expect(text.length).toBeLessThan(200_000);
});

describe("a caller's trace", () => {
  const parent = "00f067aa0ba902b7";
  const headersOf = (traceId: string) => ({ traceparent: `00-${traceId}-${parent}-01`, tracestate: "a=1" });
  const client = () => createClient({ url: product.url, token });

  test("goes over HTTP, channels and streams to the provider, and is exported span by span", async () => {
    const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
    const messages = [{ role: "user", content: "?" }];
    const chat = client().chat({ model: "ollama/good", messages }, { headers: headersOf(traceId) });
    for await (const _ of chat);
    const spans = await collector.until(traceId, ["POST /v1/chat", "POST /chat", "POST 127.0.0.1"]);
    const named = (name: string) => spans.find((span) => span.name === name);
    const [door, service, provider] = ["POST /v1/chat", "POST /chat", "POST 127.0.0.1"].map(named);
    expect([door?.service, service?.service, provider?.service]).toEqual(["gateway", "chatd", "chatd"]);
    expect(door?.parentSpanId).toBe(parent);
    expect(service?.parentSpanId).toBe(door?.spanId ?? "");
    expect(provider).toMatchObject({ parentSpanId: service?.spanId, kind: 3 });
    const asked = (await models.requests()).at(-1)?.headers;
    expect(asked?.traceparent).toBe(`00-${traceId}-${provider?.spanId}-01`);
    expect(asked?.tracestate).toBe("a=1");
  });

  test("goes with calls over channels, from service to service", async () => {
    const traceId = "5bf92f3577b34da6a3ce929d0e0e4736";
    await client().search("baker", { corpora: ["resumes"] }, { headers: headersOf(traceId) });
    const spans = await collector.until(traceId, ["matrixd.search", "embedd.vectorsOf"]);
    const searched = spans.find(({ name }) => name === "matrixd.search");
    expect(searched?.service).toBe("matrixd");
    const embedded = spans.find(({ name }) => name === "embedd.vectorsOf");
    expect(embedded).toMatchObject({ service: "embedd", parentSpanId: searched?.spanId });
  });

  test("goes from an agent's call of a tool, which says it in _meta, to queryd", async () => {
    const traceId = "4cf92f3577b34da6a3ce929d0e0e4736";
    const headers = { authorization: `Bearer ${token}` };
    const session = await startHttpSession({ gateway: product.url, headers });
    const call = { name: "query_sql", arguments: { sql: "SELECT 1 AS one" }, _meta: headersOf(traceId) };
    expect((await session.client.callTool(call)).isError).not.toBe(true);
    await session.close();
    const spans = await collector.until(traceId, ["tools/call query_sql", "POST /sql"]);
    const [tool, service] = ["tools/call query_sql", "POST /sql"].map((name) =>
      spans.find((span) => span.name === name),
    );
    expect(tool).toMatchObject({ service: "gateway", parentSpanId: parent });
    expect(service).toMatchObject({ service: "queryd", parentSpanId: tool?.spanId });
  });

  test("is in logs and observations", async () => {
    const traceId = "6bf92f3577b34da6a3ce929d0e0e4736";
    const messages = [{ role: "user", content: "?" }];
    const headers = headersOf(traceId);
    await expect(client().chat({ model: "ollama/refused", messages }, { headers }).next()).rejects.toThrow();
    await product.said(new RegExp(`"a chat failed".*"trace_id":"${traceId}"`));
    await client().observerd.event(
      { endpoint: "/x", source: "test", success: true, duration_ms: 1 },
      { headers },
    );
    const { events } = await client().observerd.events({ page_size: 100 });
    const traced = events.filter(({ attributes }) => attributes?.trace_id === traceId);
    expect(traced.map(({ source }) => source).sort()).toEqual(["chatd", "test"]);
  });

  test("one that is not sampled is passed on and not recorded; exports are of none", async () => {
    const [unsampled, sampled] = ["7bf92f3577b34da6a3ce929d0e0e4736", "8bf92f3577b34da6a3ce929d0e0e4736"];
    const messages = [{ role: "user", content: "?" }];
    const chat = async (traceparent: string) => {
      for await (const _ of client().chat({ model: "ollama/good", messages }, { headers: { traceparent } }));
    };
    await chat(`00-${unsampled}-${parent}-00`);
    expect((await models.requests()).at(-1)?.headers.traceparent).toBe(`00-${unsampled}-${parent}-00`);
    await chat(`00-${sampled}-${parent}-01`);
    await collector.until(sampled, ["POST /v1/chat", "POST /chat"]);
    expect(await collector.until(unsampled, [])).toEqual([]);
    for (const traceparent of collector.parents) expect(traceparent).toMatch(/-00$/);
  });

  test("the page of metrics has what every exporter has, and counts spans", async () => {
    const text = await (
      await fetch(`${product.url}/metrics`, { headers: { authorization: `Bearer ${token}` } })
    ).text();
    expect(text).toMatch(/^lakehouse_build_info\{version="\d[^"]*",bun="\d[^"]*",platform="[^"]+"\} 1$/m);
    for (const name of ["cpu_seconds_total", "resident_memory_bytes", "start_time_seconds"])
      expect(text).toMatch(new RegExp(`^process_${name} [1-9][\\d.e+]*$`, "m"));
    expect(text).toMatch(/^lakehouse_trace_spans_total\{outcome="sent"\} [1-9]\d*$/m);
  });
});
