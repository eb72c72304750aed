/** Names of columns and fields, as SQL takes them. */

/** SQL compares identifiers without regard to the case of ASCII letters, and of no others (as DuckDB does). */
export const fold = (identifier: string): string =>
  identifier.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** The name as SQL takes it, whatever its characters. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The text as a literal of SQL. */
export const quoteText = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** Why a text cannot be the name of a column or field; undefined when it can. */
export function nameProblem(name: string): string | undefined {
  if (name === "") return "a name is empty";
  if (name.isWellFormed() && !name.includes("\0")) return undefined;
  return `the name ${JSON.stringify(name.slice(0, 100))} is not Unicode text without NUL and without half surrogate pairs`;
}

/** The first of the names that SQL does not tell from one before it. */
export function twiceNamed(names: Iterable<string>): string | undefined {
  const seen = new Set<string>();
  for (const name of names) {
    const folded = fold(name);
    if (seen.has(folded)) return name;
    seen.add(folded);
  }
  return undefined;
}
