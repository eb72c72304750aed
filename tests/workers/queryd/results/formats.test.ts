/** Every format of queryd's results under the same rules: whole or visibly broken, never a part that looks whole. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import { tableFromIPC } from "apache-arrow";
import { rfc4180 } from "../../../support/clients/rfc4180.ts";
import { type QuerydStack, startQuerydStack } from "../../../support/stacks/queryd.ts";

type Row = Record<string, unknown>;

/** How a reader of the format gets back rows of integers and text. */
const formats: Record<string, (bytes: Uint8Array, folder: string) => Promise<Row[]>> = {
  "application/json": async (bytes) => JSON.parse(new TextDecoder().decode(bytes)),
  "application/x-ndjson": async (bytes) =>
    new TextDecoder()
      .decode(bytes)
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line)),
  "text/csv": async (bytes) => {
    const [names = [], ...rows] = rfc4180(new TextDecoder().decode(bytes));
    return rows.map((row) =>
      Object.fromEntries(
        row.map((value, at) => [names[at], value !== null && /^-?\d+$/.test(value) ? Number(value) : value]),
      ),
    );
  },
  "application/vnd.apache.arrow.stream": async (bytes) => {
    const rows = tableFromIPC(bytes).toArray();
    return rows.map((row) =>
      JSON.parse(JSON.stringify(row, (_, value) => (typeof value === "bigint" ? Number(value) : value))),
    );
  },
  "application/vnd.apache.parquet": async (bytes, folder) => {
    const file = join(folder, `${crypto.randomUUID()}.parquet`);
    await Bun.write(file, bytes);
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    try {
      const rows = (await connection.runAndReadAll(`FROM '${file}'`)).getRowObjects();
      return rows.map((row) =>
        JSON.parse(JSON.stringify(row, (_, value) => (typeof value === "bigint" ? Number(value) : value))),
      );
    } finally {
      connection.closeSync();
      instance.closeSync();
    }
  },
};

/** The row at which late failures happen; a campaign may raise it to millions. */
const failAt = Number(Bun.env.LAKEHOUSE_FAIL_AT ?? 150_000);

let stack: QuerydStack;
let server: ReturnType<typeof Bun.serve>;
beforeAll(async () => {
  stack = await startQuerydStack();
  await stack.dataset(
    "numbers",
    "SELECT range AS i, if(range % 3 = 0, NULL, 'text ' || range) AS t FROM range(100_000)",
  );
  server = Bun.serve({
    port: 0,
    idleTimeout: 0,
    development: false,
    fetch: (request) => stack.send(request),
  });
});
afterAll(async () => {
  await server.stop(true);
  await stack.stop();
});

