/** A statement with its parameters' values as literals: DuckDB serializes no plan with open parameters. */

import { fail } from "../../../runtime/errors/errors.ts";
import { quoteText, type Token, tokens } from "../../../runtime/sql/sql.ts";
import type { Parameter, ParameterType, ParameterValue } from "./parameters.ts";

interface Written {
  sql: string;
  /** The byte in the given text for a byte in this one. */
  placeIn: (byte: number) => number;
}

interface Span {
  name: string;
  start: number;
  end: number;
}

/**
 * `names` are the parameters as DuckDB's parser found them, each as often as it stands in the text. Throws `sql_error`
 * when they are not found in the same number.
 */
export function withValues(
  sql: string,
  names: readonly string[],
  values: ReadonlyMap<string, Parameter>,
): Written {
  if (names.length === 0) return { sql, placeIn: (byte) => byte };
  const spans = spansOf(sql);
  if (!areSame(spans, names))
    throw fail("sql_error", "write parameters as $1, $name or ?, one kind in a statement");
  const parts: string[] = [];
  const shifts: { from: number; removed: number; added: number }[] = [];
  let at = 0;
  let bytes = 0;
  for (const { name, start, end } of spans) {
    const kept = sql.slice(at, start);
    const value = literal(values.get(name) ?? { type: "null", value: null });
    bytes += Buffer.byteLength(kept);
    const added = Buffer.byteLength(value);
    shifts.push({ from: bytes, removed: Buffer.byteLength(sql.slice(start, end)), added });
    bytes += added;
    parts.push(kept, value);
    at = end;
  }
  const placeIn = (byte: number) =>
    shifts.reduce((place, { from, removed, added }) => {
      if (byte < from) return place;
      return byte < from + added ? place - (byte - from) : place - added + removed;
    }, byte);
  return { sql: parts.join("") + sql.slice(at), placeIn };
}

/** Whether each name stands in the text as often as it is listed. */
function areSame(spans: readonly Span[], names: readonly string[]): boolean {
  if (spans.length !== names.length) return false;
  const left = new Map<string, number>();
  for (const name of names) left.set(name, (left.get(name) ?? 0) + 1);
  return spans.every(({ name }) => {
    const count = left.get(name) ?? 0;
    left.set(name, count - 1);
    return count > 0;
  });
}

function spansOf(sql: string): Span[] {
  const all = [...tokens(sql)];
  const spans: Span[] = [];
  let unnamed = 0;
  for (const [at, token] of all.entries()) {
    const next = all[at + 1];
    const follows = next !== undefined && next.start === token.end;
    if (token.text === "?") spans.push({ name: String(++unnamed), start: token.start, end: token.end });
    else if (token.text === "$" && follows)
      spans.push({ name: nameOf(sql, next), start: token.start, end: next.end });
  }
  return spans;
}

const nameOf = (sql: string, { start, end }: Token): string => sql.slice(start, end);

function literal({ type, value }: Parameter): string {
  if (value === null) return "NULL";
  // DuckDB takes a bound text for any type that a literal text is taken for.
  if (type === "text") return plain(value);
  return `CAST(${plain(value)} AS ${sqlType(type)})`;
}

/** The planner reads no value but its type. */
function plain(value: ParameterValue): string {
  if (typeof value === "string") return quoteText(value.replaceAll("\0", ""));
  if (typeof value === "number") return `'${value}'`;
  return Array.isArray(value) ? `[${value.map(plain).join(", ")}]` : String(value);
}

const sqlType = (type: ParameterType): string =>
  typeof type === "object"
    ? `${sqlType(type.list)}[]`
    : { null: '"NULL"', boolean: "BOOLEAN", integer: "BIGINT", double: "DOUBLE", text: "VARCHAR" }[type];
