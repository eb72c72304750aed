/** Why a text is not what it might be, in words for people: a column that stays text, a value that does not fit. */
import { type Notation, sqlType, zoned } from "./notation.ts";

export interface Seen {
  text: string;
  line: number;
}

/** What a text looks like to a person, beside what it is: the first that fits. */
const looks: readonly { pattern: RegExp; reason: string }[] = [
  { pattern: /^[-+]?0[0-9]+([.][0-9]+)?$/, reason: "leading zeros" },
  { pattern: /^[+][0-9][0-9 ().-]*$/, reason: "a plus sign" },
  { pattern: /^\s+\S|\S\s+$/, reason: "spaces at the beginning or end" },
  { pattern: /^-?[0-9]{19,}$/, reason: "a number beyond 64 bits" },
  { pattern: /^-0(\.0+)?$/, reason: "minus zero" },
  { pattern: /^[-+]?[0-9.]+[eE][-+]?[0-9]+$/, reason: "an exponent" },
  { pattern: /^[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?$/, reason: "a thousands separator" },
  { pattern: /^[-+]?[0-9]+,[0-9]+$/, reason: "a decimal comma" },
  {
    pattern: /^\d{4}-\d\d-\d\dT\d\d:\d\d/,
    reason: "a timestamp with T or a zone, which would read back without",
  },
  { pattern: /^\d{4}-\d\d-\d\d( .*)?$/, reason: "a date that does not exist or would read back otherwise" },
  {
    pattern: /^\d{1,2}[/.]\d{1,2}[/.]\d{2,4}$/,
    reason: "a date whose order of day and month is not certain",
  },
  { pattern: /^(true|false)$/i, reason: "a boolean that is not written true or false" },
  { pattern: /^[-+]?([0-9]*[.][0-9]+|[0-9]+[.]?)$/, reason: "numbers with differing numbers of decimals" },
];

const shownCharacters = 40;
const shown = (text: string) => (text.length > shownCharacters ? `${text.slice(0, shownCharacters)}…` : text);

/** The reason for these values of one column; the first value that is plainly a word settles it. */
export function whyText(values: readonly Seen[]): string {
  const word = values.find(({ text }) => !looks.some(({ pattern }) => pattern.test(text)));
  if (word) return `text, such as '${shown(word.text)}' on line ${word.line}`;
  for (const { pattern, reason } of looks) {
    const found = values.find(({ text }) => pattern.test(text));
    if (found) return `stays text: ${reason}, '${shown(found.text)}' on line ${found.line}`;
  }
  return "text";
}

interface Expected {
  type: string;
  /** What the type is: one that was asked for, or a registered one. */
  what: string;
  notation: Notation | undefined;
}

/** Why a text is no value of the type, where it is plainly something else than a word. */
export function whyNot(text: string, { type: written, what, notation }: Expected): string {
  const type = sqlType(written);
  const exact = notation === undefined || notation.mode === "exact";
  const form =
    written === type ? undefined : `it is not written in its ${written.slice(type.length + 1)} form`;
  const reason = exact ? form : misfitOf(text.trim(), type, notation);
  return `not a value of the ${what} ${type}${reason === undefined ? "" : `: ${reason}`}`.replace(
    " the type ",
    " type ",
  );
}

const numberPattern = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;
const timestampPattern = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/;

function misfitOf(text: string, type: string, notation?: Notation): string | undefined {
  const format = type === "DATE" ? notation?.dateFormat : notation?.timestampFormat;
  if (format !== undefined && /^(DATE|TIMESTAMP)/.test(type))
    return `'${shown(text)}' does not read back by ${format}`;
  if (numberPattern.test(text)) return numberMisfit(text, type);
  if (timestampPattern.test(text)) {
    const offset = /([-+]\d\d(:?\d\d)?|Z)$/.exec(text.slice(16))?.[1];
    if (type === "TIMESTAMP" && offset)
      return `an offset has no place in it, and '${offset}' would be lost: TIMESTAMPTZ keeps the instant`;
    if (type === zoned && !offset) return "expected an offset from UTC behind it, such as Z or +01:00";
    if (type === "DATE") return "its time would be lost: TIMESTAMP keeps it";
  }
  if (type === "BOOLEAN") return "expected true or false";
  return undefined;
}

function numberMisfit(text: string, type: string): string | undefined {
  const scale = /^DECIMAL\(\d+,(\d+)\)$/.exec(type)?.[1];
  if (type === "BOOLEAN") return "expected true or false";
  if (scale !== undefined && /^[-+]?[0-9.]{16,}e/i.test(text))
    return "a decimal takes an exponent behind at most 15 characters: write it without one";
  if (scale !== undefined) return `'${shown(text)}' has more digits than it holds, or a minus zero`;
  if (type === "DOUBLE" || type === "FLOAT") return `no ${type} is exactly '${shown(text)}'`;
  if (type !== "BIGINT" && type !== "INTEGER") return undefined;
  if (/e/i.test(text)) return "an exponent has no place in it: DOUBLE or DECIMAL takes it";
  if (/\.\d*[1-9]/.test(text)) return `'${shown(text)}' has a fraction: DOUBLE or DECIMAL keeps it`;
  return `'${shown(text)}' is beyond its range, or a minus zero`;
}
