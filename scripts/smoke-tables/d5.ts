import { workerColumns, workerRow, workersPieces } from "../sample-data/sample-data.ts";
import {
  drop,
  expectEqual,
  expectError,
  expectStatus,
  expectTrue,
  freshName,
  ingest,
  type Lake,
  rows,
  type Smoke,
  type Stage,
  sql,
} from "../smoke-product/smoke-product.ts";

const rowsOfFile = 5000;
const seed = 5;
const column = (name: (typeof workerColumns)[number]): number => workerColumns.indexOf(name);

/** Counted here, from the generator, without the product. */
function rolesIn(state: string): { role: string; n: number }[] {
  const counts = new Map<string, number>();
  for (let row = 0; row < rowsOfFile; row++) {
    const fields = workerRow(seed, row);
    const role = fields[column("role")] ?? "";
    if (fields[column("state")] === state) counts.set(role, (counts.get(role) ?? 0) + 1);
  }
  return [...counts].map(([role, n]) => ({ role, n })).sort((a, b) => (a.role < b.role ? -1 : 1));
}

async function answers({ check }: Stage, lake: Lake, name: string): Promise<void> {
  await check("SELECT count(*) answers in DuckDB's own words", async () => {
    expectEqual(await rows(lake, `SELECT count(*) FROM ${name}`), [{ "count_star()": rowsOfFile }]);
  });
  await check("a GROUP BY equals a count made without the product", async () => {
    const grouped = `SELECT role, count(*)::INT AS n FROM ${name} WHERE state = $1 GROUP BY role ORDER BY role`;
    expectEqual(await rows(lake, grouped, { params: ["IL"] }), rolesIn("IL"));
  });
  await check("ZIP codes keep their zeros", async () => {
    const boston = await rows(
      lake,
      `SELECT min(length(zip))::INT AS n FROM ${name} WHERE city = 'Boston' AND zip LIKE '021%'`,
    );
    expectEqual(boston, [{ n: 5 }]);
  });
  await check("CSV, NDJSON, Arrow and Parquet come by Accept", async () => {
    const one = `SELECT worker_id, name FROM ${name} ORDER BY worker_id LIMIT 2`;
    const ndjson = await sql(lake, one, {}, { accept: "application/x-ndjson" });
    expectEqual(String(ndjson.body).trim().split("\n").length, 2);
    const csv = await sql(lake, one, {}, { accept: "text/csv" });
    expectTrue(
      String(csv.body).startsWith("worker_id,name"),
      `CSV began with ${String(csv.body).slice(0, 40)}`,
    );
    for (const accept of ["application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]) {
      const answer = await sql(lake, one, {}, { accept });
      expectStatus(answer, 200);
      expectTrue(answer.headers.get("content-type")?.startsWith(accept) ?? false, `not ${accept}`);
    }
  });
}

async function refuses({ check }: Stage, lake: Lake, name: string): Promise<void> {
  await check("only reading statements run", async () => {
    for (const statement of [
      `DROP VIEW ${name}`,
      "CREATE TABLE t (a INT)",
      "INSTALL httpfs",
      "SET threads = 1",
    ]) {
      expectError(await sql(lake, statement), 403, "statement_not_allowed");
    }
  });
  await check("no file of the machine can be read", async () => {
    for (const source of ["read_csv('/etc/passwd')", "read_text('/etc/hostname')", "'/etc/passwd'"]) {
      const answer = await sql(lake, `SELECT * FROM ${source}`);
      expectTrue([400, 403].includes(answer.status), `${source} gave ${answer.status}`);
    }
  });
  await check("an SQL error is a 400 with DuckDB's message", async () => {
    const message = expectError(await sql(lake, `SELECT nothing_like_it FROM ${name}`), 400, "sql_error");
    expectTrue(message.includes("nothing_like_it"), message);
  });
  await check("a query past its deadline is a 408, and the next one answers", async () => {
    const endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b";
    expectError(await sql(lake, endless, { timeout_ms: 200 }), 408, "timeout");
    expectEqual(await rows(lake, "SELECT 1 AS one"), [{ one: 1 }]);
  });
}

export const d5: Smoke = {
  about: "SQL: counts, groups, formats, refusals, deadline",
  async run(stage) {
    const lake = await stage.lake();
    const name = freshName();
    await stage.check("a file is loaded", async () => {
      const pieces = [...workersPieces({ rows: rowsOfFile, seed })] as BlobPart[];
      expectStatus(await ingest(lake, `name=${name}`, new Blob(pieces)), 200);
    });
    await answers(stage, lake, name);
    await refuses(stage, lake, name);
    await stage.check("the dataset can be dropped", () => drop(lake, name));
  },
};
