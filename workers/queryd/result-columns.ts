/** Which columns a result can have at all. */
import { fail } from "../../runtime/errors.ts";
import { type Column, findType } from "./column-type.ts";

/** Throws `sql_error` for types that exist inside DuckDB but have no form outside of it. */
export function checkColumns(columns: readonly Column[]): void {
  for (const { name, type } of columns) {
    const bad = findType(type, ({ kind }) => kind === "unsupported");
    if (bad)
      throw fail(
        "sql_error",
        `column '${name}' has the type ${bad.name}, which no result format holds: CAST it to VARCHAR or JSON`,
      );
  }
}
