/**
 * Lossless type inference. A column of text gets a narrower type only when every value, cast to that type and back
 * to text by DuckDB, is the same text again, in the form that DuckDB writes or in the shortest one (notation.ts).
 * The types are tried in one fixed order, each either holds for every value or not, and so a type that holds for the
 * whole file, and whose forerunners already failed on a sample, is the very type that looking at the whole file would
 * have chosen. Nothing runs here: SQL is written, and its answers are read.
 */
import {
  exactly,
  holds,
  inShortestForm,
  inUtc,
  type Notation,
  shortestPattern,
  textFor,
  valueIn,
  zoned,
} from "./notation.ts";

export {
  exactly,
  formOf,
  hasSpaces,
  hasThousands,
  holds,
  inShortestForm,
  inUtc,
  isNullWord,
  type Notation,
  sqlType,
  textFor,
  zoned,
} from "./notation.ts";
export { type Seen, whyNot, whyText } from "./reasons.ts";

/** What may be found out. DECIMAL comes once per scale, in 18 and in 38 digits. */
export type Narrow =
  | "BOOLEAN"
  | "BIGINT"
  | "DECIMAL"
  | "DOUBLE"
  | "DECIMAL shortest"
  | "DOUBLE shortest"
  | "DATE"
  | "TIMESTAMP"
  | typeof inUtc
  | typeof zoned;
/** In the order of preference. */
export const allNarrow: readonly Narrow[] = [
  "BOOLEAN",
  "BIGINT",
  "DECIMAL",
  "DOUBLE",
  "DECIMAL shortest",
  "DOUBLE shortest",
  "DATE",
  "TIMESTAMP",
  inUtc,
  zoned,
];
/** A JSON string that holds digits is text by its author's word; dates and times have no other form in JSON. */
export const narrowStrings: readonly Narrow[] = ["DATE", "TIMESTAMP", inUtc, zoned];
/** By value: a number has one form only. */
const narrowValues: readonly Narrow[] = [
  "BOOLEAN",
  "BIGINT",
  "DECIMAL",
  "DOUBLE",
  "DATE",
  "TIMESTAMP",
  zoned,
];

/** What is looked for in texts of this notation. */
export const narrowOf = ({ mode }: Notation): readonly Narrow[] =>
  mode === "values" ? narrowValues : allNarrow;

/** A column whose values are all NULL so far. It becomes VARCHAR, but only when the rest is NULL too. */
export const allNull = "NULL";

/** `CASE … END` that casts, or stops the statement: `error()` names the column by its index. */
export function checkedCast(cell: string, type: string, index: number, notation: Notation = exactly): string {
  if (type === "VARCHAR") return cell;
  const stop = `error('${violation(index)}')`;
  if (type === allNull) return `CASE WHEN ${cell} IS NULL THEN NULL::VARCHAR ELSE ${stop} END`;
  return `CASE WHEN ${holds(cell, type, notation)} THEN ${valueIn(cell, type, notation)} ELSE ${stop} END`;
}

const violation = (index: number) => `lakehouse:${index}`;

/** The index of the column that stopped a statement by `checkedCast`, from DuckDB's message. */
export function violatedColumn(message: string): number | undefined {
  const found = /^Invalid Input Error: lakehouse:(\d+)$/.exec(message.trim());
  return found ? Number(found[1]) : undefined;
}

/** The text of a DECIMAL: as DuckDB writes it, so no `+`, no leading zeros, no minus zero. */
const decimalPattern = "-?(0|[1-9][0-9]*)[.][0-9]+";
const minusZeroPattern = "-0[.]0+";
/** By value: without an exponent, which DOUBLE has. */
const decimalValuePattern = "[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)";

/** No number, date or boolean is longer; casting long texts in vain is what inference would spend its time on. */
const narrowCharactersMax = 48;

/** What DuckDB writes for a number or a date begins with a digit or a minus, and for nothing else is that worth a cast. */
const codeOfNine = 57;

/** Aggregates over a column's values that are not NULL, as one struct that `chooseType` reads. */
export function evidence(cell: string, among: readonly Narrow[], notation: Notation = exactly): string {
  const free =
    notation.mode === "values" || notation.dateFormat !== undefined || notation.timestampFormat !== undefined;
  const every = (condition: string, begins = free ? "true" : `ascii(${cell}) <= ${codeOfNine}`) =>
    `bool_and(CASE WHEN strlen(${cell}) <= ${narrowCharactersMax} AND ${begins} THEN ${condition} ELSE false END)`;
  const number = textFor(cell, "DECIMAL(38,0)", notation);
  const conditionOf = (type: Narrow): string => {
    const matching = (pattern: string) => `coalesce(regexp_full_match(${number}, '${pattern}'), true)`;
    if (type === "DECIMAL shortest") return matching(shortestPattern);
    if (type === "DECIMAL" && notation.mode === "values") return matching(decimalValuePattern);
    if (type === "DECIMAL") return `${matching(decimalPattern)} AND NOT ${matching(minusZeroPattern)}`;
    if (type === "BIGINT" && notation.mode === "values")
      return `${matching("[+-]?[0-9]+")} AND ${holds(cell, type, notation)}`;
    return holds(cell, type, notation);
  };
  const parts = among.map((type) => {
    const condition = conditionOf(type);
    return `'${type}': ${type === "BOOLEAN" ? every(condition, "true") : every(condition)}`;
  });
  if (among.some((type) => type.startsWith("DECIMAL"))) {
    const point = `strpos(${number}, '.')`;
    const scale = `CASE WHEN ${point} = 0 THEN 0 ELSE length(${number}) - ${point} END`;
    const whole = `length(ltrim(split_part(${number}, '.', 1), '+-'))`;
    parts.push(
      `'scale_min': min(${scale})`,
      `'scale_max': max(${scale})`,
      `'whole_max': max(${whole})`,
      `'texts': count(${number})`,
    );
  }
  return `{'values': count(${cell}), ${parts.join(", ")}}`;
}

/** One column's answer to `evidence`: integers come as text. */
export type Evidence = Record<string, boolean | string | number | null>;

/** The first type of the order that holds for every value seen; without evidence there was none. */
export function chooseType(found: Evidence | undefined, among: readonly Narrow[]): string {
  if (found === undefined || Number(found.values) === 0) return allNull;
  // Words for NULL and nothing else: text, as they are written.
  if (found.texts !== undefined && Number(found.texts) === 0) return "VARCHAR";
  for (const type of among) {
    if (found[type] !== true) continue;
    const chosen = type.startsWith("DECIMAL") ? decimalType(found, type, among) : type;
    if (chosen !== undefined) return chosen;
  }
  return "VARCHAR";
}

/**
 * The narrowest of two widths, so that a later file with longer numbers has the same type as this one. 18 digits is
 * what fits 64 bits, 38 what DuckDB and Parquet readers hold.
 */
function decimalType(found: Evidence, type: Narrow, among: readonly Narrow[]): string | undefined {
  const scale = Number(found.scale_max);
  if (type === "DECIMAL" && among !== narrowValues && Number(found.scale_min) !== scale) return undefined;
  const digits = Number(found.whole_max) + scale;
  const width = [18, 38].find((most) => digits <= most);
  if (width === undefined) return undefined;
  const decimal = `DECIMAL(${width},${scale})`;
  return type === "DECIMAL" ? decimal : inShortestForm(decimal);
}
