/** Corpora over HTTP: bad input, lists, restarts, damage, newer formats, the end of one. */

import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../../runtime/errors/errors.ts";
import { rowField } from "../../../../workers/matrixd/schemas/schemas.ts";
import { type ApiCase, runCases } from "../../../support/clients/api-case.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
let queryd: "well" | "away" | "breaks" = "well";
beforeAll(async () => {
  stack = await startMatrixdStack({
    peers: (peers) => ({
      ...peers,
      queryd: {
        ...peers.queryd,
        fetch: async (path, init) => {
          if (queryd === "away") throw fail("unavailable", "queryd is not running", { retryAfterSeconds: 1 });
          const response = await peers.queryd.fetch(path, init);
          const isRows = response.headers.get("content-type")?.includes("ndjson");
          return queryd === "breaks" && isRows ? broken(response) : response;
        },
      },
    }),
  });
  await stack.dataset(
    "workers",
    `SELECT i::BIGINT AS id, 'worker ' || i AS "the role", ['IL', 'TX'][1 + i % 2] AS state, i / 100.0 AS rate,
     CASE WHEN i = 5 THEN NULL ELSE i END AS gap FROM range(100) t(i)`,
  );
});
afterAll(() => stack.stop());

/** The first bytes of an answer, and then a connection that breaks. */
function broken(response: Response): Response {
  const reader = response.body?.getReader();
  let sent = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { value } = (await reader?.read()) ?? {};
      if (sent++ > 0 || !value) return controller.error(new Error("reset"));
      controller.enqueue(value.subarray(0, 2000));
    },
  });
  return new Response(stream, { headers: response.headers });
}

const spec = (name: string) => ({
  name,
  dataset: "workers",
  id_column: "id",
  text_columns: ["the role"],
  metadata_columns: ["state", "rate"],
});
const post = (
  name: string,
  body: Record<string, unknown>,
  status: number,
  type: string,
  ...contains: string[]
) => ({ name, method: "POST", path: "/matrix/corpora", body, status, type, contains }) satisfies ApiCase;
const { dataset: _, ...bare } = spec("bad");
const withSql = (sql: string) => ({ ...bare, sql });

