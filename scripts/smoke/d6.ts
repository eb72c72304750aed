import { workerColumns, workerRow, workersPieces } from "../make-workers.ts";
import type { Lake } from "./product.ts";
import { drop, freshName, ingest, rows, sql } from "./requests.ts";
import { expectEqual, expectError, expectStatus, expectTrue, type Smoke } from "./smoke.ts";

const rowsOfFile = 20_000;
const seed = 6;

/** The text of every field as the product has it, against the text that went in. */
async function everyFieldEquals(lake: Lake, name: string): Promise<void> {
  const texts = workerColumns.map((column) => `${column}::VARCHAR AS ${column}`).join(", ");
  const response = await lake.open("/v1/sql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/x-ndjson" },
    body: JSON.stringify({ sql: `SELECT ${texts} FROM ${name} ORDER BY ${name}.worker_id` }),
  });
  expectEqual(response.status, 200);
  const lines = (await response.text()).trimEnd().split("\n");
  expectEqual(lines.length, rowsOfFile);
  for (const [row, line] of lines.entries()) {
    const answered = Object.values(JSON.parse(line) as Record<string, string | null>).map(
      (value) => value ?? "",
    );
    const sent = workerRow(seed, row);
    const at = sent.findIndex((field, column) => answered[column] !== field);
    if (at >= 0)
      throw new Error(`row ${row + 1}, ${workerColumns[at]}: sent '${sent[at]}', got '${answered[at]}'`);
  }
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
    await check("every field of every row reads back as the text that went in", () =>
      everyFieldEquals(lake, name),
    );
    await check("the ingest is among the jobs, as done", async () => {
      const { jobs } = (await lake.send("/v1/ingest/jobs")).body as {
        jobs: { name: string; state: string }[];
      };
      expectEqual(jobs.find((job) => job.name === name)?.state, "done");
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
