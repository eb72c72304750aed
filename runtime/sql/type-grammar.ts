/**
 * Types of columns as SQL writes them: the one grammar by which every door checks them, and the one bound on how deep
 * they nest. A type that passes can be written by COPY, read back from Parquet, and be named in a CAST.
 */

import { nameProblem, quoteName, twiceNamed } from "./names.ts";

export type SqlType =
  /** `name` as DuckDB prints it, such as BIGINT or DECIMAL(18,2). */
  | { kind: "scalar"; name: string }
  | { kind: "list"; item: SqlType; length?: number }
  | { kind: "map"; key: SqlType; value: SqlType }
  | { kind: "struct"; fields: readonly SqlField[] };

interface SqlField {
  name: string;
  type: SqlType;
}

/**
 * Levels of lists, maps and structs in one type: INTEGER has none, INTEGER[][] two. DuckDB's Parquet reader (1.5.6)
 * takes twice as long for each level of lists before its first row: 7 ms at 16, 0.1 s at 20, 1.5 s at 24, and it cannot
 * be interrupted there. Records of BigQuery nest 15 levels at most.
 */
export const typeNestingMax = 16;

/**
 * Most that the lists in all columns of a table may cost: two for each level of lists around a value, multiplied, and
 * added up over the values of the schema. At this much DuckDB's Parquet reader takes half a second before its first row;
 * it is 64 values in 16 lists, or 16,384 in eight.
 */
const listCostMax = 2 ** 22;

/** Characters of the text of a type: manifests and statements name it in full. */
export const typeCharactersMax = 65_536;

/** Says what is wrong with the text of a type. */
class SqlTypeError extends Error {
  override name = "SqlTypeError";
}

/** What is said of a nesting that is too deep, wherever it is found. */
export const tooDeep = (levels: number): string =>
  `nests ${levels} levels deep; types nest at most ${typeNestingMax} levels`;

/** Parses the type. Throws `SqlTypeError` for what is no type of a column, or nests too deep. */
export function parseSqlType(text: string): SqlType {
  const cursor: Cursor = { text, at: 0 };
  const { type, levels } = parseAny(cursor, 0);
  skipSpace(cursor);
  if (cursor.at < text.length) throw unexpected(cursor, "the end of the type");
  if (levels > typeNestingMax) throw new SqlTypeError(`it ${tooDeep(levels)}`);
  return type;
}

/** What no table can have of these columns, and where; undefined when nothing. The one check of every door. */
export function columnProblem(
  columns: readonly { name: string; type: string }[],
): { field: string; problem: string; twice?: string } | undefined {
  let cost = 0;
  for (const [at, { name, type }] of columns.entries()) {
    const problem = nameProblem(name);
    if (problem !== undefined) return { field: `columns.${at}.name`, problem };
    if (type.length > typeCharactersMax)
      return {
        field: `columns.${at}.type`,
        problem: `the type of column '${name.slice(0, 100)}' takes ${type.length} characters, at most ${typeCharactersMax}: nest fewer fields in it, or keep it as JSON text`,
      };
    try {
      cost += listCost(parseSqlType(type), 1);
    } catch (error) {
      if (!(error instanceof SqlTypeError)) throw error;
      const problem = `the type of column '${name.slice(0, 100)}', ${type.slice(0, 100)}, cannot be: ${error.message}`;
      return { field: `columns.${at}.type`, problem };
    }
  }
  if (cost > listCostMax)
    return {
      field: "columns",
      problem: `lists within lists in ${columns.length} columns cost ${cost}, at most ${listCostMax} (each level doubles that of a value): nest them less, or keep some as JSON text`,
    };
  const twice = twiceNamed(columns.map(({ name }) => name));
  return twice === undefined
    ? undefined
    : {
        field: "columns",
        twice,
        problem: `'${twice.slice(0, 200)}' is there twice; SQL does not tell upper case from lower`,
      };
}

/** The same type with every name in quotes: safe as a part of a statement. */
export function sqlOf(type: SqlType): string {
  if (type.kind === "scalar") return type.name;
  if (type.kind === "list") return `${sqlOf(type.item)}[${type.length ?? ""}]`;
  if (type.kind === "map") return `MAP(${sqlOf(type.key)}, ${sqlOf(type.value)})`;
  return `STRUCT(${type.fields.map((field) => `${quoteName(field.name)} ${sqlOf(field.type)}`).join(", ")})`;
}