const post = (accept: string, body: Record<string, unknown>, signal?: AbortSignal) =>
  fetch(new URL("/sql", server.url), {
    method: "POST",
    headers: { accept, "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal && { signal }),
  });

for (const [accept, decode] of Object.entries(formats)) {
  const isFile = accept.endsWith("parquet");
  const read = async (sql: string, more: Record<string, unknown> = {}) => {
    const response = await post(accept, { sql, ...more });
    expect([sql, response.status]).toEqual([sql, 200]);
    return { response, rows: await decode(new Uint8Array(await response.arrayBuffer()), stack.directory) };
  };

  describe(accept, () => {
    test("gives every row in order, over many pieces", async () => {
      const { rows, response } = await read("SELECT * FROM numbers ORDER BY i");
      expect(rows.length).toBe(100_000);
      for (let i = 0; i < rows.length; i += 1) {
        if (rows[i]?.i !== i || rows[i]?.t !== (i % 3 === 0 ? null : `text ${i}`))
          expect([i, rows[i]]).toBeUndefined();
      }
      expect(response.headers.get("content-type")).toStartWith(accept);
      expect(response.headers.get("x-lakehouse-query-id")).toMatch(/^[0-9a-f-]{36}$/);
    });

    test("gives no rows, one row, and a batch boundary's worth", async () => {
      expect((await read("SELECT i, t FROM numbers WHERE false")).rows).toEqual([]);
      expect((await read("SELECT i, t FROM numbers WHERE i = 1")).rows).toEqual([{ i: 1, t: "text 1" }]);
      for (const count of [2047, 2048, 2049]) {
        const { rows } = await read(`SELECT range AS i FROM range(${count})`);
        expect([rows.length, rows.at(-1)]).toEqual([count, { i: count - 1 }]);
      }
    });

    test("stops at the limit", async () => {
      for (const limit of [0, 1, 2048, 70_000]) {
        const { rows } = await read("SELECT i FROM numbers ORDER BY i", { limit });
        expect([rows.length, rows.at(-1)?.i]).toEqual([limit, limit === 0 ? undefined : limit - 1]);
      }
    });

    test("a failure before the first byte is an answer", async () => {
      for (const sql of [
        "SELECT nothing FROM numbers",
        "SELECT CAST(t AS INTEGER) FROM numbers WHERE i = 1",
      ]) {
        const response = await post(accept, { sql });
        expect(response.status).toBe(400);
        expect(response.headers.get("content-type")).toStartWith("application/json");
        expect(((await response.json()) as { error: { type: string } }).error.type).toBe("sql_error");
      }
    });

    test("a failure in the middle is an error, never a result that looks whole", async () => {
      for (const failing of [
        `SELECT i, CAST(if(i = ${failAt}, 'x', '1') AS INTEGER) AS v FROM range(${failAt * 2}) r(i)`,
        `SELECT i, if(i = ${failAt}, error('stop here'), 1) AS v FROM range(${failAt * 2}) r(i) ORDER BY i`,
        `SELECT a.i, if(a.i = ${failAt}, error('stop here'), 1) AS v FROM range(${failAt * 2}) a(i) JOIN range(${failAt * 2}) b(i) USING (i)`,
      ]) {
        const outcome = await outcomeOf(post(accept, { sql: failing }));
        expect(["broken", "refused 400"]).toContain(outcome);
        if (isFile) expect(outcome).toBe("refused 400");
      }
      expect((await read("SELECT 1 AS a")).rows).toEqual([{ a: 1 }]);
    });

    test("a time limit in the middle is an error too", async () => {
      const endless = "SELECT i, md5(i::VARCHAR) AS t FROM range(1_000_000_000_000) r(i)";
      const outcome = await outcomeOf(post(accept, { sql: endless, timeout_ms: 400 }));
      expect(isFile ? ["refused 408"] : ["broken", "refused 408"]).toContain(outcome);
    });

    test("a caller that leaves ends the query", async () => {
      const controller = new AbortController();
      const endless = "SELECT i, md5(i::VARCHAR) AS t FROM range(1_000_000_000_000) r(i)";
      const response = post(accept, { sql: endless }, controller.signal);
      if (!isFile) await (await response).body?.getReader().read();
      else await runningQuery();
      controller.abort();
      await response.catch(() => {});
      await noneRunning();
    });
  });
}

/** What a caller sees of an answer: whole, refused with a status, or a body that breaks off. */
async function outcomeOf(answer: Promise<Response>): Promise<string> {
  const response = await answer;
  try {
    const { byteLength } = await response.arrayBuffer();
    return response.ok ? `whole with ${byteLength} bytes` : `refused ${response.status}`;
  } catch {
    return "broken";
  }
}

const listed = async () => (await stack.queryd.peer.verbs.queries({ page_size: 10 })).queries;

async function runningQuery(): Promise<void> {
  while (!(await listed()).some(({ state }) => state === "running")) await Bun.sleep(1);
}

/** Waits until nothing runs: what was not stopped would run for ever. */
async function noneRunning(): Promise<void> {
  while ((await listed()).some(({ state }) => state === "running" || state === "queued")) {
    await Bun.sleep(1);
  }
}

describe("on the wire", () => {
  /** The raw bytes of an answer, and whether the connection was closed by a reset. */
  async function raw(sql: string, accept: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const parts: Uint8Array[] = [];
    const body = JSON.stringify({ sql });
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: server.port ?? 0,
      socket: {
        data: (_, bytes) => void parts.push(Uint8Array.from(bytes)),
        close: () => resolve(),
        error: () => resolve(),
      },
    });
    socket.write(
      `POST /sql HTTP/1.1\r\nHost: localhost\r\nAccept: ${accept}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    await promise;
    return Buffer.concat(parts).toString("latin1");
  }

  test("the chunk that ends an HTTP body is sent for a whole result alone", async () => {
    const whole = await raw("SELECT i, 'some text' AS t FROM range(200_000) r(i)", "application/x-ndjson");
    expect(whole).toContain("200 OK");
    expect(whole.endsWith("\r\n0\r\n\r\n")).toBe(true);
    const cut = await raw(
      "SELECT i, CAST(if(i = 150_000, 'x', '1') AS INTEGER) AS v FROM range(200_000) r(i)",
      "application/x-ndjson",
    );
    expect(cut).toContain("200 OK");
    expect(cut.endsWith("0\r\n\r\n")).toBe(false);
  });
});
