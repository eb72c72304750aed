/** `list_saved_queries`, `run_saved_query` and `list_views`: statements that people keep under a name. */
import type { Static, TObject } from "@sinclair/typebox";
import { closed, inputSchema, t } from "../../../runtime/contract/contract.ts";
import { DefinitionName } from "../../../workers/catalogd/contract.ts";
import { queryd } from "../../../workers/queryd/contract.ts";
import { headingRow, tableRow, truncated } from "../answers/answers.ts";
import type { GatewayClient } from "../gateway/gateway.ts";
import { likeInput, likePages } from "./like.ts";
import { resultOf } from "./looking-tools.ts";
import { derive } from "./schemas.ts";
import { reading, type Tool } from "./tool.ts";

const { savedQueries, savedByUrl, views } = queryd.endpoints;
const queriesPerPage = 20;

export const listSavedQueries = (gateway: GatewayClient): Tool => ({
  name: "list_saved_queries",
  description:
    "Lists the queries that people saved under a name, with their SQL, columns and parameters. Look here before writing SQL: what is asked often is often saved. run_saved_query runs one.",
  annotations: reading("List saved queries"),
  input: derive(inputSchema(savedQueries), {
    refine: {
      page_size: { maximum: 100, default: queriesPerPage, description: "Most queries of one answer." },
      page_token: { description: "The next_page_token of the answer before." },
    },
    add: likeInput,
  }),
  output: savedQueries.reply,
  lookUp: "list_saved_queries names the saved queries.",
  call: async (input, { signal }) => {
    const asked = input as { like?: string; page_size?: number; page_token?: string };
    const { items, next_page_token } = await likePages(
      { ...asked, perPage: queriesPerPage },
      async (page) => {
        const { queries, ...next } = await gateway.call(savedQueries, page, { signal });
        return { items: queries, ...next };
      },
    );
    const { kept, lines } = truncated(items, {
      line: ({ name, description = "", parameters = {}, sql }) =>
        `${name}(${Object.entries(parameters).map(parameterLine).join(", ")}) ${description}\n  ${sql}`,
      instead: "give like, or a smaller page_size",
    });
    if (items.length === 0) lines.push("No query is saved: PUT /v1/queries/{name} of the gateway saves one.");
    const next = next_page_token === undefined ? {} : { next_page_token };
    return { structured: { queries: kept, ...next }, text: lines.join("\n") };
  },
});

const parameterLine = ([name, { type, default: value }]: [
  string,
  { type: string; default?: string | number | boolean },
]): string => `${name} ${type}${value === undefined ? "" : ` = ${value}`}`;

const runInput: TObject = closed({
  name: { ...DefinitionName, description: "The query's name, as list_saved_queries gives it." },
  parameters: t.Optional(
    t.Record(t.String(), t.Union([t.String(), t.Number(), t.Boolean()]), {
      description: "Values of its parameters by name; those with a default may be left out.",
    }),
  ),
  version: t.Optional(t.Integer({ minimum: 1, description: "An earlier version; the latest unless given." })),
});

export const runSavedQuery = (gateway: GatewayClient): Tool => ({
  name: "run_saved_query",
  description:
    "Runs a query that is saved under a name and gives its rows, the first that fit into an answer. For other rows or columns take its SQL to query_sql.",
  annotations: reading("Run a saved query"),
  input: runInput,
  output: closed({
    columns: t.Array(closed({ name: t.String(), type: t.String() })),
    rows: t.Array(t.Record(t.String(), t.Unknown())),
    rows_omitted: t.Optional(
      t.Integer({ minimum: 1, description: "Left out, because the answer has a bound." }),
    ),
  }),
  lookUp: "list_saved_queries names the saved queries.",
  call: async (input, { signal, at }) => {
    const {
      name,
      parameters = {},
      version,
    } = input as Static<typeof runInput> & {
      parameters?: Record<string, string | number | boolean>;
    };
    at("waiting for the rows");
    const search = new URLSearchParams(
      Object.entries(parameters).map(([key, value]) => [key, String(value)]),
    );
    search.append("shape", "full");
    if (version !== undefined) search.append("version", String(version));
    const path = `${savedByUrl.path.replace(":name", `${name}.json`)}?${search}`;
    const { columns, rows } = await resultOf(gateway, await gateway.get(path, { signal }), signal);
    const { kept, lines, omitted } = truncated(rows, {
      line: (row) => tableRow(columns, row),
      instead: "query_sql can run its SQL with a filter or an aggregate",
    });
    return {
      structured: { columns, rows: kept, ...(omitted > 0 && { rows_omitted: omitted }) },
      text: [...headingRow(columns), ...lines].join("\n"),
    };
  },
});

export const listViews = (gateway: GatewayClient): Tool => ({
  name: "list_views",
  description:
    "Lists the views: statements that are read like datasets, by their names in query_sql, with their columns and their SQL.",
  annotations: reading("List views"),
  input: derive(inputSchema(views), {
    refine: {
      page_size: { maximum: 100, default: queriesPerPage, description: "Most views of one answer." },
      page_token: { description: "The next_page_token of the answer before." },
    },
    add: likeInput,
  }),
  output: views.reply,
  lookUp: "list_views names the views.",
  call: async (input, { signal }) => {
    const asked = input as { like?: string; page_size?: number; page_token?: string };
    const { items, next_page_token } = await likePages(
      { ...asked, perPage: queriesPerPage },
      async (page) => {
        const { views: found, ...next } = await gateway.call(views, page, { signal });
        return { items: found, ...next };
      },
    );
    const { kept, lines } = truncated(items, {
      line: ({ name, description = "", columns, sql }) =>
        `${name}(${columns.map((column) => `${column.name} ${column.type}`).join(", ")}) ${description}\n  ${sql}`,
      instead: "give like, or a smaller page_size",
    });
    if (items.length === 0) lines.push("There is no view: POST /v1/catalog/views of the gateway makes one.");
    const next = next_page_token === undefined ? {} : { next_page_token };
    return { structured: { views: kept, ...next }, text: lines.join("\n") };
  },
});