/** The scalars in a type, from left to right: the leaves of a Parquet schema. */
export function* leavesOf(type: SqlType): Generator<string> {
  if (type.kind === "scalar") yield type.name;
  else if (type.kind === "list") yield* leavesOf(type.item);
  else if (type.kind === "map") {
    yield* leavesOf(type.key);
    yield* leavesOf(type.value);
  } else for (const field of type.fields) yield* leavesOf(field.type);
}

function listCost(type: SqlType, here: number): number {
  if (type.kind === "scalar") return here;
  if (type.kind === "list") return listCost(type.item, 2 * here);
  if (type.kind === "map") return listCost(type.key, 2 * here) + listCost(type.value, 2 * here);
  return type.fields.reduce((sum, field) => sum + listCost(field.type, here), 0);
}

/** Each scalar with the other names that DuckDB takes for it. */
const scalars: Record<string, string> = {
  BOOLEAN: "BOOL LOGICAL",
  TINYINT: "INT1",
  SMALLINT: "INT2 INT16 SHORT",
  INTEGER: "INT INT4 INT32 INTEGRAL SIGNED",
  BIGINT: "INT8 INT64 LONG OID",
  HUGEINT: "INT128",
  UTINYINT: "UINT8",
  USMALLINT: "UINT16",
  UINTEGER: "UINT32",
  UBIGINT: "UINT64",
  UHUGEINT: "UINT128",
  FLOAT: "FLOAT4 REAL",
  DOUBLE: "FLOAT8",
  VARCHAR: "TEXT STRING CHAR BPCHAR NVARCHAR",
  BLOB: "BYTEA BINARY VARBINARY",
  BIT: "BITSTRING",
  BIGNUM: "VARINT",
  UUID: "GUID",
  JSON: "",
  DATE: "",
  TIME: "",
  TIME_NS: "",
  "TIME WITH TIME ZONE": "TIMETZ",
  TIMESTAMP: "DATETIME TIMESTAMP_US",
  TIMESTAMP_S: "",
  TIMESTAMP_MS: "",
  TIMESTAMP_NS: "",
  "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
  INTERVAL: "",
};
const canonical = new Map(
  Object.entries(scalars).flatMap(([name, others]) =>
    [name, ...others.split(" ").filter(Boolean)].map((each): [string, string] => [each, name]),
  ),
);
const decimalNames = new Set(["DECIMAL", "NUMERIC", "DEC"]);
/** DuckDB's DECIMAL without a width. */
const decimalDefault = { width: 18, scale: 3 };
const decimalWidthMax = 38;

interface Cursor {
  text: string;
  at: number;
}
interface Parsed {
  type: SqlType;
  levels: number;
}

/** Levels that are counted at all: the parser calls itself, and no text may exhaust its stack. */
const countedLevels = 1000;

function parseAny(cursor: Cursor, depth: number): Parsed {
  if (depth > countedLevels)
    throw new SqlTypeError(
      `it nests over ${countedLevels} levels; types nest at most ${typeNestingMax} levels`,
    );
  let { type, levels } = parseBase(cursor, depth);
  for (
    let brackets = take(cursor, /\[\s*(\d{1,9})?\s*\]/y);
    brackets;
    brackets = take(cursor, /\[\s*(\d{1,9})?\s*\]/y)
  ) {
    const length = brackets[1] === undefined ? undefined : Number(brackets[1]);
    if (length === 0) throw new SqlTypeError("an array of a fixed length has at least one item");
    type = { kind: "list", item: type, ...(length !== undefined && { length }) };
    levels += 1;
  }
  return { type, levels };
}

function parseBase(cursor: Cursor, depth: number): Parsed {
  const start = cursor.at;
  const word = take(cursor, /[A-Za-z_][A-Za-z0-9_]*/y)?.[0].toUpperCase();
  if (word === undefined) throw unexpected(cursor, "the name of a type");
  if (word === "STRUCT" || word === "ROW") return parseStruct(cursor, depth);
  if (word === "MAP") {
    const [key, value, ...more] = parseList(cursor, () => parseAny(cursor, depth + 1));
    if (!key || !value || more.length > 0) throw new SqlTypeError("MAP has two types: MAP(KEY, VALUE)");
    return {
      type: { kind: "map", key: key.type, value: value.type },
      levels: 1 + Math.max(key.levels, value.levels),
    };
  }
  return { type: { kind: "scalar", name: parseScalar(cursor, word, start) }, levels: 0 };
}

