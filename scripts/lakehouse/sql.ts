/** `lakehouse sql`: one reading statement, as a table or as it streams. */
import type { Format } from "../../api/client/lakehouse/lakehouse.ts";
import { amountOf, UsageError } from "../command-line/command-line.ts";
import { tableOf } from "./table.ts";
import { type Command, countIn, onlyWord, type Terminal } from "./terminal.ts";

/** More rows than anybody reads: a table is made of all its rows at once. */
const tableRowsMax = 1000;
const formats: readonly string[] = ["table", "json", "ndjson", "csv", "arrow", "parquet"];

const usage = `  sql STATEMENT [--limit N] [--as-of TIME] [--format table|json|ndjson|csv|arrow|parquet]
                "-" reads the statement from the input`;

export const sql: Command = {
  usage,
  options: ["limit", "format", "as-of"],
  run: async (terminal) => {
    const word = onlyWord(terminal, "one statement, in quotes", usage);
    const statement = word === "-" ? await Bun.stdin.text() : word;
    if (statement.trim() === "")
      throw new UsageError(`the ${word === "-" ? "input" : "statement"} is empty; expected SQL, as SELECT 1`);
    const { format = terminal.isForPeople ? "table" : "json", "as-of": as_of } = terminal.words.options;
    if (!formats.includes(format))
      throw new UsageError(`--format: expected one of ${formats.join(", ")}, got '${format}'`);
    const limit = countIn(terminal, "limit");
    const given = { ...(limit !== undefined && { limit }), ...(as_of !== undefined && { as_of }) };
    if (format === "table") return table(terminal, statement, given);
    // Digits as the product has them: nothing here reads the numbers.
    const response = await terminal.client.result(statement, format as Format, {
      ...{ ...given, numbers: "json", signal: terminal.signal },
    });
    for await (const chunk of terminal.client.bytes(response, terminal.signal)) await terminal.write(chunk);
    if (format === "json") await terminal.write("\n");
    return 0;
  },
};

interface Full {
  columns: { name: string; type: string }[];
  rows: Record<string, unknown>[];
  truncated: boolean;
  elapsed_ms: number;
}

async function table(
  terminal: Terminal,
  sql: string,
  { limit = tableRowsMax, ...given }: { limit?: number; as_of?: string },
): Promise<number> {
  const { client, signal, write, remark, dim } = terminal;
  const response = await client.queryd.sql(
    { shape: "full", numbers: "string" },
    { signal, json: { sql, limit, ...given } },
  );
  const { columns, rows, truncated, elapsed_ms } = (await response.json()) as Full;
  const isNumber = (type: string) =>
    /INT|DECIMAL|DOUBLE|FLOAT|BIGNUM/.test(type) && !/[[(]{1}.*[A-Z]|\]/.test(type);
  const shown = columns.map(({ name, type }) => ({ name, isNumber: isNumber(type) }));
  await write(
    tableOf(
      shown,
      rows.map((row) => columns.map(({ name }) => row[name])),
      terminal,
    ),
  );
  const count = `${truncated ? "the first " : ""}${amountOf(rows.length, rows.length === 1 ? "row" : "rows")}`;
  const more = truncated ? "; --limit N for more, --format csv for all" : "";
  remark(dim(`${count}, ${Math.round(elapsed_ms)} ms${more}`));
  return 0;
}
