/**
 * JSON that callers send, and rows of SQL results. What is read as a number is a 64-bit float; one that would come back as another number is
 * refused where it comes in, so that nothing after this door changes a value.
 *
 * A number from 2^53 on is taken when what is written back, which is the shortest text of the float, is the same number:
 * 9007199254740994 and 1e23 are; 9007199254740993, 1152921504606846976 (2^60, written back as 1152921504606847000) and
 * 12345678901234567.89 are not. Below, fractions are rounded to the nearest float, as every reader of JSON does: they
 * keep 15 digits, and the whole part. Refused is 1e400 (no float is as large), 1e-400 (it would become 0) and what is
 * so small that floats have fewer digits than came.
 */
import { fail, type ServiceError } from "../errors/errors.ts";

/** From here on not every whole number has a float of its own. */
const wholeMax = 2 ** 53;
/** Below this floats lose digits (IEEE 754, the smallest normal number). */
const normalMin = 2 ** -1022;
/** Most digits that `toPrecision` gives. */
const digitsMax = 100;

/** Whether a value of JSON is an object: no list, no null. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Parses the text as `JSON.parse` does. Throws `invalid_field` naming the first number that cannot be kept. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (mayHaveChanged(value, text)) refuseChanged(text);
  return value;
}

/** As `parseJson`, but numbers that cannot be kept become the text they are written as: for forms that allow either. */
export function parseJsonWithTexts(text: string): unknown {
  const value: unknown = JSON.parse(text);
  return mayHaveChanged(value, text) ? parseKeeping(text, (_, literal) => isKept(literal)) : value;
}

/** As `JSON.parse`, but numbers of which `keeps` is false become the text they are written as. */
function parseKeeping(text: string, keeps: (value: number, literal: string) => boolean): unknown {
  // TypeScript does not know yet that a reviver is given what stands in the text (ECMAScript 2026).
  const revive = (_: string, item: unknown, { source }: { source?: string }) =>
    typeof item !== "number" || source === undefined || keeps(item, source) ? item : source;
  return JSON.parse(text, revive as never);
}

/**
 * Parses a row of a SQL result, or a list of them. Integers and decimals stand there digit by digit: what a 64-bit float
 * would change becomes the text it is written as.
 */
export function parseRows(text: string): unknown {
  return maybeLonger.test(text) ? parseKeeping(text, hasEveryDigit) : JSON.parse(text);
}

/** Digits that every double keeps, whatever the number (IEEE 754 binary64: DBL_DIG). */
const digitsKept = 15;
const maybeLonger = /\d[\d.]{15}/;

function hasEveryDigit(value: number, source: string): boolean {
  const digits = source.replace(/e.*/i, "").replace(/[-.]/g, "").replace(/^0+/, "");
  return digits.length <= digitsKept || String(value) === source.replace(/\.0$/, "");
}

/** Cheap where nothing is strange: a number that changed is large, infinite, tiny or zero now. */
function mayHaveChanged(root: unknown, text: string): boolean {
  const open: unknown[] = [root];
  const seen = { tiny: false, strange: false };
  while (open.length > 0 && !seen.strange) {
    const value = open.pop();
    if (typeof value === "number") look([value], seen);
    else if (Array.isArray(value)) {
      const from = look(value, seen);
      for (let at = from; at < value.length; at++) if (typeof value[at] !== "string") open.push(value[at]);
    } else if (typeof value === "object" && value !== null)
      for (const item of Object.values(value)) if (typeof item !== "string") open.push(item);
  }
  return seen.strange || (seen.tiny && hasTinyNumber(text));
}

/**
 * Looks at the numbers that an array begins with; returns where they end. It sees nothing but numbers and asks for no
 * signs, so that a number takes 1 ns; it takes 15 where other values come by too.
 */
function look(numbers: readonly unknown[], seen: { tiny: boolean; strange: boolean }): number {
  let at = 0;
  for (const item of numbers) {
    if (typeof item !== "number") break;
    at += 1;
    const size = Math.abs(item);
    if (!(size < wholeMax)) seen.strange = true;
    if (size < normalMin) seen.tiny = true;
  }
  return at;
}

/** A number that became zero has an exponent of three digits, or as many zeros. Ids such as 3e-412b… have not. */
function hasTinyNumber(text: string): boolean {
  for (const sign of ["e-", "E-"]) {
    for (let at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + 2)) {
      tinyExponent.lastIndex = at + 2;
      if (tinyExponent.test(text)) return true;
    }
  }
  return text.includes("0".repeat(digitsMax));
}

const tinyExponent = /\d{3,}(?:[\s,}\]]|$)/y;
const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Walks through a text that is JSON. */
function refuseChanged(text: string): void {
  const path: (string | number)[] = [];
  let name = "";
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const last = path.length - 1;
    if (char === '"') {
      const end = endOfString(text, at);
      name = text.slice(at, end);
      at = end - 1;
    } else if (char === "{") path.push("");
    else if (char === "[") path.push(0);
    else if (char === "}" || char === "]") path.pop();
    else if (char === ":") path[last] = name;
    else if (char === "," && typeof path[last] === "number") path[last] += 1;
    else if (char === "-" || (char >= "0" && char <= "9")) {
      number.lastIndex = at;
      const [literal = char] = number.exec(text) ?? [];
      if (!isKept(literal)) throw changed(literal, path);
      at += literal.length - 1;
    }
  }
}

/** Behind the closing quote of the string that opens at `from`. */
function endOfString(text: string, from: number): number {
  for (let end = text.indexOf('"', from + 1); ; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === "\\") slashes += 1;
    if (slashes % 2 === 0) return end + 1;
  }
}

/** Whether a number written like this can be kept: see above. */
function isKept(literal: string): boolean {
  const value = Number(literal);
  const size = Math.abs(value);
  if (size >= normalMin && size < wholeMax) return true;
  const { digits } = decimal(literal);
  if (size === 0 || digits === "") return size === 0 && digits === "";
  if (!Number.isFinite(value) || digits.length > digitsMax) return false;
  return isSameNumber(literal, size < 1 ? value.toPrecision(digits.length) : String(value));
}

/** Whether two numbers as JSON writes them are equal but for their signs. */
export function isSameNumber(one: string, other: string): boolean {
  const [a, b] = [decimal(one), decimal(other)];
  return a.digits === b.digits && (a.exponent === b.exponent || a.digits === "");
}

/** The number as a whole one without zeros at its ends, times a power of ten; its sign is left out. */
function decimal(literal: string): { digits: string; exponent: number } {
  const [, whole = "", fraction = "", power = "0"] =
    /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal) ?? [];
  const all = (whole + fraction).replace(/^0+/, "");
  const digits = all.replace(/0+$/, "");
  return { digits, exponent: Number(power) - fraction.length + all.length - digits.length };
}

function changed(literal: string, path: readonly (string | number)[]): ServiceError {
  const parts = path.map((part) => (typeof part === "number" ? part : String(JSON.parse(part))));
  const field = parts.join(".").slice(0, 200);
  const shown = literal.length > 60 ? `${literal.slice(0, 60)}…` : literal;
  const value = Number(literal);
  const fate = Number.isFinite(value) ? `it would become ${value}` : "it is too large";
  return fail(
    "invalid_field",
    `${field === "" ? "" : `${field}: `}${shown} cannot be kept exactly as a 64-bit float, which a number in JSON is read as: ${fate}; send it as text, "${shown}"`,
    { details: { field } },
  );
}
