/** The values of Bind as queryd takes them: text, lists of text, and the SQL type that each is cast to. */
import type { PostgresType } from "../../../runtime/postgres/postgres.ts";
import { sqlFailure, textOf } from "../protocol/protocol.ts";
import { arrayFromBinary, arrayFromText, type Nested } from "./arrays.ts";
import { textFromBinary } from "./binary-values.ts";

export type { Nested } from "./arrays.ts";

export interface Parameter {
  value: Nested;
  /** The type of SQL that the value is cast to; undefined where a text may be any. */
  cast: string | undefined;
}

/** The parameter of a value as it came. Throws `22P02`, `22P03` or `0A000` for what is no value of its type. */
export function parameterOf(
  bytes: Buffer | null,
  format: number,
  { type, number }: { type: PostgresType | undefined; number: number },
): Parameter {
  const cast = type && castOf(type);
  if (bytes === null) return { value: null, cast };
  if (format !== 0 && format !== 1)
    throw sqlFailure("08P01", `parameter $${number}: format ${format}; expected 0 (text) or 1 (binary)`);
  if (format === 1 && !type)
    throw sqlFailure("42P18", `parameter $${number}: a binary value of a type that is not known; CAST it`);
  try {
    return readValue(bytes, format === 1, type);
  } catch (cause) {
    if (cause instanceof RangeError || cause instanceof SyntaxError)
      throw sqlFailure("22P03", `parameter $${number}: the bytes are no ${type?.name ?? "text"}`);
    throw cause;
  }
}

function readValue(bytes: Buffer, isBinary: boolean, type: PostgresType | undefined): Parameter {
  if (type?.item) {
    const { item } = type;
    const value = isBinary
      ? arrayFromBinary(bytes, (one) => textFromBinary(one, item.form))
      : arrayFromText(textOf(bytes), (one) => fromText(one, item));
    return { value, cast: castOf(type, value) };
  }
  const text = isBinary && type ? textFromBinary(bytes, type.form) : textOf(bytes);
  const value = isBinary || !type ? text : fromText(text, type);
  return { value, cast: type && castOf(type, value) };
}

/** PostgreSQL's forms of text that are not SQL's here. */
function fromText(text: string, { form }: Pick<PostgresType, "form">): string {
  if (form !== "bytea") return text;
  if (/^\\x([0-9a-f]{2}|\s)*$/i.test(text)) return textFromBinary(Buffer.from(text.slice(2), "hex"), "bytea");
  const bytes = text.replace(/\\(\\|[0-3][0-7]{2})/g, (_, code: string) =>
    code === "\\" ? "\\" : String.fromCharCode(Number.parseInt(code, 8)),
  );
  return textFromBinary(Buffer.from(bytes, "latin1"), "bytea");
}

const casts: Partial<Record<PostgresType["form"], string>> = {
  bool: "BOOLEAN",
  int2: "SMALLINT",
  int4: "INTEGER",
  int8: "BIGINT",
  float4: "FLOAT",
  float8: "DOUBLE",
  bytea: "BLOB",
  json: "JSON",
  uuid: "UUID",
  date: "DATE",
  time: "TIME",
  timetz: "TIMETZ",
  timestamp: "TIMESTAMP",
  timestamptz: "TIMESTAMPTZ",
  interval: "INTERVAL",
};

/** A text needs no cast: it is taken for whatever stands beside it, as a literal is. */
export function castOf({ form, item }: PostgresType, value?: Nested): string | undefined {
  if (item) {
    const inside = item.form === "text" ? "VARCHAR" : castOf(item, value);
    return `${inside}${"[]".repeat(Math.max(1, depthOf(value)))}`;
  }
  return form === "numeric" ? numericCast(value) : casts[form];
}

const depthOf = (value: Nested | undefined): number =>
  Array.isArray(value) ? 1 + Math.max(0, ...value.map(depthOf)) : 0;

/** SQL's decimals have a scale: that of the values, within 38 digits. */
function numericCast(value: Nested | undefined): string {
  const digits = textsIn(value).map((text) => /^\s*[+-]?(\d*)(?:\.(\d*))?\s*$/.exec(text));
  if (digits.length === 0) return anyDecimal;
  if (digits.includes(null)) return "DOUBLE";
  const scale = Math.max(...digits.map((found) => found?.[2]?.length ?? 0));
  const whole = Math.max(1, ...digits.map((found) => found?.[1]?.replace(/^0+/, "").length ?? 0));
  if (whole + scale > 38)
    throw sqlFailure("22003", "a numeric parameter has more than 38 digits, which is all that DECIMAL holds");
  return `DECIMAL(${whole + scale},${scale})`;
}

/** Of a parameter whose value is not known yet. */
const anyDecimal = "DECIMAL(38,9)";

const textsIn = (value: Nested | undefined): string[] =>
  Array.isArray(value) ? value.flatMap(textsIn) : typeof value === "string" ? [value] : [];
