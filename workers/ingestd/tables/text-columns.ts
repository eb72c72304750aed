/** Columns of text: their names, and how their texts become values. */
import { fail, suggestionsFor } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import { checkedCast, type Narrow, type Notation, narrowOf } from "../inference/inference.ts";
import type { Column, Reading } from "./format.ts";

/** How the texts of a file stand for values. */
const notationOf = (
  { byValue, dateFormat, timestampFormat, decimalComma }: Reading,
  forced: boolean,
): Notation => ({
  mode: byValue ? "values" : forced ? "asked" : "exact",
  ...(dateFormat !== undefined && { dateFormat }),
  ...(timestampFormat !== undefined && { timestampFormat }),
  ...(decimalComma && { decimalComma }),
});

/** A column of text, to be inferred among these types unless the client asked for one. */
export function textColumn(name: string, cell: string, reading: Reading, among?: readonly Narrow[]): Column {
  const forced = reading.types.get(fold(name))?.type;
  const notation = notationOf(reading, forced !== undefined);
  const as = (type: string, index: number) =>
    forced === undefined || type === forced ? checkedCast(cell, type, index, notation) : undefined;
  const base = { name, cell, notation, as };
  return forced === undefined
    ? { ...base, among: among ?? narrowOf(notation), type: "VARCHAR", forced: false }
    : { ...base, among: [], type: forced, forced: true };
}

interface Names {
  names: string[];
  warnings: string[];
}

/**
 * Column names from a header: each stays as it is written, an empty one becomes `column<position>`, and one that was
 * there before (SQL does not tell `A` from `a`) gets `_2`, `_3`, … Each change is a warning.
 */
export function nameColumns(header: readonly (string | null)[]): Names {
  const taken = new Set<string>();
  /** The next number for a name that came before. */
  const next = new Map<string, number>();
  const written = new Set(header.filter((name) => name !== null).map(fold));
  const warnings: string[] = [];
  const names = header.map((name, index) => {
    const empty = name === null || name === "";
    const wanted = empty ? `column${index + 1}` : name;
    let unique = wanted;
    let count = next.get(fold(wanted)) ?? 2;
    for (; taken.has(fold(unique)) || (unique !== name && written.has(fold(unique))); count++)
      unique = `${wanted}_${count}`;
    next.set(fold(wanted), count);
    taken.add(fold(unique));
    if (empty) warnings.push(`column ${index + 1} has no name in the header: it is called '${unique}'`);
    else if (unique !== name)
      warnings.push(`column ${index + 1} repeats the name '${name}': it is called '${unique}'`);
    return unique;
  });
  return { names, warnings };
}

/** Names for a file without a header. */
export const numberColumns = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `column${index + 1}`);

/** Refuses `types` of columns that the file does not have. */
export function checkTypes(names: string[], { types, isOfSeveral }: Reading): string[] {
  if (isOfSeveral) return names;
  const known = new Set(names.map(fold));
  const unknown = [...types].find(([folded]) => !known.has(folded))?.[1].name;
  if (unknown === undefined) return names;
  const near = suggestionsFor(unknown, names);
  const hint = near.length > 0 ? `; did you mean ${near.map((name) => `'${name}'`).join(" or ")}?` : "";
  const shown = names.slice(0, 20).join(", ");
  throw fail(
    "invalid_field",
    `types: the file has no column '${unknown}'${hint || ";"} it has ${shown}${names.length > 20 ? ", …" : ""}`,
  );
}