describe("bad input", () => {
  runCases(
    [
      post("no name", { ...spec("x"), name: undefined }, 400, "invalid_field", "name"),
      post("an empty name", spec(""), 400, "invalid_field", "name"),
      post("a name with a slash", spec("a/b"), 400, "invalid_field", "name"),
      post("a name that leaves the folder", spec(".."), 400, "invalid_field", "name"),
      post("a name with a dot", spec("a.b"), 400, "invalid_field", "name"),
      post("a long name", spec("x".repeat(101)), 400, "invalid_field", "name"),
      post("no source", bare, 400, "invalid_field", "either dataset or sql, got neither"),
      post("two sources", { ...spec("bad"), sql: "SELECT 1" }, 400, "invalid_field", "got both"),
      post("an unknown field", { ...spec("bad"), columns: ["a"] }, 400, "unknown_field", "columns"),
      post("an unknown dataset", { ...spec("bad"), dataset: "nobody" }, 404, "not_found", "nobody"),
      post("a dataset that is no name", { ...spec("bad"), dataset: "a b" }, 400, "invalid_field", "'a b'"),
      post("a dataset that is SQL", { ...spec("bad"), dataset: '"; SELECT 1' }, 400, "invalid_field"),
      post(
        "an unknown id column",
        { ...spec("bad"), id_column: "key" },
        422,
        "unprocessable",
        "no column 'key'; it has id, the role, state",
      ),
      post(
        "unknown columns of both kinds",
        { ...spec("bad"), text_columns: ["role"], metadata_columns: ["city"] },
        422,
        "unprocessable",
        "'role', 'city'",
      ),
      post(
        "a column that is SQL",
        { ...spec("bad"), text_columns: ['id" FROM workers --'] },
        422,
        "unprocessable",
      ),
      post("no text columns", { ...spec("bad"), text_columns: [] }, 400, "invalid_field", "text_columns"),
      post(
        "a text column twice",
        { ...spec("bad"), text_columns: ["id", "id"] },
        400,
        "invalid_field",
        "text_columns",
      ),
      post("an empty column", { ...spec("bad"), metadata_columns: [""] }, 400, "invalid_field"),
      post(
        "the corpus's own field",
        { ...spec("bad"), metadata_columns: [rowField] },
        400,
        "invalid_field",
        `${rowField} is used`,
      ),
      post("text for a list", { ...spec("bad"), text_columns: "role" }, 400, "invalid_field", "text_columns"),
      post("SQL with a fault", withSql("SELEC 1"), 400, "sql_error", "Parser Error: syntax error"),
      post("SQL over no table", withSql("SELECT * FROM nothing"), 400, "sql_error", "nothing"),
      post("SQL that writes", withSql("DROP TABLE workers"), 400, "sql_error"),
      post(
        "SQL that reads a file",
        withSql("SELECT * FROM read_csv('/etc/passwd')"),
        403,
        "statement_not_allowed",
      ),
      post(
        "SQL that reads a file by a name of WITH",
        withSql('WITH "/x/Kelvin \u212A.parquet" AS (SELECT 1 AS id) FROM "/x/kelvin k.parquet"'),
        403,
        "statement_not_allowed",
      ),
      post("two statements", withSql("SELECT 1; SELECT 2"), 400, "sql_error"),
      post(
        "SQL that leaves its brackets",
        withSql("SELECT 1) AS a; DROP TABLE workers; --"),
        400,
        "sql_error",
      ),
      post(
        "SQL without the columns",
        withSql("SELECT 1 AS id"),
        422,
        "unprocessable",
        "'the role'",
        "it has id",
      ),
      post("empty SQL", withSql(""), 400, "invalid_field", "sql"),
      { name: "an unknown corpus", path: "/matrix/corpora/none", type: "not_found" },
      { name: "dropping an unknown one", method: "DELETE", path: "/matrix/corpora/none", type: "not_found" },
      { name: "an unknown job", path: "/matrix/jobs/none", type: "not_found", contains: ["'none'"] },
      { name: "cancelling an unknown job", method: "DELETE", path: "/matrix/jobs/none", type: "not_found" },
      { name: "events of an unknown job", path: "/matrix/jobs/none/events", type: "not_found" },
      { name: "a page of nothing", path: "/matrix/corpora?page_size=0", type: "invalid_field" },
      { name: "a page that is gone", path: "/matrix/jobs?page_token=nope", type: "invalid_field" },
      { name: "an unknown parameter", path: "/matrix/jobs?state=done", type: "unknown_field" },
      {
        name: "no JSON",
        method: "POST",
        path: "/matrix/corpora",
        headers: { "content-type": "application/json" },
        body: "{",
        type: "invalid_json",
      },
      { name: "a method that is not there", method: "PUT", path: "/matrix/corpora", body: {}, status: 405 },
    ],
    () => stack.send,
  );

  test("nothing of all that left a corpus", async () => {
    expect((await stack.get("/corpora")).body.corpora).toEqual([]);
    expect(readdirSync(join(stack.directory, "matrixd", "corpora"))).toEqual([]);
  });

  const fails: [name: string, changes: Record<string, unknown>, type: string, told: string][] = [
    ["a NULL among the ids", { id_column: "gap" }, "unprocessable", "NULL in the id column 'gap'"],
    ["an id that comes twice", { id_column: "state" }, "unprocessable", "comes twice; ids must be unique"],
    ["a model that is not there", { model: "ollama/none" }, "bad_gateway", "ollama"],
    ["a bare name that no provider has", { model: "what?" }, "bad_gateway", "ollama"],
    [
      "a row that cannot be read",
      {
        dataset: undefined,
        sql: "SELECT *, CAST('x' || \"the role\" AS INTEGER) AS broken FROM workers",
        metadata_columns: ["broken"],
      },
      "sql_error",
      "Could not convert string",
    ],
    [
      "large metadata",
      {
        dataset: undefined,
        sql: "SELECT *, repeat('x', 70000) AS large FROM workers",
        metadata_columns: ["large"],
      },
      "unprocessable",
      "the metadata of row '0' has",
    ],
  ];
  for (const [name, changes, type, told] of fails)
    test(`${name} fails the job`, async () => {
      const { status, body } = await stack.post("/corpora", { ...spec("bad"), ...changes });
      expect([status, body.error]).toEqual([202, undefined]);
      const job = await stack.ended(body.job_id);
      expect(job).toMatchObject({ state: "failed", error: { type } });
      expect(job.error?.message).toContain(told);
      expect((await stack.get("/corpora/bad")).body).toMatchObject({ state: "failed", rows: 0 });
    });

  test("queryd that is away is told at once; one that breaks off fails the job", async () => {
    queryd = "away";
    const { dataset: __, ...rest } = spec("bad");
    const { status, body } = await stack.post("/corpora", { ...rest, sql: "FROM workers" });
    expect([status, body.error.message]).toEqual([503, "queryd is not running"]);
    queryd = "breaks";
    const { body: taken } = await stack.post("/corpora", spec("bad"));
    const job = await stack.ended(taken.job_id);
    queryd = "well";
    expect(job.error).toMatchObject({ type: "bad_gateway" });
    expect(job.error?.message).toContain("queryd broke off");
    expect((await stack.del("/corpora/bad")).status).toBe(200);
  });
});

