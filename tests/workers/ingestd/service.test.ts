/** Jobs, turns, cancelling, idempotency and what is left behind. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../../runtime/errors/errors.ts";
import type { JobFacts } from "../../../workers/ingestd/jobs/registry.ts";
import { type IngestStack, startIngestStack } from "../../support/stacks/ingestd.ts";

/** What peers of the shared stack do otherwise, while a test says so. */
const between = { isCatalogdAway: false, isStoreElsewhere: false };
/** Of most tests; those that need other settings, or stop it, start their own. */
let stack: IngestStack;
/** A name of a dataset that no other test has, and the objects that were there before the test. */
let d = "";
let before: string[] = [];
let tests = 0;
beforeAll(async () => {
  stack = await startIngestStack(
    {},
    {
      storaged: (verbs) => ({
        ...verbs,
        stage: async (input, options) => {
          const staged = await verbs.stage(input, options);
          return between.isStoreElsewhere ? { token: staged.token } : staged;
        },
      }),
      catalogd: (verbs) => ({
        ...verbs,
        commit: async (...given) => {
          if (between.isCatalogdAway) throw fail("unavailable", "catalogd is away", { retryAfterSeconds: 1 });
          return await verbs.commit(...given);
        },
      }),
    },
  );
});
afterAll(() => stack.stop());
beforeEach(async () => {
  d = `d${tests++}`;
  before = await stack.objects();
});
const added = async (of = stack) => (await of.objects()).filter((key) => !before.includes(key));

const stacks: IngestStack[] = [];
async function start(...args: Parameters<typeof startIngestStack>): Promise<IngestStack> {
  const own = await startIngestStack(...args);
  stacks.push(own);
  return own;
}
afterEach(async () => {
  Object.assign(between, { isCatalogdAway: false, isStoreElsewhere: false });
  expect(await stack.leftovers()).toEqual([]);
  for (const own of stacks.splice(0)) {
    expect(await own.leftovers()).toEqual([]);
    await own.stop();
  }
});

/** A body that is fed by hand. */
function slowBody() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start: (own) => {
      controller = own;
    },
  });
  return {
    body,
    feed: (text: string) => controller?.enqueue(new TextEncoder().encode(text)),
    end: () => controller?.close(),
    break: () => controller?.error(new Error("connection reset")),
  };
}

const call = async <T>(stack: IngestStack, path: string, method = "GET"): Promise<T> =>
  (await (await stack.send(new Request(`http://localhost${path}`, { method }))).json()) as T;
const job = (stack: IngestStack, id: string) => call<JobFacts>(stack, `/ingest/jobs/${id}`);

/** Asks until the answer is as wanted; each asking lets other work go on. */
async function until<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; tries < 2000; tries++) {
    const answer = await ask();
    if (wanted(answer)) return answer;
    await Bun.sleep(1);
  }
  throw new Error("it did not come about");
}
const inState = (stack: IngestStack, id: string, state: string) =>
  until(
    () => job(stack, id),
    (facts) => facts.state === state,
  );

const good = "a,b\n1,2\n";

