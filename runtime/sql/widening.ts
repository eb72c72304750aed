/** Types that hold every value of another one, so that a column may take them and no stored value changes. */
import { parseSqlType, sqlOf } from "./type-grammar.ts";

/** Whole numbers by bits; an unsigned type fits into a signed one of more bits. */
const integers: Readonly<Record<string, { bits: number; signed: boolean }>> = {
  TINYINT: { bits: 8, signed: true },
  SMALLINT: { bits: 16, signed: true },
  INTEGER: { bits: 32, signed: true },
  BIGINT: { bits: 64, signed: true },
  UTINYINT: { bits: 8, signed: false },
  USMALLINT: { bits: 16, signed: false },
  UINTEGER: { bits: 32, signed: false },
  UBIGINT: { bits: 64, signed: false },
};

/** What `widens` takes, for messages. */
export const wideningRule =
  "safe are whole numbers to larger ones, FLOAT to DOUBLE, and DECIMAL to more digits of the same scale";

/** Whether both texts are one type: names of fields may stand in quotes, which DuckDB writes only where it needs them. */
export const isSameType = (one: string, other: string): boolean =>
  one === other ||
  (one.includes("(") && other.includes("(") && sqlOf(parseSqlType(one)) === sqlOf(parseSqlType(other)));

/**
 * Whether a column of type `from` may become one of type `to` and its files stay: what open tables allow as well
 * (int to long, float to double, more digits). Types are as DuckDB prints them.
 */
export function widens(from: string, to: string): boolean {
  if (isSameType(from, to)) return true;
  if (from === "FLOAT") return to === "DOUBLE";
  const [small, large] = [integers[from], integers[to]];
  if (small && large) return small.bits < large.bits && (large.signed || !small.signed);
  const [digits, more] = [decimalOf(from), decimalOf(to)];
  return digits !== undefined && more?.scale === digits.scale && more.width >= digits.width;
}

function decimalOf(type: string): { width: number; scale: number } | undefined {
  const [, width, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type) ?? [];
  return width === undefined ? undefined : { width: Number(width), scale: Number(scale) };
}

/** The type as DuckDB prints it where it is one word; nested types stay as they are written. */
export function plainType(type: string): string {
  const parsed = parseSqlType(type);
  return parsed.kind === "scalar" ? parsed.name : type;
}
