/** `query_sql`: one reading statement, its rows in pages of one run. */

import type { Static } from "@sinclair/typebox";
import { closed, t } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { parseRows } from "../../../runtime/json/json.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { queryd, SqlRequest } from "../../../workers/queryd/contract.ts";
import {
  createResultCache,
  createRowScanner,
  cursorOf,
  headingRow,
  jsonCharsMax,
  type Result,
  type Row,
  type RowScanner,
  resultBytesDefault,
  tableRow,
  textCharsMax,
} from "../answers/answers.ts";
import { chunksOf, type GatewayClient, GatewayFailure } from "../gateway/gateway.ts";
import { derive } from "./schemas.ts";
import { reading, type Tool, type ToolContext } from "./tool.ts";

/** Rows fetched of one result; larger ones are exported by HTTP. */
const rowsMax = 10_000;
/** JSON characters of one result that are taken. */
const resultCharsMax = 8 * 1024 * 1024;
const rowsPerPage = 100;

const input = derive(SqlRequest, {
  optional: ["sql"],
  refine: {
    sql: {
      description:
        'One reading statement in DuckDB\'s SQL; datasets are tables, "name@3" is version 3 of one, open tables are in schemas (open.jobs, open."jobs@3"), "name@2026-11-01T00:00:00Z" what it was then (quotes needed); observer.operations has what was called here, with latency, tokens and cost. Required unless cursor is given.',
    },
    params: {
      description: "Values for $1, $2, … (an array) or $name (an object): never put values into the text.",
    },
    as_of: {
      description:
        "RFC 3339, as 2026-11-01T00:00:00Z: read every dataset as it was at this time, but for those named with a version.",
    },
    engine: {
      description:
        "Leave it out, unless told to use a distributed engine by its name: the statement is then in that engine's own SQL.",
    },
    timeout_ms: { description: "Longest run in milliseconds." },
    limit: {
      maximum: rowsMax,
      default: rowsMax,
      description: "Most rows to take, over all pages. Prefer aggregates to many rows.",
    },
  },
  add: {
    page_size: t.Optional(
      t.Integer({ minimum: 1, maximum: 1000, default: rowsPerPage, description: "Most rows of one answer." }),
    ),
    cursor: t.Optional(
      t.String({
        minLength: 1,
        maxLength: 100,
        description: "The next_cursor of the answer before: gives the next rows.",
      }),
    ),
  },
});

/** What `POST /sql?shape=full` answers (SPEC of queryd), for one page. */
const output = closed({
  columns: t.Array(closed({ name: t.String(), type: t.String() })),
  rows: t.Array(t.Record(t.String(), t.Unknown()), {
    description:
      "One object a row. Integers beyond 2^53 and decimals of more than 15 digits are strings; times RFC 3339; blobs base64; NULL null.",
  }),
  row_count: t.Integer({ minimum: 0, description: "Rows in this answer." }),
  first_row: t.Integer({ minimum: 0, description: "Position of the first of them in the result, from 0." }),
  rows_taken: t.Integer({ minimum: 0, description: "Rows of the result that can be paged through." }),
  truncated: t.Boolean({ description: "The statement gives more rows than were taken." }),
  elapsed_ms: t.Number(),
  query_id: t.String(),
  next_cursor: t.Optional(t.String({ description: "Present while rows are left; good for ten minutes." })),
});
type Page = Static<typeof output>;

/** A result takes at most half of the cache, at two bytes a character. */
export function querySql(
  gateway: GatewayClient,
  clock: Clock,
  resultBytesMax: number = resultBytesDefault,
): Tool {
  const results = createResultCache(clock, resultBytesMax);
  const charsMax = Math.min(resultCharsMax, resultBytesMax / 4);
  const answer = (result: Result, offset: number, pageSize: number, id?: string) => {
    const { rows, lines } = pageOf(result, offset, pageSize);
    const next = offset + rows.length;
    const left = next < result.rows.length;
    const cursor = !left ? undefined : id === undefined ? results.add(result, next) : cursorOf(id, next);
    const { columns, truncated, elapsed_ms, query_id } = result;
    const structured: Page = {
      ...{ columns, rows, row_count: rows.length, first_row: offset, rows_taken: result.rows.length },
      ...{ truncated, elapsed_ms, query_id, ...(cursor !== undefined && { next_cursor: cursor }) },
    };
    return { structured, text: [...lines, "", ...footer(structured)].join("\n") };
  };
  return {
    name: "query_sql",
    description:
      "Runs one reading SQL statement (DuckDB dialect) over the datasets and gives its rows. Only reading statements run (SELECT, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN). Long results come in pages of one and the same run: call again with next_cursor. Use ORDER BY where order matters, and aggregate rather than fetch.",
    annotations: reading("Query by SQL"),
    input,
    output,
    lookUp: "list_datasets names the datasets, and next_cursor of the answer before is the cursor.",
    call: async (given, context) => {
      const {
        cursor,
        page_size = rowsPerPage,
        sql,
        ...rest
      } = given as Static<typeof SqlRequest> & {
        cursor?: string;
        page_size?: number;
        sql?: string;
      };
      if (cursor === undefined) {
        if (sql === undefined)
          throw fail("invalid_field", "sql: it is missing; give a statement, or a cursor");
        return answer(await run({ gateway, clock, charsMax }, { sql, ...rest }, context), 0, page_size);
      }
      const { result, id, offset } = results.find(cursor);
      if (sql !== undefined && sql !== result.sql)
        throw fail(
          "invalid_field",
          "cursor: it belongs to another statement than sql; give the cursor alone",
        );
      if (Object.keys(rest).length > 0)
        throw fail(
          "invalid_field",
          `cursor: it goes on with what was run; ${Object.keys(rest).join(", ")} cannot be given with it`,
        );
      return answer(result, offset, page_size, id);
    },
  };
}