describe("versions", () => {
  test("the same file again changes nothing; another one is a new version of the same dataset", async () => {
    const first = await stack.ingest(d, good);
    const same = await stack.ingest(d, good);
    expect([first.answer.unchanged, same.answer.unchanged]).toEqual([false, true]);
    expect(same.answer.manifest.version).toBe(first.answer.manifest.version);
    const other = await stack.ingest(d, "a,b\n3,4\n");
    expect(other.answer.manifest.dataset_id).toBe(first.answer.manifest.dataset_id);
    expect(other.answer.manifest.version).toBe(first.answer.manifest.version + 1);
    expect(await stack.cells(other.answer.manifest)).toEqual([["3", "4"]]);
  });

  test("append adds rows; narrower values take the registered types", async () => {
    await stack.ingest(d, "a,b\nx,1.50\n");
    const { answer, status } = await stack.ingest(d, "a,b\n7,\n", "&mode=append");
    expect(status).toBe(200);
    expect(stack.types(answer.manifest)).toEqual({ a: "VARCHAR", b: "DECIMAL(18,2)" });
    expect(await stack.cells(answer.manifest)).toEqual([
      ["x", "1.50"],
      ["7", null],
    ]);
    expect(answer.manifest.operation).toBe("append");
  });

  test("columns are matched by name, in whatever order a file has them", async () => {
    const { answer: first } = await stack.ingest(d, "a,b,c\n1,x,2024-01-31\n");
    const { answer } = await stack.ingest(d, "c,a,b\n2024-02-01,2,y\n", "&mode=append");
    expect(answer.manifest).toMatchObject({ version: 2, columns: first.manifest.columns });
    expect(await stack.cells(answer.manifest)).toEqual([
      ["1", "x", "2024-01-31"],
      ["2", "y", "2024-02-01"],
    ]);
    // The same rows in another order of the columns are the same object.
    expect((await stack.ingest(d, "b,c,a\nx,2024-01-31,1\n")).answer.manifest.objects).toEqual(
      first.manifest.objects,
    );
    const rejecting = "&mode=append&on_error=reject";
    const { answer: mixed } = await stack.ingest(d, "b,a,c\nz,3,2024-03-01\nq,no,2024-03-02\n", rejecting);
    expect(mixed).toMatchObject({ rows_in: 2, rows_loaded: 1, rows_rejected: 1 });
    expect((await stack.cells(mixed.manifest)).at(-1)).toEqual(["3", "z", "2024-03-01"]);
  });

  test("so are the columns of a large file, and of a Parquet file", async () => {
    await stack.ingest(d, "a,b\n0,x\n");
    const rows = Array.from({ length: 100_000 }, (_, at) => `word ${at},${at}`);
    const { answer } = await stack.ingest(d, `b,a\n${rows.join("\n")}\n`);
    expect(answer.rows_loaded).toBe(100_000);
    expect(stack.types(answer.manifest)).toEqual({ a: "BIGINT", b: "VARCHAR" });
    expect(
      (await stack.cells(answer.manifest)).sort((one, two) => Number(one[0]) - Number(two[0])).at(99_999),
    ).toEqual(["99999", "word 99999"]);
    const path = join(stack.directory, "other-order.parquet");
    await stack.query(`COPY (SELECT 'w' AS b, 7::BIGINT AS a) TO '${path}' (FORMAT parquet)`);
    const parquet = await Bun.file(path).bytes();
    const { answer: appended } = await stack.ingest(d, parquet, "&mode=append&format=parquet");
    expect((await stack.cells(appended.manifest)).at(-1)).toEqual(["7", "w"]);
  });

  test("the answer counts bytes, rows and time", async () => {
    const { answer, headers } = await stack.ingest(d, good);
    expect(answer).toMatchObject({
      rows_in: 1,
      rows_loaded: 1,
      rows_rejected: 0,
      bytes_in: 8,
      bytes_out: answer.manifest.bytes,
    });
    expect(headers.get("x-lakehouse-job-id")).toBe(answer.job_id);
  });
});

