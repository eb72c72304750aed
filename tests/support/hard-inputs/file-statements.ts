/** Statements that read a file where a table may stand. */

import { relative } from "node:path";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";

/** `@` stands for the name as an identifier, `#` for it as text. */
export const shapes = [
  "FROM @",
  "FROM #",
  "SELECT * FROM @ AS workers",
  "SELECT id FROM # t(id)",
  "TABLE @",
  "SELECT * FROM range(1), @",
  "SELECT * FROM range(1) r JOIN @ f ON true",
  "SELECT * FROM range(1) POSITIONAL JOIN @",
  "SELECT * FROM range(1) r, LATERAL (FROM @)",
  "SELECT * FROM range(1) r ASOF JOIN @ f ON r.range >= f.id",
  "SELECT (SELECT max(id) FROM @) AS id",
  "SELECT 1 AS id WHERE EXISTS (FROM @)",
  "SELECT 1 AS id WHERE 1 IN (SELECT id FROM @)",
  "SELECT 1 AS id UNION ALL FROM @",
  "SELECT 1 AS id UNION ALL BY NAME FROM @",
  "SELECT * FROM range(1) LIMIT (SELECT count(*) FROM @)",
  "SELECT * FROM range(1) OFFSET (SELECT count(*) FROM @)",
  "SELECT * FROM range(1) ORDER BY (SELECT max(id) FROM @)",
  "SELECT count(*) FILTER (WHERE (SELECT true FROM @)) AS id",
  "SELECT row_number() OVER (ORDER BY (SELECT max(id) FROM @)) AS id",
  "SELECT list_transform([1], lambda x: (SELECT max(id) FROM @)) AS id",
  "SELECT CASE WHEN true THEN (SELECT max(id) FROM @) END AS id",
  "SELECT * FROM (VALUES ((SELECT max(id) FROM @))) v(id)",
  "SELECT * FROM range((SELECT count(*) FROM @))",
  "SELECT * FROM unnest((SELECT list(id) FROM @)) u(id)",
  "PIVOT @ ON id IN ('a') USING count(*)",
  "UNPIVOT @ ON id",
  "SELECT * FROM (PIVOT @ ON id IN ('a') USING count(*))",
  "SELECT * FROM (UNPIVOT @ ON id)",
  "SELECT * FROM (DESCRIBE @)",
  "SELECT * FROM (SUMMARIZE @)",
  "SELECT * FROM (SHOW @)",
  "SELECT * FROM (DESCRIBE FROM @)",
  "SELECT * FROM @ TABLESAMPLE 50%",
  "FROM @ AT (VERSION => 1)",
  "WITH @ AS (SELECT 1 AS id) FROM @",
  "WITH @ AS (FROM @) FROM @",
  "WITH RECURSIVE @ AS (FROM @ UNION ALL FROM @ WHERE false) FROM @",
  "WITH RECURSIVE @ AS (FROM @ UNION FROM @) FROM @",
  "WITH RECURSIVE @(id) USING KEY (id) AS (FROM @ UNION FROM @ WHERE false) FROM @",
  "WITH a AS (FROM @), @ AS (SELECT 1 AS id) FROM a",
  "WITH @ AS MATERIALIZED (SELECT 1 AS id), b AS (FROM @) FROM b",
  "SELECT * FROM (WITH @ AS (SELECT 1 AS id) SELECT 1 AS id), @",
  "WITH a AS (WITH @ AS (SELECT 1 AS id) FROM @) SELECT * FROM a, @",
  "SELECT (WITH @ AS (SELECT 1 AS id) SELECT max(id) FROM @) AS id",
  "FROM main.@",
  "FROM memory.main.@",
  "FROM system.main.@",
  "SELECT * FROM query(#)",
  "SELECT * FROM query_table(#)",
  "SELECT * FROM query_table([#])",
  "SELECT * FROM read_parquet(#)",
  "SELECT * FROM read_csv([#])",
  "SELECT * FROM read_text(#)",
  "SELECT * FROM glob(#)",
  "SELECT * FROM parquet_metadata(#)",
  "SELECT * FROM sniff_csv(#)",
] as const;

/** The statement of the shape with the name in it. */
export function fileStatement(shape: string, name: string): string {
  return shape.replaceAll("@", () => quoteName(name)).replaceAll("#", () => quoteText(name));
}

/** A statement put together by chance, in which the file is read somewhere within. */
export function fileStatementByChance(random: () => number, names: readonly string[]) {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  const name = pick(names);
  let from = `(${fileStatement(pick(shapes), name)})`;
  for (let depth = Math.floor(random() * 3); depth > 0; depth--)
    from = `(${fileStatement(pick(shapes), `t${depth}`).replaceAll(`"t${depth}"`, () => from)})`;
  return { name, sql: `SELECT * FROM ${from} AS t` };
}

/** Every way to write the path of a file. */
export const waysToWrite = (path: string): string[] => [
  path,
  path.replace(/[^/]+$/, "*"),
  `../${relative(process.cwd(), path)}`,
  relative(process.cwd(), path),
  `/proc/self/cwd/${relative(process.cwd(), path)}`,
  `/proc/self/root${path}`,
  `file://${path}`,
  `file:${path}`,
  path.toUpperCase(),
  path.replace("k", "\u212A"),
  path.replace("/private/", "/./private/"),
  `${path}?x=.parquet`,
];
