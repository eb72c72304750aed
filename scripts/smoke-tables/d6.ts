import { join } from "node:path";
import { workersPieces } from "../sample-data/sample-data.ts";
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
  sql,
} from "../smoke-product/smoke-product.ts";

const rowsOfFile = 20_000;
const seed = 6;

/** The rows as the product writes them in CSV, against the text that went in. */
async function everyFieldEquals(lake: Lake, name: string, sent: string): Promise<void> {
  const response = await lake.open("/v1/sql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/csv" },
    body: JSON.stringify({ sql: `SELECT * FROM ${name} ORDER BY worker_id` }),
  });
  expectEqual(response.status, 200);
  const [got, wanted] = [(await response.text()).split("\n"), sent.split("\n")];
  expectEqual(got.length, wanted.length);
  const at = wanted.findIndex((line, row) => got[row] !== line);
  if (at >= 0) throw new Error(`line ${at + 1}: sent '${wanted[at]}', got '${got[at]}'`);
}

export const d6: Smoke = {
  about: "the whole way through the gateway alone: file in, SQL out, every field the same",
  async run({ check, lake: open }) {
    const lake = await open();
    const name = freshName();
    const csv = new Blob([...workersPieces({ rows: rowsOfFile, seed })] as BlobPart[]);

    await check("the file goes in and is queryable the moment the answer is there", async () => {
      const answer = await ingest(lake, `name=${name}`, csv);
      expectEqual(await rows(lake, `SELECT count(*) FROM ${name}`), [{ "count_star()": rowsOfFile }]);
      expectStatus(answer, 200);
    });
    await check("every field of every row reads back as the text that went in", async () =>
      everyFieldEquals(lake, name, await csv.text()),
    );
    await check("the ingest is among the jobs, as done", async () => {
      const { jobs } = (await lake.send("/v1/ingest/jobs")).body as {
        jobs: { name: string; state: string }[];
      };
      expectEqual(jobs.find((job) => job.name === name)?.state, "done");
    });
    await check("a saved query is asked in a URL, through a view", async () => {
      const view = { name: `view_${name}`, sql: `SELECT worker_id FROM ${name} ORDER BY worker_id LIMIT 7` };
      const json = { "content-type": "application/json" };
      const put = (path: string, method: string, body: object) =>
        lake.send(path, { method, headers: json, body: JSON.stringify(body) });
      expectStatus(await put("/v1/catalog/views", "POST", view), 200);
      const query = {
        sql: `SELECT count(*) AS n FROM ${view.name} LIMIT $most`,
        parameters: { most: { type: "integer" } },
      };
      expectStatus(await put(`/v1/queries/query_${name}`, "PUT", query), 200);
      const answer = await lake.open(`/v1/queries/query_${name}.csv?most=1`);
      expectEqual(await answer.text(), "n\n7\n");
      expectStatus(await lake.send(`/v1/queries/query_${name}`, { method: "DELETE" }), 200);
      expectStatus(await lake.send(`/v1/catalog/views/${view.name}`, { method: "DELETE" }), 200);
    });
    await check("a workbook is a table, and says what it leaves out", async () => {
      const book = freshName();
      const file = Bun.file(join(import.meta.dir, "../../tests/fixtures/ingestd/sources/jobs.xlsx"));
      const answer = await lake.send(`/v1/ingest?name=${book}`, { method: "POST", body: file });
      expectStatus(answer, 200);
      const { warnings } = answer.body as { warnings: string[] };
      expectTrue(
        warnings.some((warning) => warning.startsWith("error cells")),
        warnings.join("; "),
      );
      const first = await rows(
        lake,
        `SELECT id, zip, hired::VARCHAR AS hired FROM ${book} ORDER BY id LIMIT 1`,
      );
      expectEqual(first, [{ id: 1, zip: "02134", hired: "2024-01-31" }]);
      await drop(lake, book);
    });
    await check("five uploads of different names at once all end right", async () => {
      const names = Array.from({ length: 5 }, freshName);
      const answers = await Promise.all(
        names.map((each, at) => ingest(lake, `name=${each}`, `id\n${"7\n".repeat(at + 1)}`)),
      );
      for (const [at, answer] of answers.entries()) {
        expectStatus(answer, 200);
        expectEqual(await rows(lake, `SELECT sum(id)::INT AS n FROM ${names[at]}`), [{ n: 7 * (at + 1) }]);
      }
      await Promise.all(names.map((each) => drop(lake, each)));
    });
    await check("after the drop the name is unknown to SQL", async () => {
      await drop(lake, name);
      const message = expectError(await sql(lake, `SELECT * FROM ${name}`), 400, "sql_error");
      expectTrue(message.includes(name), message);
    });
  },
};