describe("jobs", () => {
  test("tell their states while they run, and their result afterwards", async () => {
    const upload = slowBody();
    const sent = stack.ingest(d, upload.body, "", { "x-lakehouse-job-id": "mine", "content-length": "16" });
    upload.feed("a,b\n1,2\n");
    await until(
      () => job(stack, "mine"),
      ({ state, bytes_in: bytes }) => state === "receiving" && bytes === 8,
    );
    expect(await job(stack, "mine")).toMatchObject({ name: d, bytes_expected: 16, progress: 0.5 });
    expect(await call(stack, "/ingest/jobs?page_size=1")).toMatchObject({ jobs: [{ job_id: "mine" }] });
    upload.feed("3,4\n5,6\n");
    upload.end();
    await sent;
    expect(await job(stack, "mine")).toMatchObject({ state: "done", result: { rows_in: 3 } });
    const again = await stack.ingest(d, good, "", { "x-lakehouse-job-id": "mine" });
    expect([again.status, again.error.type]).toEqual([409, "conflict"]);
  });

  test("are listed newest first, by pages, and forgotten beyond jobs_kept", async () => {
    const stack = await start({ jobs_kept: 3 });
    for (const name of ["a", "b", "c", "d"]) await stack.ingest(name, good);
    const first = await call<{ jobs: JobFacts[]; next_page_token: string }>(
      stack,
      "/ingest/jobs?page_size=2",
    );
    expect(first.jobs.map(({ name }) => name)).toEqual(["d", "c"]);
    const second = await call<{ jobs: JobFacts[] }>(
      stack,
      `/ingest/jobs?page_size=2&page_token=${first.next_page_token}`,
    );
    expect(second.jobs.map(({ name }) => name)).toEqual(["b"]);
    expect(second).not.toHaveProperty("next_page_token");
  });

  test("a failed one keeps its error", async () => {
    await stack.ingest(d, "a,b\n1\n", "", { "x-lakehouse-job-id": "x" });
    expect(await job(stack, "x")).toMatchObject({ state: "failed", error: { type: "rejected_rows" } });
  });

  test("send events until they end", async () => {
    const upload = slowBody();
    const sent = stack.ingest(d, upload.body, "", { "x-lakehouse-job-id": "ev" });
    await inState(stack, "ev", "receiving");
    const response = await stack.send(new Request("http://localhost/ingest/jobs/ev/events"));
    expect(response.headers.get("content-type")).toStartWith("text/event-stream");
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    expect(first).toStartWith('event: progress\ndata: {"job_id":"ev"');
    upload.feed(good);
    upload.end();
    await sent;
    let rest = "";
    for (let next = await reader.read(); !next.done; next = await reader.read())
      rest += new TextDecoder().decode(next.value);
    expect(rest).toContain("event: done\ndata: ");
    expect(rest).toContain('"rows_loaded":1');
    const late = await (await stack.send(new Request("http://localhost/ingest/jobs/ev/events"))).text();
    expect(late).toStartWith("event: done\n");
  });
});

