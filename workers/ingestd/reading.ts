/** The parameters that say how a file is to be read, checked before anything of the file is. */
import type { InputOf } from "../../runtime/contract.ts";
import { fail } from "../../runtime/errors.ts";
import type { ingestd } from "./contract.ts";
import type { Reading } from "./format.ts";

type Asked = Omit<InputOf<(typeof ingestd.endpoints)["preview"]>, "rows" | "format">;

/** What DuckDB takes as a delimiter, in bytes. */
const delimiterBytesMax = 4;

/** Throws `invalid_field` for what cannot be meant. */
export function readingOf({ delimiter, quote, header, encoding, null: nullText, types }: Asked): Reading {
  const divided = delimiter === "\\t" ? "\t" : delimiter;
  if (divided !== undefined && (/[\n\r\0]/.test(divided) || Buffer.byteLength(divided) > delimiterBytesMax)) {
    throw fail("invalid_field", `delimiter: expected at most ${delimiterBytesMax} bytes without a line end`);
  }
  if (quote !== undefined && quote !== "" && !/^[!-~]$/.test(quote)) {
    throw fail("invalid_field", "quote: expected one visible ASCII character, or nothing for none");
  }
  const quoting = quote ?? '"';
  if (divided !== undefined && quoting !== "" && divided.includes(quoting)) {
    throw fail("invalid_field", "delimiter and quote: expected different characters");
  }
  const inNull = [quoting, divided ?? "", "\n", "\r"].find((mark) => mark !== "" && nullText?.includes(mark));
  if (inNull !== undefined)
    throw fail("invalid_field", "null: expected a text without quote, delimiter and line end");
  return {
    ...(divided !== undefined && { delimiter: divided }),
    ...(quote !== undefined && { quote }),
    ...(header !== undefined && { header }),
    ...(encoding !== undefined && { encoding }),
    nulls: nullText === undefined || nullText === "" ? [] : [nullText],
    types: parseTypes(types ?? ""),
  };
}

/**
 * The types a column can be asked to have, by every name they go by. Small integers become INTEGER, which is the
 * smallest that open table formats know.
 */
const typeNames: Record<string, string> = {
  VARCHAR: "VARCHAR",
  TEXT: "VARCHAR",
  STRING: "VARCHAR",
  CHAR: "VARCHAR",
  BOOLEAN: "BOOLEAN",
  BOOL: "BOOLEAN",
  TINYINT: "INTEGER",
  SMALLINT: "INTEGER",
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
  UUID: "UUID",
};
const expectedTypes = `${[...new Set(Object.values(typeNames))].join(", ")} or DECIMAL(width,scale)`;

/** `col:TYPE,"a, b":DECIMAL(10,2)`: a name with a comma, colon or quote is quoted. */
export function parseTypes(text: string): Map<string, string> {
  const types = new Map<string, string>();
  const pattern = /\s*(?:"((?:[^"]|"")+)"|([^",:]+?))\s*:\s*([A-Za-z0-9_]+(?:\s*\([^)]*\))?)\s*(,|$)/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const found = pattern.exec(text);
    if (!found)
      throw fail(
        "invalid_field",
        `types: expected col:TYPE,col:TYPE; cannot read '${text.slice(at, at + 60)}'`,
      );
    const name = found[1]?.replaceAll('""', '"') ?? found[2] ?? "";
    if (types.has(name)) throw fail("invalid_field", `types: column '${name}' is given twice`);
    types.set(name, typeOf(name, found[3] ?? ""));
  }
  return types;
}

function typeOf(column: string, written: string): string {
  const known = typeNames[written.toUpperCase()];
  if (known !== undefined) return known;
  const decimal = /^(?:DECIMAL|NUMERIC)\s*\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$/i.exec(written);
  const [width, scale] = [Number(decimal?.[1]), Number(decimal?.[2])];
  if (decimal && width >= 1 && width <= 38 && scale <= width) return `DECIMAL(${width},${scale})`;
  throw fail(
    "invalid_field",
    `types: column '${column}': unknown type '${written}'; expected ${expectedTypes}`,
  );
}
