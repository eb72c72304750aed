/** Searches that are refused, row by row. */
import { afterAll, beforeAll } from "bun:test";
import { type ApiCase, runCases } from "../../../support/clients/api-case.ts";
import { type MatrixdStack, startMatrixdStack } from "../../../support/stacks/matrixd.ts";

let stack: MatrixdStack;
beforeAll(async () => {
  stack = await startMatrixdStack();
  await stack.dataset(
    "people",
    "SELECT range AS id, 'welder ' || range AS what, 'IL' AS state FROM range(20)",
  );
  await stack.build({
    name: "people",
    dataset: "people",
    id_column: "id",
    text_columns: ["what"],
    metadata_columns: ["state"],
  });
});
afterAll(() => stack.stop());

type Refused = [name: string, body: object | string, status: number, type: string, ...contains: string[]];
const rest = { corpora: ["people"] };
const good = { query_text: "welder", ...rest };

const rows: Refused[] = [
  ["no JSON", "{", 400, "invalid_json"],
  ["an empty body", {}, 400, "bad_request", "corpora"],
  ["no query", rest, 400, "bad_request", "query_text, query_vector"],
  ["no corpora and no profile", { query_text: "x" }, 400, "bad_request", "activate a profile"],
  ["an empty query", { ...rest, query_text: "" }, 400, "invalid_field", "query_text"],
  ["a blank query", { ...rest, query_text: " \t " }, 400, "invalid_field", "query_text"],
  ["a query too long", { ...rest, query_text: "x".repeat(32_769) }, 400, "invalid_field", "query_text"],
  ["an unknown field", { ...good, querytext: "x" }, 400, "unknown_field", "querytext"],
  ["no corpus in the list", { ...good, corpora: [] }, 400, "invalid_field", "corpora"],
  ["a corpus twice", { ...good, corpora: ["people", "people"] }, 400, "invalid_field", "corpora"],
  ["a corpus that cannot be named so", { ...good, corpora: ["../x"] }, 400, "invalid_field", "corpora"],
  ["a corpus that is not there", { ...good, corpora: ["nowhere"] }, 404, "not_found", "nowhere"],
  [
    "corpora that are not there",
    { ...good, corpora: ["no", "where"] },
    404,
    "not_found",
    "no corpus answered",
  ],
  ["an unknown mode", { ...good, mode: "neural" }, 400, "invalid_field", "vector, lexical, hybrid"],
  ["k of 0", { ...good, k: 0 }, 400, "invalid_field", "k"],
  ["k over the bound", { ...good, k: 1001 }, 400, "invalid_field", "k"],
  ["k as text", { ...good, k: "10" }, 400, "invalid_field", "k"],
  ["a broken k", { ...good, k: 1.5 }, 400, "invalid_field", "k"],
  ["per_corpus_k of 0", { ...good, per_corpus_k: 0 }, 400, "invalid_field", "per_corpus_k"],
  ["a weight over 1", { ...good, weights: { vector: 2 } }, 400, "invalid_field", "weights.vector"],
  ["weights of nothing", { ...good, weights: { vector: 0, lexical: 0 } }, 400, "invalid_field", "weights"],
  ["an unknown weight", { ...good, weights: { neural: 1 } }, 400, "unknown_field", "neural"],
  [
    "weights without hybrid",
    { ...good, mode: "lexical", weights: { lexical: 1 } },
    400,
    "invalid_field",
    "weights",
  ],
  [
    "a vector and no text, lexical",
    { ...rest, query_vector: [1], mode: "lexical" },
    400,
    "invalid_field",
    "mode",
  ],
  [
    "a vector and no text, hybrid",
    { ...rest, query_vector: [1], mode: "hybrid" },
    400,
    "invalid_field",
    "mode",
  ],
  ["a vector of another dimension", { ...rest, query_vector: [1, 2] }, 400, "invalid_field", "512", "got 2"],
  ["a vector without numbers", { ...rest, query_vector: [] }, 400, "invalid_field", "query_vector"],
  ["a vector of texts", { ...rest, query_vector: ["1"] }, 400, "invalid_field", "query_vector"],
  ["a vector of zeros", { ...rest, query_vector: Array(512).fill(0) }, 400, "invalid_field", "direction"],
  ["reranking without words", { ...rest, query_vector: [1], rerank: true }, 400, "invalid_field", "rerank"],
  ["a filter that is a list", { ...good, filter: [] }, 400, "invalid_field", "filter"],
  [
    "a filter with an unknown operator",
    { ...good, filter: { state: { like: "I" } } },
    400,
    "invalid_field",
    "like",
  ],
  [
    "the same by words",
    { ...good, mode: "lexical", filter: { state: { like: "I" } } },
    400,
    "invalid_field",
    "like",
  ],
  [
    "a filter on a misspelt column",
    { ...good, filter: { and: [{ state: "IL" }, { not: { stat: "IL" } }] } },
    400,
    "invalid_field",
    "filter.stat: corpus",
    "did you mean 'state'",
  ],
  [
    "the same by words",
    { ...good, mode: "lexical", filter: { State: "IL" } },
    400,
    "invalid_field",
    "did you mean 'state'",
  ],
  [
    "a filter on no column at all",
    { ...good, filter: { "salary.base": { exists: false } } },
    400,
    "invalid_field",
    "it has ",
  ],
  ["a filter with a dollar", { ...good, filter: { $or: [] } }, 400, "invalid_field", "$"],
  ["a blank sql_filter", { ...good, sql_filter: " " }, 400, "invalid_field", "sql_filter"],
  ["an unknown column", { ...good, sql_filter: "stat = 'IL'" }, 400, "sql_error", '\\"stat\\"', '"line":1'],
  ["SQL that does not parse", { ...good, sql_filter: "state = = 1" }, 400, "sql_error", '"column":9'],
  ["a bracket too many", { ...good, sql_filter: "1=1) OR (1=1" }, 400, "sql_error", "sql_filter"],
  ["a comment left open", { ...good, sql_filter: "1=1 /*" }, 400, "sql_error", "sql_filter"],
  ["two statements", { ...good, sql_filter: "1=1; DROP TABLE people" }, 400, "sql_error", "sql_filter"],
  ["a file", { ...good, sql_filter: "EXISTS (FROM read_text('/etc/passwd'))" }, 403, "statement_not_allowed"],
  [
    "a file by a name of WITH",
    {
      ...good,
      sql_filter:
        'EXISTS (WITH RECURSIVE "/x/a.parquet" AS (FROM "/x/a.parquet" UNION ALL FROM "/x/a.parquet" WHERE false) FROM "/x/a.parquet")',
    },
    403,
    "statement_not_allowed",
  ],
  ["a parameter", { ...good, sql_filter: "state = $1" }, 400, "invalid_field", "sql_filter"],
  ["a timeout of 0", { ...good, timeout_ms: 0 }, 400, "invalid_field", "timeout_ms"],
  ["use_playbook as text", { ...good, use_playbook: "yes" }, 400, "invalid_field", "use_playbook"],
];

const cases: ApiCase[] = rows.map(([name, body, status, type, ...contains]) => ({
  name,
  method: "POST",
  path: "/matrix/search",
  headers: { "content-type": "application/json" },
  body: body as Record<string, unknown>,
  status,
  type,
  contains,
  lacks: ["root:", "workers/matrixd"],
}));
runCases(cases, () => stack.send);