describe("what is given up", () => {
  const nothingOf = async (of: IngestStack, name: string) => {
    await expect(of.catalogd.manifest({ name })).rejects.toMatchObject({ type: "not_found" });
    expect(await added(of)).toEqual([]);
  };

  test("a cancelled upload registers nothing", async () => {
    const upload = slowBody();
    const sent = stack.ingest(d, upload.body, "", { "x-lakehouse-job-id": "c" });
    upload.feed(good);
    await inState(stack, "c", "receiving");
    const cancelled = await call<JobFacts>(stack, "/ingest/jobs/c", "DELETE");
    expect(cancelled).toMatchObject({ state: "failed", error: { type: "client_closed" } });
    expect((await sent).error.message).toContain("cancelled");
    await nothingOf(stack, d);
  });

  test("a job is cancelled while it writes", async () => {
    const rows = Array.from({ length: 400_000 }, (_, index) => `${index},${crypto.randomUUID()}`).join("\n");
    const sent = stack.ingest(d, `a,b\n${rows}\n`, "", { "x-lakehouse-job-id": "w" });
    await inState(stack, "w", "writing");
    expect(await call<JobFacts>(stack, "/ingest/jobs/w", "DELETE")).toMatchObject({ state: "failed" });
    expect((await sent).status).toBe(499);
    await nothingOf(stack, d);
    expect((await stack.ingest(d, good)).status).toBe(200);
  });

  test("a client that goes away, or whose connection breaks, registers nothing", async () => {
    const gone = new AbortController();
    const upload = slowBody();
    const request = new Request("http://localhost/ingest?name=d", {
      method: "POST",
      body: upload.body,
      headers: { "x-lakehouse-job-id": "g" },
      signal: gone.signal,
      duplex: "half",
    } as RequestInit);
    const sent = stack.send(request);
    upload.feed(good);
    await inState(stack, "g", "receiving");
    gone.abort();
    expect((await sent).status).toBe(499);
    const broken = slowBody();
    const second = stack.ingest(d, broken.body);
    broken.feed(good);
    broken.break();
    expect((await second).error.type).toBe("client_closed");
    await nothingOf(stack, d);
  });

  test("a name that cannot be is refused before the body is read", async () => {
    expect((await stack.ingest("Given", good)).status).toBe(200);
    for (const [name, status, type] of [
      ["pg_tables", 400, "invalid_name"],
      ["given", 409, "conflict"],
    ] as const) {
      // A body that never comes: whoever waited for it would wait for ever.
      const { status: told, error } = await stack.ingest(name, slowBody().body);
      expect([told, error.type]).toEqual([status, type]);
    }
  });

  test("a silent upload times out", async () => {
    const stack = await start({ idle_timeout_ms: 50 } as never);
    const upload = slowBody();
    upload.feed(good);
    const { status, error } = await stack.ingest("d", upload.body);
    expect([status, error.type]).toEqual([408, "timeout"]);
    await nothingOf(stack, "d");
  });

  test("stopping the service ends uploads and writes, and a stopped service takes none", async () => {
    const stack = await startIngestStack();
    const upload = slowBody();
    const receiving = stack.ingest("r", upload.body, "", { "x-lakehouse-job-id": "r" });
    const rows = Array.from({ length: 400_000 }, (_, index) => `${index},${crypto.randomUUID()}`).join("\n");
    const writing = stack.ingest("w", `a,b\n${rows}\n`, "", { "x-lakehouse-job-id": "w" });
    await inState(stack, "r", "receiving");
    await inState(stack, "w", "writing");
    await stack.ingestd.running.stop();
    expect((await receiving).error.type).toBe("unavailable");
    expect((await writing).error.type).toBe("unavailable");
    expect((await stack.ingest("x", good)).error.type).toBe("unavailable");
    expect(await stack.objects()).toEqual([]);
    await stack.stop();
  });

  test("what an earlier run left is removed at the start", async () => {
    const first = await startIngestStack();
    const left = join(first.directory, "ingestd", "work", "left");
    mkdirSync(left);
    writeFileSync(join(left, "rows-00000.txt"), "x");
    const { createIngestd } = await import("../../../workers/ingestd/service.ts");
    const { ingestd } = await import("../../../workers/ingestd/contract.ts");
    const { startInProcess } = await import("../../support/stacks/in-process.ts");
    const second = await startInProcess(
      { contract: ingestd, create: createIngestd },
      { config: first.config, peers: first.peers },
    );
    expect(existsSync(left)).toBe(false);
    await second.stop();
    await first.stop();
  });
});