describe("a corpus", () => {
  test("is listed with all that is known of it, page by page", async () => {
    for (const name of ["one", "two", "three"]) await stack.build(spec(name));
    const first = (await stack.get("/corpora?page_size=2")).body;
    expect(first.corpora.map(({ name }: { name: string }) => name)).toEqual(["one", "three"]);
    const second = (await stack.get(`/corpora?page_size=2&page_token=${first.next_page_token}`)).body;
    expect([second.corpora.length, second.next_page_token]).toEqual([1, undefined]);
    expect(second.corpora[0]).toMatchObject({
      ...spec("two"),
      model: "local-3",
      dimension: 512,
      state: "ready",
      rows: 100,
      generation: 1,
      dataset_version: 1,
    });
    const jobs = (await stack.get("/jobs?page_size=1")).body;
    expect(jobs.jobs[0]).toMatchObject({ corpus: "three", state: "done" });
    const next = (await stack.get(`/jobs?page_size=1&page_token=${jobs.next_page_token}`)).body;
    expect(next.jobs[0]).toMatchObject({ corpus: "two" });
  });

  test("is there again after a restart, and refreshes", async () => {
    await stack.restart();
    expect((await stack.get("/corpora/one")).body).toMatchObject({
      state: "ready",
      rows: 100,
      generation: 1,
    });
    expect(await stack.build(spec("one"))).toMatchObject({ refresh: true, embedded: 0, unchanged: 100 });
  });

  test("has one job at a time", async () => {
    const { body } = await stack.post("/corpora", spec("one"));
    const again = await stack.post("/corpora", spec("one"));
    expect([again.status, again.body.error.type]).toEqual([409, "conflict"]);
    expect(again.body.error.message).toContain(body.job_id);
    expect((await stack.ended(body.job_id)).state).toBe("done");
  });

  test("is built anew when its vectors are gone", async () => {
    const { index } = (await stack.get("/corpora/one")).body;
    await stack.vectord.peer.verbs.drop({ name: index });
    const { body } = await stack.post("/search", { query_text: "worker", corpora: ["one"], mode: "vector" });
    expect(body.error.message).toContain(index);
    expect(await stack.build(spec("one"))).toMatchObject({ embedded: 100 });
    expect((await stack.get("/corpora/one")).body.index).not.toBe(index);
  });

  test("that is dropped is gone with its files and its index, and its name is free", async () => {
    const { index } = (await stack.get("/corpora/two")).body;
    expect((await stack.del("/corpora/two")).body).toEqual({ name: "two" });
    expect((await stack.get("/corpora/two")).status).toBe(404);
    await stack.build(spec("two"));
    const home = join(stack.directory, "matrixd", "corpora");
    const isLeft = async () =>
      readdirSync(home).filter((name) => name.startsWith("two.")).length > 1 ||
      (await stack.vectord.peer.verbs.list({})).indexes.some(({ name }) => name === index);
    while (await isLeft()) await new Promise<void>((resolve) => setImmediate(resolve));
    expect((await stack.get("/corpora/two")).body).toMatchObject({ state: "ready", generation: 1 });
  });

  test("that is dropped in the middle of a job takes the job with it", async () => {
    const { body } = await stack.post("/corpora", { ...spec("two"), metadata_columns: [] });
    expect((await stack.del("/corpora/two")).status).toBe(200);
    expect(["cancelled", "done"]).toContain((await stack.get(`/jobs/${body.job_id}`)).body.state);
    expect((await stack.get("/corpora/two")).status).toBe(404);
  });
});