function parseStruct(cursor: Cursor, depth: number): Parsed {
  const fields = parseList(cursor, () => {
    const quoted = take(cursor, /"((?:[^"]|"")*)"/y);
    const name = quoted
      ? (quoted[1] ?? "").replaceAll('""', '"')
      : take(cursor, /[A-Za-z_][A-Za-z0-9_$]*/y)?.[0];
    if (name === undefined) throw unexpected(cursor, "the name of a field");
    const problem = nameProblem(name);
    if (problem !== undefined) throw new SqlTypeError(`in STRUCT ${problem}`);
    return { name, ...parseAny(cursor, depth + 1) };
  });
  const twice = twiceNamed(fields.map(({ name }) => name));
  if (twice !== undefined)
    throw new SqlTypeError(
      `STRUCT has the field '${twice.slice(0, 100)}' twice; SQL does not tell upper case from lower`,
    );
  return {
    type: { kind: "struct", fields: fields.map(({ name, type }) => ({ name, type })) },
    levels: 1 + Math.max(...fields.map(({ levels }) => levels)),
  };
}

/** `(item, item)`, at least one. */
function parseList<T>(cursor: Cursor, item: () => T): T[] {
  if (!take(cursor, /\(/y)) throw unexpected(cursor, "'('");
  const items = [item()];
  while (take(cursor, /,/y)) items.push(item());
  if (!take(cursor, /\)/y)) throw unexpected(cursor, "',' or ')'");
  return items;
}

function parseScalar(cursor: Cursor, word: string, start: number): string {
  if (decimalNames.has(word)) return parseDecimal(cursor);
  if (word === "ENUM") {
    const values = parseList(
      cursor,
      () => take(cursor, /'(?:[^'\0]|'')*'/y)?.[0] ?? refuse(unexpected(cursor, "a text in single quotes")),
    );
    if (new Set(values).size < values.length) throw new SqlTypeError("ENUM has a value twice");
    return `ENUM(${values.join(", ")})`;
  }
  if ((word === "TIME" || word === "TIMESTAMP") && take(cursor, /WITH\s+TIME\s+ZONE\b/iy))
    return `${word} WITH TIME ZONE`;
  if (word === "DOUBLE") take(cursor, /PRECISION\b/iy);
  const name = canonical.get(word);
  if (name === undefined) {
    const written = cursor.text.slice(start, start + Math.min(word.length, 60));
    throw new SqlTypeError(
      `'${written}' is no type that columns have; expected one such as VARCHAR, BIGINT, DOUBLE, DECIMAL(18,2), TIMESTAMP, VARCHAR[], STRUCT(a INTEGER) or MAP(VARCHAR, DOUBLE)`,
    );
  }
  // DuckDB takes and ignores the length of a text.
  if (name === "VARCHAR") take(cursor, /\(\s*\d{1,9}\s*\)/y);
  return name;
}

function parseDecimal(cursor: Cursor): string {
  const found = take(cursor, /\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\)/y);
  const width = found ? Number(found[1]) : decimalDefault.width;
  const scale = found ? Number(found[2] ?? 0) : decimalDefault.scale;
  if (width >= 1 && width <= decimalWidthMax && scale <= width) return `DECIMAL(${width},${scale})`;
  throw new SqlTypeError(
    `DECIMAL(${width},${scale}): expected 1 to ${decimalWidthMax} digits, and no more of them after the point than there are`,
  );
}

function refuse(error: SqlTypeError): never {
  throw error;
}

function skipSpace(cursor: Cursor): void {
  const space = / */y;
  space.lastIndex = cursor.at;
  space.test(cursor.text);
  cursor.at = space.lastIndex;
}

function take(cursor: Cursor, pattern: RegExp): RegExpExecArray | null {
  skipSpace(cursor);
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text);
  if (found) cursor.at += found[0].length;
  return found;
}

function unexpected({ text, at }: Cursor, expected: string): SqlTypeError {
  const found = at >= text.length ? "the text ends" : `found ${JSON.stringify(text.slice(at, at + 20))}`;
  return new SqlTypeError(`at character ${at + 1}: expected ${expected}, ${found}`);
}