describe("many at once", () => {
  test("20 of different names and 5 of one name all end right", async () => {
    const body = (at: number) =>
      `id,text\n${Array.from({ length: 2000 }, (_, row) => `${row},${at}`).join("\n")}\n`;
    const different = Array.from({ length: 20 }, (_, at) => stack.ingest(`n${at}`, body(at)));
    const same = Array.from({ length: 5 }, (_, at) => stack.ingest("same", body(100 + at)));
    const sent = await Promise.all([...different, ...same]);
    expect(sent.map(({ status }) => status)).toEqual(sent.map(() => 200));
    for (const [at, { answer }] of sent.slice(0, 20).entries()) {
      expect(
        await stack.query(
          `SELECT count(*), min(text), max(text) FROM ${await stack.relation(answer.manifest)}`,
        ),
      ).toEqual([["2000", String(at), String(at)]]);
    }
    const versions = sent.slice(20).map(({ answer }) => answer.manifest.version);
    expect(versions.sort()).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(sent.slice(20).map(({ answer }) => answer.manifest.dataset_id)).size).toBe(1);
  });

  test("over max_waiting_ingests is 503 with Retry-After, and nothing was read", async () => {
    const stack = await start({ max_concurrent_ingests: 1, max_waiting_ingests: 1 });
    const upload = slowBody();
    const first = stack.ingest("a", upload.body, "", { "x-lakehouse-job-id": "a" });
    await inState(stack, "a", "receiving");
    const second = stack.ingest("b", good, "", { "x-lakehouse-job-id": "b" });
    await inState(stack, "b", "waiting");
    const third = await stack.ingest("c", good);
    expect([third.status, third.error.type, third.headers.get("retry-after")]).toEqual([
      503,
      "overloaded",
      "2",
    ]);
    upload.feed(good);
    upload.end();
    expect([(await first).status, (await second).status]).toEqual([200, 200]);
  });
});

describe("Idempotency-Key", () => {
  test("the same key and file gives the first answer again, in whatever envelope; another file is 409", async () => {
    const key = { "idempotency-key": "k1" };
    const first = await stack.ingest(d, good, "&mode=append", key);
    const form = new FormData();
    form.append("file", new Blob([good]), "x.csv");
    const again = await stack.ingest(d, form as unknown as BodyInit, "&mode=append", key);
    expect(again.answer).toEqual(first.answer);
    expect((await stack.catalogd.manifest({ name: d })).row_count).toBe(1);
    const other = await stack.ingest(d, "a,b\n3,4\n", "&mode=append", key);
    expect([other.status, other.error.type]).toEqual([409, "idempotency_conflict"]);
    const elsewhere = await stack.ingest("e", good, "&mode=append", key);
    expect(elsewhere.status).toBe(409);
  });

  test("a failure is not remembered", async () => {
    const key = { "idempotency-key": "k2" };
    expect((await stack.ingest(d, "a,b\n1\n", "", key)).status).toBe(422);
    expect((await stack.ingest(d, "a,b\n1\n", "&on_error=reject", key)).status).toBe(200);
  });
});

describe("the store", () => {
  test("objects are sent where the bucket is not on this machine", async () => {
    between.isStoreElsewhere = true;
    const { answer, status } = await stack.ingest(d, good);
    expect(status).toBe(200);
    expect(await stack.cells(answer.manifest)).toEqual([["1", "2"]]);
    expect(answer.manifest.objects[0]?.key).toBe(`datasets/${d}/${answer.manifest.objects[0]?.etag}.parquet`);
  });

  test("a refused registration leaves no object; one of unknown outcome leaves it", async () => {
    const refused = await stack.ingest("pg_table", good);
    expect([refused.status, refused.error.type]).toEqual([400, "invalid_name"]);
    expect(await added()).toEqual([]);
    await stack.ingest("Taken", good);
    const other = await stack.ingest("taken", good);
    expect([other.status, other.error.type]).toEqual([409, "conflict"]);
    expect(await added()).toHaveLength(1);
  });

  test("a failed registration is told as it is, and leaves no file of ours", async () => {
    between.isCatalogdAway = true;
    const { status, error } = await stack.ingest(d, good);
    expect([status, error.type]).toEqual([503, "unavailable"]);
    expect(await added()).toHaveLength(1);
  });
});

