/**
 * Values of a column's type in the order that DuckDB has them: from the texts of the catalog's bounds, and from constants.
 * Whatever is not surely of one meaning is undefined, which rules nothing out.
 */
import type { Constant } from "./predicates.ts";

type Value = bigint | number | Buffer | string;

/** What a constant may be compared with: its value, or a pair around it where it may be rounded. */
export interface Between {
  least: Value;
  most: Value;
}

export interface Domain {
  /** From a bound's text. */
  bound: (text: string) => Value | undefined;
  literal: (literal: Constant) => Between | undefined;
  /** There may be a NaN, which is greater than all others, and in no bound. */
  hasNaN?: true;
  /** A value may begin with what is said to be the greatest one and go on: other writers cut long bounds off. */
  isText?: true;
}

export const compare = (left: Value, right: Value): number => {
  if (typeof left !== "object" || typeof right !== "object") return left < right ? -1 : left > right ? 1 : 0;
  return Buffer.compare(left, right);
};

/** Undefined for a type whose values are not compared. */
export function domainOf(type: string): Domain | undefined {
  const digits = integerDigits[type];
  if (digits !== undefined) return exact({ whole: digits, scale: 0 });
  const [, width, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(type) ?? [];
  if (width !== undefined) return exact({ whole: Number(width) - Number(scale), scale: Number(scale) });
  return domains[type];
}

/** Digits of the greatest value; what has more is kept in Parquet as another type. */
const integerDigits: Readonly<Record<string, number>> = {
  TINYINT: 3,
  SMALLINT: 5,
  INTEGER: 10,
  BIGINT: 19,
  UTINYINT: 3,
  USMALLINT: 5,
  UINTEGER: 10,
  UBIGINT: 20,
};
/** Digits of the widest decimal: beyond, DuckDB compares doubles. */
const digitsMax = 38;
const one = 10n ** BigInt(digitsMax);

/** Integers and decimals, as whole numbers of 10^-38. A constant that DuckDB would bring to doubles has no value here. */
function exact({ whole, scale }: { whole: number; scale: number }): Domain {
  const same = (value: bigint): Between => ({ least: value, most: value });
  return {
    bound: (text) => {
      const [, sign, before = "", after = ""] = /^(-?)(\d{1,38})(?:\.(\d{1,38}))?$/.exec(text) ?? [];
      if (before === "") return undefined;
      const value = BigInt(before) * one + BigInt(after.padEnd(digitsMax, "0"));
      return sign === "-" ? -value : value;
    },
    literal: (literal) => {
      const given = literal.kind === "integer" ? asDecimal(literal.value) : literal;
      if (given.kind !== "decimal") return undefined;
      const common = Math.max(whole, given.width - given.scale) + Math.max(scale, given.scale);
      if (common > digitsMax) return undefined;
      return same(given.digits * 10n ** BigInt(digitsMax - given.scale));
    },
  };
}

/** As wide as DuckDB takes any BIGINT to be. */
const asDecimal = (digits: bigint) => ({ kind: "decimal" as const, digits, scale: 0, width: 19 });

/** More than what is lost where a constant or a value becomes a FLOAT: half of 2^-23, and the least FLOAT there is. */
const rounding = { relative: 1e-6, absolute: 1e-37 };

const float: Domain = {
  bound: (text) =>
    /^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text) && Number.isFinite(Number(text)) ? Number(text) : undefined,
  literal: (literal) => {
    const value =
      literal.kind === "integer"
        ? Number(literal.value)
        : literal.kind === "decimal"
          ? Number(literal.digits) / 10 ** literal.scale
          : undefined;
    if (value === undefined || Math.abs(value) > 1e37) return undefined;
    const slack = Math.abs(value) * rounding.relative + rounding.absolute;
    return { least: value - slack, most: value + slack };
  },
  hasNaN: true,
};

const isDay = (text: string): boolean => {
  const [year = 0, month = 0, day = 0] = text.split("-").map(Number);
  return year > 0 && new Date(Date.UTC(year, month - 1, day)).getUTCDate() === day && month <= 12;
};

/** A date as text of one length, in the order of time. */
function dayOf(text: string): string | undefined {
  if (text === "infinity") return "~";
  if (text === "-infinity") return "";
  return /^\d{4}-\d\d-\d\d$/.test(text) && isDay(text) ? text : undefined;
}

/** An instant as text of one length, in UTC, which is the zone of every session. */
const instantOf =
  (zone: RegExp) =>
  (text: string): string | undefined => {
    if (text === "infinity" || text === "-infinity") return dayOf(text);
    const [, day = "", rest = ""] = /^(\d{4}-\d\d-\d\d)(.*)$/.exec(text) ?? [];
    if (!isDay(day)) return undefined;
    if (rest === "") return `${day} 00:00:00.000000`;
    const [, time, fraction = "", after = ""] =
      /^[ T]((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d{1,6}))?(.*)$/.exec(rest) ?? [];
    if (time === undefined || !zone.test(after)) return undefined;
    return `${day} ${time}.${fraction.padEnd(6, "0")}`;
  };

const plain = instantOf(/^$/);
const zoned = instantOf(/^(|Z|\+00|\+00:00)$/);

/** Texts, and those cast to the kinds, that are read by `parse`. */
const ofTexts =
  (parse: (text: string) => Value | undefined, kinds: readonly string[]): Domain["literal"] =>
  (literal) => {
    if (literal.kind === "integer" || literal.kind === "decimal" || !kinds.includes(literal.kind))
      return undefined;
    const value = literal.kind === "date" ? dayAs(literal.value, parse) : parse(literal.value);
    return value === undefined ? undefined : { least: value, most: value };
  };

/** A text that was cast to a date must be one. */
const dayAs = (text: string, parse: (text: string) => Value | undefined): Value | undefined =>
  dayOf(text) === undefined ? undefined : parse(text);

const bytesOf = (text: string): Buffer => Buffer.from(text);

const domains: Readonly<Record<string, Domain>> = {
  FLOAT: float,
  DOUBLE: float,
  // In the order of the bytes of UTF-8.
  VARCHAR: { bound: bytesOf, literal: ofTexts(bytesOf, ["text"]), isText: true },
  DATE: { bound: dayOf, literal: ofTexts(dayOf, ["text", "date"]) },
  TIMESTAMP: { bound: plain, literal: ofTexts(plain, ["text", "date", "timestamp"]) },
  "TIMESTAMP WITH TIME ZONE": { bound: zoned, literal: ofTexts(zoned, ["text", "date", "timestamptz"]) },
};
