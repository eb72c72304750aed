/** Cells of a named column that hold a value: in SQL by the column's type, and in values as services keep them. */
import type { Cell } from "../contract/contract.ts";
import { fold, quoteName, quoteText } from "../sql/sql.ts";

type Equals = Cell["equals"];

export const isNamed = (column: string, { column: asked }: Cell): boolean => fold(column) === fold(asked);

/**
 * SQL that is true where a cell of the column is the value, and never NULL. DuckDB's casts from text round, so that 41.7
 * would be the 42 of somebody else: what the type cannot hold is equal to nothing.
 */
export function cellSql({ name, type }: { name: string; type: string }, equals: Equals): string {
  const cell = quoteName(name);
  const text = String(equals).normalize("NFC");
  const is = (value: string, of = cell) =>
    `coalesce(${of} = TRY_CAST(${quoteText(value)} AS ${type}), false)`;
  if (exactNumbers.test(type)) {
    const digits = plainDigits(text);
    const scale = Number(/,\s*(\d+)\)$/.exec(type)?.[1] ?? 0);
    return digits === undefined || (digits.split(".")[1] ?? "").length > scale ? "false" : is(digits);
  }
  if (type === "FLOAT" || type === "DOUBLE") return numberForm.test(text) ? is(text) : "false";
  // A date is the first moment of its day, and no other.
  if (type === "DATE")
    return `coalesce(TRY_CAST(${cell} AS TIMESTAMP) = TRY_CAST(${quoteText(text)} AS TIMESTAMP), false)`;
  if (type === "UUID" || type.startsWith("TIME"))
    return (/\.(\d+?)0*(?!\d)/.exec(text)?.[1]?.length ?? 0) > (type.endsWith("_NS") ? 9 : 6)
      ? "false"
      : is(text);
  return `coalesce(nfc_normalize(CAST(${cell} AS VARCHAR)) = ${quoteText(text)}, false)`;
}

/** Whether a value is the one asked for: numbers by what they are worth, all else as text. */
export function isCell(value: unknown, equals: Equals): boolean {
  const text = String(equals).normalize("NFC");
  if (typeof value === "number" || typeof value === "bigint") {
    const digits = plainDigits(String(value));
    return digits === undefined ? String(value) === text : digits === plainDigits(text);
  }
  return (typeof value === "string" || typeof value === "boolean") && String(value).normalize("NFC") === text;
}

/** Whether a column's bound, a text as DuckDB writes values of the type, is the value. */
export const isBoundOf = (type: string, bound: string, equals: Equals): boolean =>
  isCell(bound, equals) ||
  (exactNumbers.test(type) && plainDigits(bound) === plainDigits(String(equals))) ||
  (type === "DOUBLE" && isCell(Number(bound), equals));

const exactNumbers = /^U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$|^DECIMAL\b/;
const numberForm = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A decimal number in its shortest form: two that are equal are the same text. */
function plainDigits(text: string): string | undefined {
  const [, sign, whole, fraction = ""] = /^([+-]?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const digits = fraction === "" ? whole : `${whole}.${fraction}`;
  return sign === "-" && digits !== "0" ? `-${digits}` : digits;
}