describe("what lies on the disk", () => {
  const home = () => join(stack.directory, "matrixd", "corpora");
  const folder = (name: string) => {
    const found = readdirSync(home()).find((each) => each.startsWith(`${name}.`));
    return join(home(), found ?? "none");
  };
  const database = (name: string) => {
    const { live } = JSON.parse(readFileSync(join(folder(name), "corpus.json"), "utf8").split("\n")[1] ?? "");
    return join(folder(name), `${live}.sqlite`);
  };
  const readiness = async () => (await stack.send(new Request("http://localhost/readyz"))).text();

  const damages: [name: string, damage: (name: string) => void, told: string][] = [
    ["missing", (name) => rmSync(database(name)), "damaged"],
    ["cut short", (name) => truncateSync(database(name), 5000), "damaged"],
    ["not a database", (name) => writeFileSync(database(name), "what is this?".repeat(1000)), "damaged"],
    [
      "of zeros in the middle",
      (name) => {
        const bytes = readFileSync(database(name));
        bytes.fill(0, 4096 * 5, 4096 * 9);
        writeFileSync(database(name), bytes);
      },
      "damaged",
    ],
    [
      "with another record",
      (name) => {
        const file = join(folder(name), "corpus.json");
        writeFileSync(file, readFileSync(file, "utf8").replace("workers", "Workers"));
      },
      "checksum",
    ],
  ];
  for (const [name, damage, told] of damages)
    test(`a database ${name} is told, does not touch the others, and is repaired by a build`, async () => {
      const corpus = `d${damages.findIndex(([each]) => each === name)}`;
      await stack.build(spec(corpus));
      await stack.restart(() => damage(corpus));
      const damaged = async () => (await stack.get(`/corpora/${corpus}`)).body.state === "damaged";
      while (!(await damaged())) await new Promise<void>((resolve) => setImmediate(resolve));
      const { status, body } = await stack.post("/search", {
        query_text: "worker",
        corpora: [corpus, "one"],
      });
      expect([status, body.hits.length > 0]).toEqual([200, true]);
      expect(body.errors[0]).toMatchObject({ corpus, type: "corrupt" });
      expect(body.errors[0].message).toContain(told);
      expect(await readiness()).toContain(`corpus '${corpus}' is damaged`);
      expect(await stack.build(spec(corpus))).toMatchObject({ embedded: 100 });
      expect((await stack.get(`/corpora/${corpus}`)).body).toMatchObject({ state: "ready", rows: 100 });
      expect(await readiness()).not.toContain(`corpus '${corpus}'`);
      await stack.del(`/corpora/${corpus}`);
    });

  test("a database that another process has open is no damage: the start is refused, and names it", async () => {
    await stack.build(spec("elsewhere"));
    await stack.restart(async () => {
      const file = database("elsewhere");
      const code = `
        const database = new (require("bun:sqlite").Database)(${JSON.stringify(file)});
        database.query("SELECT * FROM meta").all();
        console.log("open");
        process.stdin.once("end", () => database.close()).resume();`;
      const other = Bun.spawn([process.execPath, "-e", code], { stdin: "pipe", stdout: "pipe" });
      await other.stdout.getReader().read();
      await expect(stack.start()).rejects.toThrow(`${file} is open in another process`);
      await other.stdin.end();
      await other.exited;
    });
    expect((await stack.get("/corpora/elsewhere")).body).toMatchObject({ state: "ready", rows: 100 });
    await stack.del("/corpora/elsewhere");
  });

  test("a newer format is refused, and left as it is", async () => {
    await stack.build(spec("newer"));
    const file = database("newer");
    await stack.restart(() => {
      const opened = new Database(file);
      opened.run("PRAGMA user_version = 9");
      opened.close();
    });
    expect((await stack.get("/corpora/newer")).body).toMatchObject({ state: "damaged" });
    const { status, body } = await stack.post("/corpora", spec("newer"));
    expect([status, body.error.type]).toEqual([409, "conflict"]);
    expect(body.error.message).toContain("written in format 9");
    expect(existsSync(file)).toBe(true);
    await stack.del("/corpora/newer");
  });

  test("what a crash left of a build goes at the start", async () => {
    const { vectord } = stack;
    await stack.build(spec("crashed"));
    const path = join(folder("crashed"), "corpus.json");
    await vectord.peer.verbs.create({ name: "matrix-crashed-left", dimension: 3 });
    await stack.restart(() => {
      const record = JSON.parse(readFileSync(path, "utf8").split("\n")[1] ?? "");
      record.builds.push({ id: "left", index: "matrix-crashed-left" });
      const body = JSON.stringify(record);
      const crc32 = Bun.hash.crc32(body).toString(16).padStart(8, "0");
      writeFileSync(path, `${JSON.stringify({ format: "lakehouse.corpus", version: 1, crc32 })}\n${body}\n`);
      writeFileSync(join(folder("crashed"), "left.sqlite"), "half a file");
    });
    const isLeft = async () =>
      existsSync(join(folder("crashed"), "left.sqlite")) ||
      (await vectord.peer.verbs.list({})).indexes.some(({ name }) => name === "matrix-crashed-left") ||
      readFileSync(path, "utf8").includes("left");
    while (await isLeft()) await new Promise<void>((resolve) => setImmediate(resolve));
    expect((await stack.get("/corpora/crashed")).body).toMatchObject({ state: "ready", rows: 100 });
  });
});
