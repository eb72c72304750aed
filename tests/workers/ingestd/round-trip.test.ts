/** What queryd writes as CSV, ingestd reads as the same types and values, in the form that they came in. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { queryd } from "../../../workers/queryd/contract.ts";
import { createQueryd } from "../../../workers/queryd/service.ts";
import { startInProcess } from "../../support/stacks/in-process.ts";
import { type IngestStack, startIngestStack } from "../../support/stacks/ingestd.ts";

let stack: IngestStack;
let querying: Awaited<ReturnType<typeof start>>;
const start = ({ config, peers }: IngestStack) =>
  startInProcess({ contract: queryd, create: createQueryd }, { config, peers });
beforeAll(async () => {
  stack = await startIngestStack();
  querying = await start(stack);
});
afterAll(async () => {
  await querying.stop();
  await stack.stop();
});

const csvOf = async (sql: string): Promise<string> => {
  const init = { method: "POST", body: JSON.stringify({ sql }), headers: { accept: "text/csv" } };
  const response = await querying.send(new Request("http://localhost/sql", init));
  expect(response.status).toBe(200);
  return response.text();
};

const columns: [name: string, type: string, values: string[]][] = [
  ["flag", "BOOLEAN", ["true", "false", ""]],
  ["id", "BIGINT", ["9223372036854775807", "-1", ""]],
  ["price", "DECIMAL(18,2)", ["1.10", "2.00", "-0.05"]],
  ["cost", "DECIMAL(18,2)", ["10", "9.5", "100.25"]],
  ["wide", "DECIMAL(38,20)", ["1", "0.12345678901234567891", ""]],
  ["ratio", "DOUBLE", ["1.0", "0.125", "-0.0"]],
  ["tiny", "DOUBLE", ["1", "1e-07", "-0.0", "2.5e+20"]],
  ["day", "DATE", ["2024-02-29", "0001-01-01", ""]],
  ["at", "TIMESTAMP", ["2024-01-31 10:00:00", "2024-01-31 10:00:00.5", "1969-12-31 23:59:59.999999"]],
  ["instant", "TIMESTAMP WITH TIME ZONE", ["2024-05-01T10:00:00Z", "2024-05-01T10:00:00.123Z", ""]],
  ["text", "VARCHAR", ["02134", 'a, "b"', ""]],
];

test.each(columns)("%s: %s", async (name, type, values) => {
  const quoted = values.map((value) => (value === "" ? "" : `"${value.replaceAll('"', '""')}"`));
  const { answer, error } = await stack.ingest(
    `${name}_in`,
    `n,${name}\n${quoted.map((value, n) => `${n},${value}`).join("\n")}\n`,
  );
  expect(error.message).toBe("");
  const [, column] = answer.manifest.columns;
  expect(column?.type).toBe(type);
  const written = await csvOf(`SELECT * FROM ${name}_in ORDER BY n`);
  const again = await stack.ingest(`${name}_again`, written);
  expect(again.answer.manifest.columns).toEqual(answer.manifest.columns);
  expect(await stack.cells(again.answer.manifest)).toEqual(await stack.cells(answer.manifest));
  // A client that writes what it read gets its own text back.
  const lines = written.trimEnd().split("\n").slice(1);
  const bare = (line: string) =>
    line
      .replace(/^\d,/, "")
      .replace(/^"(.*)"$/s, "$1")
      .replaceAll('""', '"');
  expect(lines.map(bare)).toEqual(values);
});

test("the form goes with the column, by whatever name, and not with what is computed of it", async () => {
  await stack.ingest("forms", "n,price\n1,10\n2,9.5\n3,100.25\n");
  expect(await csvOf("SELECT price FROM forms ORDER BY n")).toBe("price\n10\n9.5\n100.25\n");
  expect(await csvOf("SELECT price AS p FROM forms ORDER BY n")).toBe("p\n10\n9.5\n100.25\n");
  expect(await csvOf("SELECT max(price) AS m FROM forms")).toBe("m\n100.25\n");
  expect(await csvOf("SELECT price + 1 AS p FROM forms ORDER BY n LIMIT 1")).toBe("p\n11.00\n");
});
