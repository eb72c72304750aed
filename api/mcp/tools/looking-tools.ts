/** `describe_dataset`, `sample_dataset` and `explain_sql`: a look at data and statements before a query. */
import type { Static, TObject } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { parseRows } from "../../../runtime/json/json.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import { TableName } from "../../../workers/catalogd/contract.ts";
import { queryd, SqlRequest } from "../../../workers/queryd/contract.ts";
import { headingRow, type Row, tableRow, textCharsMax, truncated } from "../answers/answers.ts";
import { type GatewayClient, GatewayFailure, textOf } from "../gateway/gateway.ts";
import { tableOf } from "./dataset-tools.ts";
import { derive } from "./schemas.ts";
import { reading, type Tool, type ToolContext } from "./tool.ts";

interface Result {
  columns: { name: string; type: string }[];
  rows: Row[];
}

/** A small result as a whole. */
async function rowsOf(gateway: GatewayClient, statement: object, { signal }: ToolContext): Promise<Result> {
  const path = `${queryd.endpoints.sql.path}?shape=full&numbers=json`;
  return resultOf(gateway, await gateway.post(path, statement, { signal }), signal);
}

/** What `shape=full` answers. */
export async function resultOf(
  gateway: GatewayClient,
  response: Response,
  signal: AbortSignal,
): Promise<Result> {
  const { columns, rows } = parseRows(await textOf(response, signal, gateway.url)) as Partial<Result>;
  if (columns && rows) return { columns, rows };
  throw new GatewayFailure({ type: "bad_gateway", message: "the result has another form than expected" });
}

const which = {
  name: { ...TableName, description: "The dataset's name, as list_datasets gives it." } as typeof TableName,
  version: t.Optional(t.Integer({ minimum: 1, description: "An earlier version; the latest unless given." })),
};

const rowsOmitted = t.Optional(
  t.Integer({ minimum: 1, description: "Left out, because the answer has a bound." }),
);
const AnyRow = t.Record(t.String(), t.Unknown());

const describeInput = closed(which);

export const describeDataset = (gateway: GatewayClient): Tool => ({
  name: "describe_dataset",
  description:
    "Says of each column of a dataset what is in it: type, smallest and largest value, how many distinct values about, mean and quartiles, share of NULLs. Reads all of its rows; get_manifest gives columns and counts alone and reads none.",
  annotations: reading("Describe the values of a dataset"),
  input: describeInput,
  output: closed({ columns: t.Array(AnyRow), columns_omitted: rowsOmitted }),
  lookUp: "list_datasets names the datasets.",
  call: async (input, context) => {
    context.at("reading the dataset");
    const sql = `SUMMARIZE ${tableOf(input as Static<typeof describeInput>)}`;
    const { columns, rows } = await rowsOf(gateway, { sql }, context);
    const { kept, lines, omitted } = truncated(rows, {
      line: (row) => tableRow(columns, row),
      instead: "query_sql can aggregate one column",
    });
    return {
      structured: { columns: kept, ...(omitted > 0 && { columns_omitted: omitted }) },
      text: [...headingRow(columns), ...lines].join("\n"),
    };
  },
});

const sampleRowsDefault = 10;
const sampleInput = closed({
  ...which,
  rows: t.Optional(
    t.Integer({ minimum: 1, maximum: 200, default: sampleRowsDefault, description: "How many rows." }),
  ),
  columns: t.Optional(
    t.Array(t.String({ minLength: 1, maxLength: 1024 }), {
      ...{ minItems: 1, maxItems: 200, description: "Only these columns." },
    }),
  ),
  random: t.Optional(
    t.Boolean({ description: "Rows from anywhere, which reads the whole dataset; else the first ones." }),
  ),
});

export const sampleDataset = (gateway: GatewayClient): Tool => ({
  name: "sample_dataset",
  description:
    "Gives a few rows of a dataset to see what its values look like: the first ones, or with random true some from anywhere.",
  annotations: { ...reading("Sample a dataset"), idempotentHint: false },
  input: sampleInput,
  output: closed({
    columns: t.Array(closed({ name: t.String(), type: t.String() })),
    rows: t.Array(AnyRow),
    rows_omitted: rowsOmitted,
  }),
  lookUp: "list_datasets names the datasets.",
  call: async (input, context) => {
    const {
      rows: count = sampleRowsDefault,
      columns: wanted,
      random,
      ...dataset
    } = input as Static<typeof sampleInput>;
    const chosen = wanted === undefined ? "*" : wanted.map(quoteName).join(", ");
    const part = random === true ? `USING SAMPLE ${count} ROWS` : `LIMIT ${count}`;
    const sql = `SELECT ${chosen} FROM ${tableOf(dataset)} ${part}`;
    const { columns, rows } = await rowsOf(gateway, { sql }, context);
    const { kept, lines, omitted } = truncated(rows, {
      line: (row) => tableRow(columns, row),
      instead: "give columns, or fewer rows",
    });
    return {
      structured: { columns, rows: kept, ...(omitted > 0 && { rows_omitted: omitted }) },
      text: [...headingRow(columns), ...lines].join("\n"),
    };
  },
});

const explainInput: TObject = derive(SqlRequest, {
  omit: ["limit", "timeout_ms", "engine"],
  refine: {
    sql: { description: "The reading statement to explain, without EXPLAIN before it." },
    params: { description: "Values for $1, $2, … (an array) or $name (an object)." },
    as_of: { description: "RFC 3339: every dataset as it was at this time." },
  },
});

/** After white space and comments. */
const beginsWithAnalyze = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*analy[sz]e\b/i;

export const explainSql = (gateway: GatewayClient): Tool => ({
  name: "explain_sql",
  description:
    "Gives the plan of a SQL statement without running it: which datasets it reads, how they are joined, about how many rows each step has. A statement that is wrong is refused with the reason.",
  annotations: reading("Explain a statement"),
  input: explainInput,
  output: closed({ plan: t.String(), plan_truncated: t.Boolean() }),
  lookUp: "list_datasets names the datasets.",
  call: async (input, context) => {
    const { sql, ...rest } = input as Static<typeof SqlRequest>;
    if (beginsWithAnalyze.test(sql))
      throw fail(
        "invalid_field",
        "sql: expected the statement alone, got ANALYZE before it, which would run it",
      );
    // With its options given, no others can be.
    const { rows } = await rowsOf(gateway, { ...rest, sql: `EXPLAIN (FORMAT TEXT) ${sql}` }, context);
    const plan = rows.map(({ explain_value }) => String(explain_value)).join("\n");
    const shown = plan.slice(0, textCharsMax);
    return { structured: { plan: shown, plan_truncated: shown.length < plan.length }, text: shown };
  },
});
