/**
 * Lossless type inference. A column of text gets a narrower type only when every value, cast to that type and back
 * to text by DuckDB, is the same text again. The types are tried in one fixed order, each either holds for every
 * value or not, and so a type that holds for the whole file, and whose forerunners already failed on a sample, is
 * the very type that looking at the whole file would have chosen. This file is pure: it writes SQL and reads answers.
 */

/** What may be found out, in the order of preference. DECIMAL comes once per scale, in 18 and in 38 digits. */
export type Narrow = "BOOLEAN" | "BIGINT" | "DECIMAL" | "DOUBLE" | "DATE" | "TIMESTAMP";
export const allNarrow: readonly Narrow[] = ["BOOLEAN", "BIGINT", "DECIMAL", "DOUBLE", "DATE", "TIMESTAMP"];
/** A JSON string that holds digits is text by its author's word; dates and times have no other form in JSON. */
export const narrowStrings: readonly Narrow[] = ["DATE", "TIMESTAMP"];

/** A column whose values are all NULL so far. It becomes VARCHAR, but only when the rest is NULL too. */
export const allNull = "NULL";

/** `CASE … END` that casts, or stops the statement: `error()` names the column by its index. */
export function checkedCast(cell: string, type: string, index: number): string {
  if (type === "VARCHAR") return cell;
  const stop = `error('${violation(index)}')`;
  if (type === allNull) return `CASE WHEN ${cell} IS NULL THEN NULL::VARCHAR ELSE ${stop} END`;
  return `CASE WHEN ${holds(cell, type)} THEN TRY_CAST(${cell} AS ${type}) ELSE ${stop} END`;
}

/** The same for a type that was asked for: it need not read back to the same text. */
export const forcedCast = (cell: string, type: string, index: number): string =>
  `CASE WHEN ${misfit(cell, type)} THEN error('${violation(index)}') ELSE TRY_CAST(${cell} AS ${type}) END`;

export const misfit = (cell: string, type: string): string =>
  `${cell} IS NOT NULL AND TRY_CAST(${cell} AS ${type}) IS NULL`;

const violation = (index: number) => `lakehouse:${index}`;

/** The index of the column that stopped a statement by `checkedCast`, from DuckDB's message. */
export function violatedColumn(message: string): number | undefined {
  const found = /^Invalid Input Error: lakehouse:(\d+)$/.exec(message.trim());
  return found ? Number(found[1]) : undefined;
}

/** True for NULL, and for a text that the type holds without loss; never NULL itself, which would be one branch more. */
export function holds(cell: string, type: string): string {
  const back = `${cell} IS NOT DISTINCT FROM CAST(TRY_CAST(${cell} AS ${type}) AS VARCHAR)`;
  const unlessNull = (condition: string) => `coalesce(${condition}, true)`;
  if (type === "VARCHAR") return "true";
  if (type === "BOOLEAN") return unlessNull(`${cell} IN ('true', 'false')`);
  // DuckDB also reads and writes 'inf' and 'nan' as doubles, 'infinity' as a date: as data these are words.
  if (type === "DOUBLE") return `${back} AND ${unlessNull(`isfinite(TRY_CAST(${cell} AS DOUBLE))`)}`;
  if (type === "DATE") return `${back} AND ${unlessNull(`strlen(${cell}) = 10`)}`;
  if (type === "TIMESTAMP") return `${back} AND ${unlessNull(`strlen(${cell}) BETWEEN 19 AND 26`)}`;
  return back;
}

/** The text of a DECIMAL: as DuckDB writes it, so no `+`, no leading zeros, no minus zero. */
const decimalPattern = "-?(0|[1-9][0-9]*)[.][0-9]+";
const minusZeroPattern = "-0[.]0+";

/** No number, date or boolean is longer; casting long texts in vain is what inference would spend its time on. */
const narrowCharactersMax = 48;

/** What DuckDB writes for a number or a date begins with a digit or a minus, and for nothing else is that worth a cast. */
const codeOfNine = 57;

/** Aggregates over a column's values that are not NULL, as one struct that `chooseType` reads. */
export function evidence(cell: string, among: readonly Narrow[]): string {
  const every = (condition: string, begins = `ascii(${cell}) <= ${codeOfNine}`) =>
    `bool_and(CASE WHEN strlen(${cell}) <= ${narrowCharactersMax} AND ${begins} THEN ${condition} ELSE false END)`;
  const parts = among
    .filter((type) => type !== "DECIMAL")
    .map(
      (type) =>
        `'${type}': ${type === "BOOLEAN" ? every(holds(cell, type), "true") : every(holds(cell, type))}`,
    );
  if (among.includes("DECIMAL")) {
    const isDecimal = `regexp_full_match(${cell}, '${decimalPattern}') AND NOT regexp_full_match(${cell}, '${minusZeroPattern}')`;
    const point = `strpos(${cell}, '.')`;
    parts.push(
      `'DECIMAL': ${every(isDecimal)}`,
      `'scale_min': min(length(${cell}) - ${point})`,
      `'scale_max': max(length(${cell}) - ${point})`,
      `'whole_max': max(${point} - 1 - CASE WHEN starts_with(${cell}, '-') THEN 1 ELSE 0 END)`,
    );
  }
  return `{'values': count(${cell}), ${parts.join(", ")}}`;
}

/** One column's answer to `evidence`: integers come as text. */
export type Evidence = Record<string, boolean | string | number | null>;

/** The first type of the order that holds for every value seen; without evidence there was none. */
export function chooseType(found: Evidence | undefined, among: readonly Narrow[]): string {
  if (found === undefined || Number(found.values) === 0) return allNull;
  for (const type of among) {
    if (found[type] !== true) continue;
    const chosen = type === "DECIMAL" ? decimalType(found) : type;
    if (chosen !== undefined) return chosen;
  }
  return "VARCHAR";
}

/**
 * The narrowest of two widths, so that a later file with longer numbers has the same type as this one. 18 digits is
 * what fits 64 bits, 38 what DuckDB and Parquet readers hold.
 */
function decimalType(found: Evidence): string | undefined {
  const scale = Number(found.scale_max);
  if (Number(found.scale_min) !== scale) return undefined;
  const digits = Number(found.whole_max) + scale;
  const width = [18, 38].find((most) => digits <= most);
  return width === undefined ? undefined : `DECIMAL(${width},${scale})`;
}
