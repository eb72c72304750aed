/** Statements that are kept under a name, by catalogd: they are kept when the sandbox and DuckDB have taken them. */
import type { Static } from "@sinclair/typebox";
import type { ClientOf, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { pageById } from "../../../runtime/pages/pages.ts";
import type { Catalogd, Defined, View } from "../../catalogd/contract.ts";
import type { Queryd } from "../contract.ts";
import { type CurrentViews, checkViewColumns, type StatementDescription } from "../queries/queries.ts";
import { type FormatName, fileOf } from "./dataset.ts";
import { checkDeclared, parametersIn, reservedNames, valuesOf, withTypes } from "./parameters.ts";

type SavedVerbs = Pick<
  VerbsOf<Queryd>,
  "putQuery" | "savedQueries" | "dropQuery" | "putView" | "view" | "views" | "dropView"
>;

interface Parts {
  catalogd: Pick<ClientOf<Catalogd>, "define" | "undefine" | "definition" | "definitions">;
  /** The columns and parameters of a statement; throws as a query does that may not run. */
  describe: (statement: { sql: string; as?: string }, signal: AbortSignal) => Promise<StatementDescription>;
  currentViews: CurrentViews["of"];
}

export function savedVerbs({ catalogd, describe, currentViews }: Parts): SavedVerbs {
  const asNow = async (
    kept: Static<typeof Defined>[],
    signal: AbortSignal,
  ): Promise<Static<typeof View>[]> => {
    const now = await currentViews(kept, signal);
    return kept.map((view, at) => ({ ...asView(view), ...now[at] }));
  };
  return {
    putQuery: async ({ name, ...given }, { requestId, signal }) => {
      const { parameters = {}, sql } = given;
      checkDeclared(
        parameters,
        parametersIn(sql).map((place) => place.name),
      );
      const described = await describe({ sql: withTypes(sql, parameters, "all") }, signal);
      // What DuckDB takes for a parameter besides would have no value.
      checkDeclared(parameters, Object.keys(described.parameters));
      const columns = [...described.columns];
      return shown(await catalogd.define({ kind: "query", name, ...given, columns }, { requestId, signal }));
    },
    savedQueries: async (asked, options) => {
      const { definitions } = await catalogd.definitions({ kind: "query" }, options);
      const { page, next } = pageById(definitions, asked, ({ name }) => name);
      return { queries: page.map(shown), ...next };
    },
    putView: async ({ name, ...given }, { requestId, signal }) => {
      const described = await describe({ sql: given.sql, as: name }, signal);
      checkViewColumns(described.columns);
      const { columns, reads } = described;
      const made = { kind: "view" as const, name, ...given, columns: [...columns] };
      return { ...asView(await catalogd.define(made, { requestId, signal })), reads };
    },
    view: async ({ name, version }, options) => {
      const which = { kind: "view" as const, name, ...(version !== undefined && { version }) };
      const kept = await catalogd.definition(which, options);
      const [now] = version === undefined ? await asNow([kept], options.signal) : [];
      return now ?? asView(kept);
    },
    views: async (asked, options) => {
      const { definitions } = await catalogd.definitions({ kind: "view" }, options);
      const { page, next } = pageById(definitions, asked, ({ name }) => name);
      return { views: await asNow(page, options.signal), ...next };
    },
    dropView: (given, options) => catalogd.undefine({ kind: "view", ...given }, options),
    dropQuery: (given, options) => catalogd.undefine({ kind: "query", ...given }, options),
  };
}

const asView = ({ kind: _, parameters: __, ...rest }: Static<typeof Defined>) => rest;

export const shown = ({ kind: _, ...rest }: Static<typeof Defined>) => rest;

/** What the path of a saved query names: the query itself, or its rows in a format. */
export function savedFile(file: string): { name: string; format?: FormatName } {
  return file.includes(".") ? fileOf(file, "a saved query's name") : { name: file };
}

/** A saved query with the parameters of a URL. */
export function filled(
  { sql, parameters = {}, name, version }: Static<typeof Defined>,
  search: URLSearchParams,
): { sql: string; params?: Record<string, unknown>; of: string } {
  const given = [...search].filter(([key]) => !reservedNames.includes(key));
  const params = valuesOf(parameters, given);
  return {
    sql: withTypes(sql, parameters),
    ...(Object.keys(params).length > 0 && { params }),
    of: JSON.stringify([name, version, params]),
  };
}

/** For whoever asks for parts of a definition as if it were rows. */
export function refuseSearch(search: URLSearchParams, name: string): void {
  const other = [...search.keys()].find((key) => key !== "version" && key !== "token");
  if (other !== undefined)
    throw fail(
      "unknown_field",
      `unknown query parameter '${other}': for rows ask for ${name}.csv or ${name}.json`,
      {
        details: { field: other },
      },
    );
}
