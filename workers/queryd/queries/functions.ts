/** The functions that statements may use, as editors offer them. */
import { isAllowedFunction } from "../sandbox/sandbox.ts";
import type { Components } from "./execution.ts";

export interface SqlFunction {
  name: string;
  kind: "scalar" | "aggregate" | "table" | "macro";
  /** Of its shortest form. */
  parameters: string[];
  description?: string;
}

/** Operators are functions without a name of letters. What the sandbox adds is not DuckDB's own. */
const listing = `SELECT function_name, min_by(function_type, len(parameters)),
  CAST(to_json(min_by(parameters, len(parameters))) AS VARCHAR), coalesce(min(description), '')
FROM duckdb_functions()
WHERE internal AND function_type IN ('scalar', 'aggregate', 'table', 'macro')
  AND regexp_full_match(function_name, '[a-z][a-z0-9_]*')
GROUP BY 1 ORDER BY 1`;

export async function listFunctions({ engines }: Components, signal: AbortSignal): Promise<SqlFunction[]> {
  const session = await engines.session(signal, listing);
  try {
    const rows = await session.rows(listing);
    return rows
      .map(([name = "", kind = "", parameters = "[]", description = ""]) => ({
        name,
        kind: kind as SqlFunction["kind"],
        parameters: JSON.parse(parameters) as string[],
        ...(description !== "" && { description }),
      }))
      .filter(isAllowedFunction);
  } finally {
    session.release();
  }
}
