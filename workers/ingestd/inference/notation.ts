/**
 * Which texts are values of a type: the one place that says so, for inference, for types that were asked for, for
 * appends to a registered type, and for `infer=values`. Nothing runs here: SQL is written.
 *
 * A type is written as DuckDB writes it, and ` shortest` after it when its values are texts without a trailing zero
 * or a point that nothing follows: 10, 9.5, 100.25. Without it they are texts as DuckDB writes the type: 10.00.
 */
import { quoteText } from "../../../runtime/sql/sql.ts";

/** How the texts of a column stand for values. */
export interface Notation {
  /**
   * `exact`: the value, written again, is the same text. `asked`: the same value, in any notation that its type has:
   * leading and trailing zeros, `+`, exponents, `TRUE`, `T` and `Z`. `values`: so too, with spaces around it,
   * thousands separators, and words for NULL.
   */
  mode: "exact" | "asked" | "values";
  /** As strptime has it; dates and timestamps are then read by it alone. */
  dateFormat?: string;
  timestampFormat?: string;
  /** Numbers have a comma before their fraction, and points between thousands. */
  decimalComma?: true;
}

export const exactly: Notation = { mode: "exact" };

const shortestMark = " shortest";
const isShortest = (type: string): boolean => type.endsWith(shortestMark);
export const inShortestForm = (type: string): string => type + shortestMark;
/** The type as SQL has it. */
export const sqlType = (type: string): string => type.replace(/ (shortest|utc)$/, "");

/** Types whose texts have two forms. */
const hasForms = (type: string): boolean => type === "DOUBLE" || type.startsWith("DECIMAL(");

/** The form that a manifest records for a column whose texts were read as this type. */
export function formOf(type: string): "fixed" | "shortest" | undefined {
  if (isShortest(type)) return "shortest";
  return hasForms(type) ? "fixed" : undefined;
}

export const zoned = "TIMESTAMP WITH TIME ZONE";
/** Instants that are all written in UTC, so that nothing of an offset is lost. */
export const inUtc = `${zoned} utc` as const;

const day = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
/** Up to microseconds; zeros behind them change nothing. */
const clock = "([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}([.][0-9]{1,6}0*)?";
/** DuckDB takes offsets of any size; no clock on earth is 16 hours from UTC. */
const zone = "(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)";
const zonedPattern = `${day}[T ]${clock}${zone}`;
const utcPattern = `${day}[T ]${clock}(Z|[+-]00(:?00)?)`;
const decimalDigits = "([0-9]+[.]?[0-9]*|[.][0-9]+)";

/** Texts that a type has for its values, beside the one that DuckDB writes. */
const ownNotation: Record<string, string> = {
  FLOAT: `[+-]?${decimalDigits}([eE][+-]?[0-9]+)?`,
  DOUBLE: `[+-]?${decimalDigits}([eE][+-]?[0-9]+)?`,
  TIMESTAMP: `${day}([T ]([01][0-9]|2[0-3]):[0-9]{2}|[T ]${clock}Z?)?`,
  [zoned]: zonedPattern,
  TIME: `([01][0-9]|2[0-3]):[0-9]{2}|${clock}`,
};

const matches = (text: string, pattern: string): string =>
  `regexp_full_match(${text}, ${quoteText(pattern)})`;