function footer({ row_count, first_row, rows_taken, truncated, elapsed_ms, next_cursor }: Page): string[] {
  const which =
    row_count === 0 ? "no rows" : `rows ${first_row + 1} to ${first_row + row_count} of ${rows_taken}`;
  const lines = [`${which}, ${elapsed_ms} ms`];
  if (next_cursor !== undefined)
    lines.push(`More rows: query_sql ${JSON.stringify({ cursor: next_cursor })}`);
  if (truncated)
    lines.push(
      `The statement gives more rows than the ${rows_taken} taken: raise limit (at most ${rowsMax}), aggregate or filter; POST /v1/sql of the gateway streams any number.`,
    );
  return lines;
}

/** Rows from `offset` on, as many as the page and the bounds of an answer allow. */
function pageOf(
  { columns, rows }: Result,
  offset: number,
  pageSize: number,
): { rows: Row[]; lines: string[] } {
  const lines = headingRow(columns);
  const page: Row[] = [];
  let text = lines.join("\n").length;
  let json = JSON.stringify(columns).length;
  if (text > textCharsMax || json > jsonCharsMax)
    throw tooWide(`the heading of its ${columns.length} columns`, json);
  for (const raw of rows.slice(offset, offset + pageSize)) {
    const row = parseRows(raw) as Row;
    const line = tableRow(columns, row);
    text += line.length + 1;
    json += raw.length + 1;
    if (text > textCharsMax || json > jsonCharsMax) break;
    page.push(row);
    lines.push(line);
  }
  if (page.length === 0 && offset < rows.length)
    throw tooWide(`row ${offset + 1} with its ${columns.length} columns`, rows[offset]?.length ?? 0);
  return { rows: page, lines };
}

const tooWide = (what: string, chars: number) =>
  fail(
    "too_large",
    `${what} has ${chars} characters or more, which no answer holds: select fewer columns, or parts of long values by substring()`,
  );

type Statement = Static<typeof SqlRequest>;

/** Runs the statement and takes its rows within the bounds. */
async function run(
  { gateway, clock, charsMax }: { gateway: GatewayClient; clock: Clock; charsMax: number },
  statement: Statement,
  { signal, at }: ToolContext,
): Promise<Result> {
  at("waiting for the first rows");
  const began = clock.elapsed();
  const body = { ...statement, limit: statement.limit ?? rowsMax };
  const response = await gateway.post(`${queryd.endpoints.sql.path}?shape=full&numbers=json`, body, {
    signal,
  });
  const queryId = response.headers.get("x-lakehouse-query-id") ?? "";
  const scanner = createRowScanner();
  const decoder = new TextDecoder();
  const rows: string[] = [];
  let taken = 0;
  for await (const chunk of chunksOf(response, signal, gateway.url)) {
    const piece = decoder.decode(chunk, { stream: true });
    taken += piece.length;
    rows.push(...scanner.push(piece));
    at(`${rows.length} rows so far`);
    if (taken <= charsMax) continue;
    // Leaving the loop ends the request, and that the statement.
    if (rows.length === 0) throw tooWide("the first row alone", charsMax);
    const elapsed_ms = Math.round(clock.elapsed() - began);
    return {
      sql: statement.sql,
      ...columnsOf(scanner),
      rows,
      truncated: true,
      elapsed_ms,
      query_id: queryId,
    };
  }
  try {
    const { truncated, elapsed_ms, query_id } = scanner.tail();
    return { sql: statement.sql, ...columnsOf(scanner), rows, truncated, elapsed_ms, query_id };
  } catch (cause) {
    throw new GatewayFailure({
      type: "bad_gateway",
      message: "the result has another form than expected",
      cause,
    });
  }
}

const columnsOf = (scanner: RowScanner): Pick<Result, "columns"> => ({
  columns: scanner.head()?.columns ?? [],
});
