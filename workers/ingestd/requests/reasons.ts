/** Why columns have their types, for a preview. */
import type { Session } from "../engine/engine.ts";
import { holds, type Notation, type Seen, whyText } from "../inference/inference.ts";
import type { Column, Table } from "../tables/tables.ts";

/** Values looked at, of all columns together. */
const reasonValues = 200_000;

/**
 * Why each column has its type. For those that stay text their values are looked at: of all of them in a few statements,
 * since a file may have thousands.
 */
export async function reasonsOf(
  session: Session,
  { columns, positions, relation }: Table,
  types: readonly string[],
): Promise<(column: Column, type: string) => string> {
  const isRead = ({ forced, among }: Column, index: number) =>
    !forced && among.length > 0 && (types[index] ?? "VARCHAR") === "VARCHAR";
  const read = positions === undefined ? [] : columns.filter(isRead);
  const texts = new Map<string, Seen[]>(read.map(({ cell }) => [cell, []]));
  const line = `${positions?.line} AS line`;
  for (const among of new Set(read.map((column) => column.among))) {
    const alike = read.filter((column) => column.among === among);
    const cells = alike.map(({ cell }) => cell);
    const values = `(SELECT ${line}, ${cells.join(", ")} FROM ${relation}) UNPIVOT (text FOR name IN (${cells.join(", ")}))`;
    // The one value that is of no such type may come late.
    const promising = among
      .filter((narrow) => !narrow.startsWith("DECIMAL"))
      .map((narrow) => holds("text", narrow, alike[0]?.notation))
      .join(" OR ");
    const firsts = await session.run(
      `SELECT name, min(line) FILTER (NOT (${promising})) AS line, arg_min(text, line) FILTER (NOT (${promising})) AS text,
        min(line) AS any_line, arg_min(text, line) AS any_text FROM ${values} GROUP BY name`,
    );
    for (const { name, line, text, any_line, any_text } of firsts)
      for (const seen of [
        { line, text },
        { line: any_line, text: any_text },
      ])
        if (seen.text !== null) texts.get(String(name))?.push(seenOf(seen));
    const rows = await session.run(
      `SELECT ${line}, ${cells.join(", ")} FROM ${relation} LIMIT ${Math.ceil(reasonValues / cells.length)}`,
    );
    // By rows: of a row with a column of its own for each value, all are taken out at once.
    const seenOfAlike = cells.map((cell) => texts.get(cell) ?? []);
    for (const row of rows)
      for (const [index, text] of Object.values(row).slice(1).entries())
        if (text !== null) seenOfAlike[index]?.push(seenOf({ line: row.line, text }));
  }
  return ({ cell, forced, among, notation }, type) => {
    if (positions === undefined) return "as in the file";
    if (forced) return "asked for by types";
    if (among.length === 0) return "by the kind of its JSON values";
    if (type !== "VARCHAR") return whyTyped(notation, type);
    const seen = texts.get(cell) ?? [];
    return seen.length === 0 ? "no values: text until there are some" : whyText(seen);
  };
}

const whyTyped = (notation: Notation | undefined, type: string): string => {
  if (notation?.mode === "values") return "every value is one by infer=values";
  return `every value reads back to the same ${type.startsWith("TIMESTAMP WITH") ? "instant" : "text"}`;
};

const seenOf = ({ line, text }: Record<string, unknown>): Seen => ({
  line: Number(line),
  text: String(text),
});