const isNumber = (type: string): boolean => /^(BIGINT|INTEGER|FLOAT|DOUBLE|DECIMAL\()/.test(type);

/** SQL for the value of a text; NULL where it has none. */
export function valueIn(cell: string, written: string, notation: Notation = exactly): string {
  const type = sqlType(written);
  if (type === "VARCHAR") return cell;
  const text = textFor(cell, type, notation);
  const format = formatFor(type, notation);
  if (format !== undefined) return readByFormat(text, type, format);
  if (type === "BOOLEAN" && notation.mode !== "exact") return `TRY_CAST(lower(${text}) AS BOOLEAN)`;
  return `TRY_CAST(${text} AS ${type})`;
}

/** True for NULL, and for a text that is a value of the type; never NULL itself, which would be one branch more. */
export function holds(cell: string, type: string, notation: Notation = exactly): string {
  if (type === "VARCHAR") return "true";
  const format = formatFor(sqlType(type), notation);
  const text = textFor(cell, sqlType(type), notation);
  if (format !== undefined) return `(${text} IS NULL OR ${readsBackByFormat(text, sqlType(type), format)})`;
  if (notation.mode === "exact") return holdsExactly(text, type);
  const held = (read: string) =>
    `(${read} IS NULL OR coalesce(${holdsInNotation(read, sqlType(type))}, false))`;
  return notation.mode === "values" ? once(text, held) : held(text);
}

/**
 * A condition on a long expression that stands in it once. DuckDB plans each of its copies before it sees that they are
 * the same: of five columns of numbers that took 15 s, of twenty more memory than there was.
 */
const once = (long: string, condition: (short: string) => string): string =>
  `list_transform([${long}], lambda text: ${condition("text")})[1]`;

function holdsExactly(cell: string, type: string): string {
  const back =
    isShortest(type) && type.startsWith("DECIMAL")
      ? isShortestDecimal(cell, writtenAgain(cell, sqlType(type)))
      : `${cell} IS NOT DISTINCT FROM ${writtenAgain(cell, type)}`;
  const unlessNull = (condition: string) => `coalesce(${condition}, true)`;
  if (type === "BOOLEAN") return unlessNull(`${cell} IN ('true', 'false')`);
  // DuckDB also reads and writes 'inf' and 'nan' as doubles, 'infinity' as a date: as data these are words.
  if (type === "DOUBLE") return `${back} AND ${unlessNull(`isfinite(TRY_CAST(${cell} AS DOUBLE))`)}`;
  // Digits alone that are no BIGINT are identifiers, and minus zero is written -0.0.
  if (type === inShortestForm("DOUBLE")) return `${back} AND ${unlessNull(matches(cell, doublePattern))}`;
  // Digits alone beyond what BIGINT surely has are identifiers; of 18 digits a decimal has fewer before its point.
  if (isShortest(type) && type.startsWith("DECIMAL(38"))
    return `${back} AND ${unlessNull(`(strlen(${cell}) <= 18 OR contains(${cell}, '.'))`)}`;
  if (type === "DATE") return `${back} AND ${unlessNull(`strlen(${cell}) = 10`)}`;
  if (type === "TIMESTAMP") return `${back} AND ${unlessNull(`strlen(${cell}) BETWEEN 19 AND 26`)}`;
  // Both instants of 10:00+05:00 and 05:00Z are kept; what an offset was beside that is told in a warning.
  if (sqlType(type) === zoned) {
    const pattern = matches(cell, type === inUtc ? utcPattern : zonedPattern);
    return `(${cell} IS NULL OR (${pattern} AND TRY_CAST(${cell} AS ${zoned}) IS NOT NULL))`;
  }
  return back;
}

/** A decimal in its shortest form; as many digits without a point as BIGINT surely has, more are identifiers. */
export const shortestPattern = "-?[1-9][0-9]{0,17}|0|-?(0|[1-9][0-9]*)[.][0-9]*[1-9]";
const doublePattern = "-0[.]0|-?[1-9][0-9]{0,17}|0|-?[0-9]+([.][0-9]+)?e[+-][0-9]+|-?[0-9]+[.][0-9]*[1-9]";

/** The one text of the value that the cell stands for. */
function writtenAgain(cell: string, written: string): string {
  const type = sqlType(written);
  const text = `CAST(TRY_CAST(${cell} AS ${type}) AS VARCHAR)`;
  return isShortest(written) ? `regexp_replace(${text}, '^(-?[1-9][0-9]*|0)[.]0$', '\\1')` : text;
}

/**
 * Whether a cell is the beginning of its decimal written in full, and leaves off all the zeros behind the point that
 * can be left off. Three times as quick as writing the short form to compare with it.
 */
const isShortestDecimal = (cell: string, full: string): string =>
  `(${cell} IS NULL OR coalesce(starts_with(${full}, ${cell}) AND NOT (contains(${cell}, '.') AND (ends_with(${cell}, '0') OR ends_with(${cell}, '.'))), false))`;

function holdsInNotation(text: string, type: string): string {
  const cast = `TRY_CAST(${text} AS ${type})`;
  if (/^(BIGINT|INTEGER|DECIMAL\()/.test(type))
    return `(${isExactly(text, type, cast)}) AND NOT (${cast} = 0 AND starts_with(${text}, '-'))`;
  const pattern = ownNotation[type];
  if (isNumber(type))
    return `${matches(text, pattern ?? "")} AND ${sameNumber(text, `CAST(${cast} AS VARCHAR)`)}`;
  if (type === "BOOLEAN") return `lower(${text}) IN ('true', 'false')`;
  if (type === "UUID") return `lower(${text}) IS NOT DISTINCT FROM CAST(${cast} AS VARCHAR)`;
  if (pattern === undefined) return holdsExactly(text, type);
  return `${matches(text, pattern)} AND ${cast} IS NOT NULL`;
}

/**
 * Whether an integer or a decimal is the very number of the text: then it has no digit behind those that the type
 * keeps but zeros. With an exponent: where 15 characters are all of its digits, so that doubles, which keep as many
 * (DBL_DIG of IEEE 754), tell any two such numbers apart.
 */
function isExactly(text: string, type: string, cast: string): string {
  const scale = /,(\d+)\)$/.exec(type)?.[1];
  const fraction = scale === undefined ? "" : `[0-9]{0,${scale}}`;
  const plain = `[+-]?([0-9]+([.]${fraction}0*)?${scale === undefined ? "" : `|[.]${fraction}0*`})`;
  const isPlain = `${matches(text, plain)} AND ${cast} IS NOT NULL`;
  if (scale === undefined) return isPlain;
  const isShort = matches(text, "[+-]?[0-9.]{1,15}[eE][+-]?[0-9]+");
  return `${isPlain} OR ${isShort} AND CAST(${cast} AS DOUBLE) = TRY_CAST(${text} AS DOUBLE)`;
}

/**
 * Whether two texts of numbers are of the same one: by sign, digits without zeros at either end, and exponent, minus
 * zero apart.
 */
function sameNumber(one: string, other: string): string {
  const parts = `{'sign': starts_with(text, '-'), 'digits': split_part(ltrim(lower(text), '+-'), 'e', 1), 'exponent': coalesce(TRY_CAST(split_part(lower(text), 'e', 2) AS INTEGER), 0)}`;
  const fraction = "split_part(part.digits, '.', 2)";
  const digits = `{'sign': part.sign, 'digits': ltrim(split_part(part.digits, '.', 1) || ${fraction}, '0'), 'exponent': part.exponent - length(${fraction})}`;
  const short = "rtrim(part.digits, '0')";
  const exponent = `part.exponent + length(part.digits) - length(${short})`;
  const key = `{'sign': part.sign, 'digits': ${short}, 'exponent': CASE WHEN part.digits = '' THEN 0 ELSE ${exponent} END}`;
  const keys = `list_transform(list_transform(list_transform([${one}, ${other}], lambda text: ${parts}), lambda part: ${digits}), lambda part: ${key})`;
  return `length(list_distinct(${keys})) = 1 AND ${other} IS NOT NULL`;
}

/** Words that mean NULL under `infer=values`, in any case, beside what `null=` says. */
const nullWords = ["", "na", "n/a", "#n/a", "null", "none", "nan"] as const;
const spaces = "' ' || chr(9) || chr(160)";
/** Thousands divided by one kind of mark throughout. */
const thousandsPattern = "[+-]?[0-9]{1,3}((,[0-9]{3})+|( [0-9]{3})+|('[0-9]{3})+)([.][0-9]+)?";

/** No IN of constants: of more than five DuckDB makes a join, for each column one. */
export const isNullWord = (cell: string): string =>
  `list_contains([${nullWords.map(quoteText).join(", ")}], lower(trim(${cell}, ${spaces})))`;
export const hasSpaces = (cell: string): string => `${cell} <> trim(${cell}, ${spaces})`;
export const hasThousands = (cell: string, notation: Notation = exactly): string =>
  matches(`trim(${pointed(cell, notation)}, ${spaces})`, thousandsPattern);
/** Numbers as SQL writes them: with a point before the fraction. */
const pointed = (cell: string, { decimalComma }: Notation): string =>
  decimalComma ? `translate(${cell}, '.,', ',.')` : cell;

/** The text that is read as a value: the cell's own but for `infer=values`. */
export function textFor(written: string, type: string, notation: Notation): string {
  const cell = isNumber(type) ? pointed(written, notation) : written;
  if (notation.mode !== "values") return cell;
  const trimmed = `trim(${cell}, ${spaces})`;
  const plain = isNumber(type)
    ? `CASE WHEN ${hasThousands(cell)} THEN translate(${trimmed}, ', ''', '') ELSE ${trimmed} END`
    : trimmed;
  return `CASE WHEN ${isNullWord(cell)} THEN NULL ELSE ${plain} END`;
}

/** The format that texts of this type are in, where one was given. */
function formatFor(type: string, { dateFormat, timestampFormat }: Notation): string | undefined {
  if (type === "DATE") return dateFormat;
  if (timestampFormat === undefined) return undefined;
  return type === (timestampFormat.endsWith(offsetMark) ? zoned : "TIMESTAMP") ? timestampFormat : undefined;
}

/** An offset from UTC, which a format may end with. */
const offsetMark = "%z";
const offsetPattern = "\\s*(Z|[+-][0-9]{2}(:?[0-9]{2})?)$";

/** The wall clock of a text that ends with an offset, and the format without it. */
const localPart = (text: string, format: string) => ({
  local: `regexp_replace(${text}, ${quoteText(offsetPattern)}, '')`,
  offset: `regexp_extract(${text}, ${quoteText(offsetPattern)}, 1)`,
  localFormat: format.slice(0, -offsetMark.length).trimEnd(),
});

function readByFormat(text: string, type: string, format: string): string {
  if (type !== zoned) return `CAST(try_strptime(${text}, ${quoteText(format)}) AS ${type})`;
  const { local, offset, localFormat } = localPart(text, format);
  return `TRY_CAST(CAST(try_strptime(${local}, ${quoteText(localFormat)}) AS VARCHAR) || ${offset} AS ${zoned})`;
}

/** Written by the format, the value is the text but for zeros before numbers and the case of names. */
function readsBackByFormat(text: string, type: string, format: string): string {
  const plain = (sql: string) => `regexp_replace(lower(${sql}), '(^|[^0-9])0+([0-9])', '\\1\\2', 'g')`;
  const again = (from: string, by: string, as: string) =>
    `coalesce(${plain(from)} = ${plain(`strftime(CAST(try_strptime(${from}, ${quoteText(by)}) AS ${as}), ${quoteText(by)})`)}, false)`;
  if (type !== zoned) return again(text, format, type);
  const { local, offset, localFormat } = localPart(text, format);
  const offsetHolds = `coalesce(${matches(offset, zone)}, false)`;
  return `(${again(local, localFormat, "TIMESTAMP")} AND ${offsetHolds})`;
}