describe("preview", () => {
  interface Preview {
    format: string;
    dialect: { delimiter: string };
    columns: { name: string; type: string; why: string }[];
    rows: (string | null)[][];
    whole_file: boolean;
    bad_rows: number;
    problems: { line: number }[];
    warnings: string[];
  }
  const look = async (body: BodyInit, query = "") => {
    const { status, answer, error } = await stack.post(`/ingest/preview${query}`, body);
    expect(`${status} ${error.message}`).toBe("200 ");
    return answer as unknown as Preview;
  };

  test("says types and why, the first rows and the bad ones, and stores nothing", async () => {
    const listed = (await stack.catalogd.list({})).datasets;
    const preview = await look(
      'id;zip;when;n;name\n1;02134;2024-13-01;1.5;"A\nb"\n2;10001;2024-01-01;2;Bo\n3;x\n',
      "?rows=1",
    );
    expect(preview).toMatchObject({
      format: "csv",
      dialect: { delimiter: ";" },
      whole_file: true,
      bad_rows: 1,
      problems: [{ line: 5 }],
    });
    expect(preview.rows).toEqual([["1", "02134", "2024-13-01", "1.5", "A\nb"]]);
    expect(preview.columns.map(({ name, type, why }) => [name, type, why])).toEqual([
      ["id", "BIGINT", "every value reads back to the same text"],
      ["zip", "VARCHAR", "stays text: leading zeros, '02134' on line 2"],
      [
        "when",
        "VARCHAR",
        "stays text: a date that does not exist or would read back otherwise, '2024-13-01' on line 2",
      ],
      ["n", "DECIMAL(18,1)", "every value reads back to the same text"],
      ["name", "VARCHAR", "text, such as 'A\nb' on line 2"],
    ]);
    expect(await added()).toEqual([]);
    expect((await stack.catalogd.list({})).datasets).toEqual(listed);
  });

  test("looks at the beginning of a large file only, cut where a row ends", async () => {
    const rows = Array.from({ length: 30_000 }, (_, index) => `${index},"${"x".repeat(600)}\n"`).join("\n");
    const preview = await look(`a,b\n${rows}\n`);
    expect(preview).toMatchObject({
      whole_file: false,
      bad_rows: 0,
      columns: [{ type: "BIGINT" }, { type: "VARCHAR" }],
    });
  });

  test("says why each of a hundred columns of text stays text", async () => {
    const names = Array.from({ length: 100 }, (_, index) => `c${index}`);
    const lines = [names.map((_, index) => `0${index}`), names.map(() => "1"), names.map(() => "")];
    const late = [...lines, ...Array.from({ length: 2100 }, () => names.map(() => "1"))];
    for (const [rows, query] of [
      [lines, ""],
      [[...late.slice(1), ["x", ...(late[0]?.slice(1) ?? [])]], ""],
      [lines, "?infer=values"],
    ] as const) {
      const { columns, warnings } = await look(
        `${[names, ...rows].map((line) => line.join(",")).join("\n")}\n`,
        query,
      );
      const line = rows === lines ? 2 : rows.length + 1;
      const whyOf = (index: number) =>
        index === 0 && line > 2
          ? `text, such as 'x' on line ${line}`
          : `stays text: leading zeros, '0${index}' on line ${line}`;
      const expected =
        query === ""
          ? names.map((_, index) => whyOf(index))
          : names.map(() => "every value is one by infer=values");
      expect(columns.map(({ why }) => why)).toEqual(expected);
      // The others are identifiers, which the last row alone shows.
      if (line > 2)
        expect(warnings).toEqual([
          expect.stringMatching(/^column 'c0' is text: .* such as 'x' on line/),
          "50 more columns of text are nearly of a type",
        ]);
    }
  });

  test("shows NDJSON and Parquet too", async () => {
    const json = await look('{"a":1,"b":[1]}\n');
    expect(json.columns.map(({ type }) => type)).toEqual(["BIGINT", "BIGINT[]"]);
    expect(json.rows).toEqual([["1", "[1]"]]);
    const path = join(stack.directory, "p.parquet");
    await stack.query(`COPY (SELECT 1 AS a) TO '${path}' (FORMAT parquet)`);
    const parquet = await look(Bun.file(path) as unknown as BodyInit);
    expect([parquet.format, parquet.columns[0]?.why]).toEqual(["parquet", "as in the file"]);
  });
});
