/** Laying out a statement; loaded when it is first asked for. */
import { duckdb, formatDialect } from "sql-formatter";

/** Throws where it cannot be read. `$name` and `?` stay as they are. */
export const formatted = (text: string): string =>
  formatDialect(text, {
    dialect: duckdb,
    keywordCase: "upper",
    expressionWidth: 80,
    paramTypes: { named: ["$"], numbered: ["$"], positional: true, quoted: [] },
  });
