/** The parameters that say how a file is to be read, checked before the file is read. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { ingestd } from "../contract.ts";
import { checkDialect } from "../csv/csv.ts";
import { zoned } from "../inference/inference.ts";
import { JsonError, type JsonValue, parseJson, plainText } from "../ndjson/ndjson.ts";
import type { AskedType, Reading } from "../tables/tables.ts";

type Asked = Omit<InputOf<(typeof ingestd.endpoints)["preview"]>, "rows" | "format">;

/** Delimiters by name, for shells and addresses in which they are hard to write. */
const delimiterNames: Record<string, string> = { "\\t": "\t", tab: "\t", space: " " };

/** Throws `invalid_field` for parameters that contradict each other. What depends on the file is checked when its dialect is known. */
export function readingOf(asked: Asked): Reading {
  const { quote, header, encoding, escape: escaping, comment, skip } = asked;
  const delimiter =
    asked.delimiter === undefined ? undefined : (delimiterNames[asked.delimiter] ?? asked.delimiter);
  const nulls = [...new Set(asked.null ?? [])].filter((text) => text !== "");
  const given = { delimiter: delimiter !== undefined, quote: quote !== undefined };
  const marks = {
    ...(delimiter !== undefined && { delimiter }),
    ...(escaping !== undefined && { escape: escaping }),
  };
  checkDialect({ ...marks, quote: quote ?? '"', nulls, ...(comment !== undefined && { comment }) }, given);
  return {
    ...marks,
    ...(quote !== undefined && { quote }),
    ...(comment !== undefined && { comment }),
    ...(header !== undefined && { header }),
    ...(encoding !== undefined && { encoding }),
    skip: skip ?? 0,
    nulls,
    types: parseTypes(asked.types ?? ""),
    byValue: asked.infer === "values",
    ...(asked.decimal === "," && { decimalComma: true as const }),
    ...formatsOf(asked),
  };
}

function formatsOf({
  date_format: date,
  timestamp_format: timestamp,
}: Asked): Pick<Reading, "dateFormat" | "timestampFormat"> {
  if (date !== undefined) checkFormat("date_format", date, false);
  if (timestamp !== undefined) checkFormat("timestamp_format", timestamp, true);
  return {
    ...(date !== undefined && { dateFormat: date }),
    ...(timestamp !== undefined && { timestampFormat: timestamp }),
  };
}

/** The specifiers that DuckDB reads, but for names of zones and numbers of weeks, which do not make an instant. */
const specifiers = /%(-[dmyHIMSj]|[aAbBdfgHIjmMnpSyY%]|z$)/g;
const dayAndMonth = /%-?j|%-?d.*%(-?m|b|B)|%(-?m|b|B).*%-?d/;

/** Throws `invalid_field` unless the format tells one day, and for timestamps a time, and nothing is unknown in it. */
function checkFormat(name: string, format: string, timed: boolean): void {
  const expected = timed
    ? "expected a format as strptime has it, with year, month, day and hour, such as %d/%m/%Y %H:%M:%S; an offset %z at its end"
    : "expected a format as strptime has it, with year, month and day, such as %d/%m/%Y";
  const unknown = /%.?/.exec(format.replace(specifiers, ""))?.[0];
  if (unknown !== undefined) throw fail("invalid_field", `${name}: '${unknown}' is not taken; ${expected}`);
  const whole = /%-?[yY]/.test(format) && dayAndMonth.test(format.replaceAll("\n", " "));
  const hours = /%-?H|%-?I.*%p|%p.*%-?I/.test(format);
  if (!whole || hours !== timed || /\0/.test(format) || (!timed && format.includes("%z")))
    throw fail("invalid_field", `${name}: ${expected}, got '${format}'`);
}

/**
 * The types a column can be asked to have, by every name they go by. INTEGER is the smallest integer, as in open table
 * formats: a smaller one would not be kept.
 */
const typeNames: Record<string, string> = {
  VARCHAR: "VARCHAR",
  TEXT: "VARCHAR",
  STRING: "VARCHAR",
  CHAR: "VARCHAR",
  BOOLEAN: "BOOLEAN",
  BOOL: "BOOLEAN",
  INTEGER: "INTEGER",
  INT: "INTEGER",
  INT4: "INTEGER",
  BIGINT: "BIGINT",
  LONG: "BIGINT",
  INT8: "BIGINT",
  FLOAT: "FLOAT",
  REAL: "FLOAT",
  FLOAT4: "FLOAT",
  DOUBLE: "DOUBLE",
  FLOAT8: "DOUBLE",
  DATE: "DATE",
  TIME: "TIME",
  TIMESTAMP: "TIMESTAMP",
  DATETIME: "TIMESTAMP",
  TIMESTAMPTZ: zoned,
  [zoned]: zoned,
  UUID: "UUID",
};
const expectedTypes = `${[...new Set(Object.values(typeNames))].join(", ")} or DECIMAL(width,scale)`;

/**
 * `col:TYPE,"a, b":DECIMAL(10,2)`, where a name with a comma, colon or quote is quoted; or a JSON object of names and
 * types, in which any name can be written. By folded name.
 */
function parseTypes(text: string): Map<string, AskedType> {
  const types = new Map<string, AskedType>();
  for (const [name, type] of text.trimStart().startsWith("{") ? typesInJson(text) : typesInList(text)) {
    if (types.has(fold(name))) throw fail("invalid_field", `types: column '${name}' is given twice`);
    types.set(fold(name), { name, type: typeOf(name, type) });
  }
  return types;
}

const expectedForm = 'expected col:TYPE,col:TYPE or {"col":"TYPE"}';

function* typesInList(text: string): Generator<[name: string, type: string]> {
  // No two parts match the same blanks: backtracking over n of them would take n² steps.
  const pattern =
    /(?:\s*"((?:[^"]|"")+)"\s*|([^",:]+)):\s*([A-Za-z0-9_]+(?: [A-Za-z]+)*(?:\s*\([^)]*\))?)\s*(,|$)/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const found = pattern.exec(text);
    const name = found?.[1]?.replaceAll('""', '"') ?? found?.[2]?.trim();
    if (!found || !name)
      throw fail("invalid_field", `types: ${expectedForm}; cannot read '${text.slice(at, at + 60)}'`);
    yield [name, found[3] ?? ""];
  }
}

function typesInJson(text: string): [name: string, type: string][] {
  try {
    const { kind, fields = new Map<string, JsonValue>() } = parseJson(text.trim());
    if (kind !== "object") throw new JsonError("expected an object");
    return [...fields].map(([name, value]) => {
      if (value.kind === "string") return [name, plainText(value.text)];
      throw fail(
        "invalid_field",
        `types: column '${name}': expected the name of a type, got ${value.text.slice(0, 60)}`,
      );
    });
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    throw fail("invalid_field", `types: ${expectedForm}; not JSON: ${error.message}`);
  }
}

function typeOf(column: string, written: string): string {
  const known = Object.hasOwn(typeNames, written.toUpperCase())
    ? typeNames[written.toUpperCase()]
    : undefined;
  if (known !== undefined) return known;
  const decimal = /^(?:DECIMAL|NUMERIC)\s*\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/i.exec(written);
  const [width, scale] = [Number(decimal?.[1]), Number(decimal?.[2])];
  if (decimal && width >= 1 && width <= 38 && scale <= width) return `DECIMAL(${width},${scale})`;
  throw fail(
    "invalid_field",
    `types: column '${column}': unknown type '${written}'; expected ${expectedTypes}`,
  );
}
