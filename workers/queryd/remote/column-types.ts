/**
 * Columns of Trino's protocol as columns here: the type that each value is read as, and how it is written for that. A
 * type that has none here is its text, as Trino writes it.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";

/** A type as the protocol describes it (Trino's ClientTypeSignature). */
export interface TypeSignature {
  rawType: string;
  arguments?: readonly { kind: string; value: unknown }[];
}

export interface RemoteColumn {
  name: string;
  signature: TypeSignature;
}

interface Reader {
  /** The DuckDB type that JSON is read as. */
  type: string;
  /** What is made of it, where that is another one; only outside of nested values. */
  expression?: (column: string) => string;
  /** The type of that. */
  final?: string;
  json: (value: unknown) => unknown;
}

const same = (value: unknown): unknown => value;
const asText = (value: unknown): unknown =>
  value === null || typeof value === "string" ? value : JSON.stringify(value);
const plain = (type: string): Reader => ({ type, json: same });
const text: Reader = { type: "VARCHAR", json: asText };

const plainTypes: Readonly<Record<string, string>> = {
  boolean: "BOOLEAN",
  tinyint: "TINYINT",
  smallint: "SMALLINT",
  integer: "INTEGER",
  bigint: "BIGINT",
  real: "FLOAT",
  double: "DOUBLE",
  date: "DATE",
  uuid: "UUID",
  varchar: "VARCHAR",
  char: "VARCHAR",
};

/** Digits of a second that a TIME and a TIMESTAMP have here, and those of TIMESTAMP_NS. */
const microDigits = 6;
const nanoDigits = 9;

function readerOf(signature: TypeSignature): Reader {
  const { rawType } = signature;
  const usual = plainTypes[rawType];
  if (usual !== undefined) return usual === "VARCHAR" ? text : plain(usual);
  const [first, second] = numbersOf(signature);
  switch (rawType) {
    case "decimal":
      return plain(`DECIMAL(${first ?? 38},${second ?? 0})`);
    case "time":
      return (first ?? 3) <= microDigits ? plain("TIME") : text;
    case "timestamp":
      if ((first ?? 3) <= microDigits) return plain("TIMESTAMP");
      return (first ?? 3) <= nanoDigits ? casting("TIMESTAMP_NS") : text;
    case "timestamp with time zone":
      return (first ?? 3) <= microDigits ? casting("TIMESTAMPTZ") : text;
    case "varbinary":
      return { ...text, expression: (column) => `from_base64(${column})`, final: "BLOB" };
    case "json":
      return casting("JSON");
    case "array":
      return listOf(readerOf(typesOf(signature)[0] as TypeSignature));
    case "map":
      return mapOf(typesOf(signature).map(readerOf));
    case "row":
      return structOf(fieldsOf(signature));
    default:
      return text;
  }
}

const casting = (type: string): Reader => ({
  ...text,
  expression: (column) => `${column}::${type}`,
  final: type,
});

const listOf = ({ type, json }: Reader): Reader => ({
  type: `${type}[]`,
  json: (value) => (Array.isArray(value) ? value.map(json) : value),
});

/** A map as the list of its pairs, because DuckDB reads maps of JSON with keys that are texts alone. */
function mapOf([key = text, value = text]: readonly Reader[]): Reader {
  const isKeyedByText = key.type === "VARCHAR";
  return {
    type: isKeyedByText
      ? `MAP(VARCHAR, ${value.type})`
      : `STRUCT("key" ${key.type}, "value" ${value.type})[]`,
    json: (given) => {
      if (typeof given !== "object" || given === null) return given;
      const pairs = Object.entries(given);
      return isKeyedByText
        ? Object.fromEntries(pairs.map(([name, item]) => [name, value.json(item)]))
        : pairs.map(([name, item]) => ({ key: name, value: value.json(item) }));
    },
  };
}

function structOf(fields: readonly { name: string; signature: TypeSignature }[]): Reader {
  const names = distinct(fields.map(({ name }, at) => name || `field${at}`));
  const readers = fields.map(({ signature }) => readerOf(signature));
  const types = names.map((name, at) => `${quoteName(name)} ${readers[at]?.type}`);
  return {
    type: `STRUCT(${types.join(", ")})`,
    json: (value) =>
      Array.isArray(value)
        ? Object.fromEntries(names.map((name, at) => [name, readers[at]?.json(value[at] ?? null)]))
        : value,
  };
}

const numbersOf = ({ arguments: given = [] }: TypeSignature): number[] =>
  given.filter(({ kind }) => kind === "LONG").map(({ value }) => Number(value));

const typesOf = ({ arguments: given = [] }: TypeSignature): TypeSignature[] =>
  given.filter(({ kind }) => kind === "TYPE").map(({ value }) => value as TypeSignature);

const fieldsOf = ({ arguments: given = [] }: TypeSignature) =>
  given
    .filter(({ kind }) => kind === "NAMED_TYPE")
    .map(({ value }) => {
      const { fieldName, typeSignature } = value as {
        fieldName?: { name?: string };
        typeSignature: TypeSignature;
      };
      return { name: fieldName?.name ?? "", signature: typeSignature };
    });

/** Fields of one spelling get numbers, as columns do. */
function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.map((name) => {
    let unique = name;
    for (let at = 1; seen.has(unique.toLowerCase()); at++) unique = `${name}_${at}`;
    seen.add(unique.toLowerCase());
    return unique;
  });
}

interface RowReader {
  /** SELECT of the rows that come through a file. */
  from: (path: string) => string;
  /** The same columns without rows. */
  empty: string;
  /** One row as a line of JSON. */
  line: (row: readonly unknown[]) => string;
}

/** The longest row, in bytes of its JSON: DuckDB has a buffer of twice as many a thread. */
const rowBytesMax = 16 * 1024 * 1024;

/** How rows of these columns are read. */
export function rowReader(columns: readonly RemoteColumn[]): RowReader {
  const readers = columns.map(({ signature }) => readerOf(signature));
  const names = columns.map(({ name }, at) => quoteName(name || `_col${at}`));
  const read = readers.map(({ type }, at) => `"c${at}": ${quoteText(type)}`);
  const selected = readers.map(({ expression }, at) => {
    const column = `"c${at}"`;
    return `${expression?.(column) ?? column} AS ${names[at]}`;
  });
  const nulls = readers.map(({ type, final = type }, at) => `NULL::${final} AS ${names[at]}`);
  return {
    from: (path) =>
      `SELECT ${selected.join(", ")} FROM read_json(${quoteText(path)}, format = 'newline_delimited', records = true, auto_detect = false, compression = 'uncompressed', maximum_object_size = ${rowBytesMax}, columns = {${read.join(", ")}})`,
    empty: `SELECT ${nulls.join(", ")} WHERE false`,
    line: (row) => {
      const line = JSON.stringify(
        Object.fromEntries(readers.map(({ json }, at) => [`c${at}`, json(row[at] ?? null)])),
      );
      if (Buffer.byteLength(line) > rowBytesMax)
        throw fail(
          "resource_exhausted",
          `a row has more than ${rowBytesMax} bytes as JSON; select less of it`,
        );
      return `${line}\n`;
    },
  };
}
