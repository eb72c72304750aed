/** Values of spreadsheet cells. A number that is shown as a date is one: a count of days, in one of two calendars. */
import { fail } from "../../../runtime/errors/errors.ts";

export type CellKind = "number" | "text" | "boolean" | "date" | "timestamp" | "time" | "duration" | "error";

export interface Cell {
  /** From 0. */
  column: number;
  kind: CellKind;
  /** As JSON has a number or a boolean; else its characters. */
  text: string;
}

/** How a number is shown: what its format makes of it. */
export type Shown = "number" | "date" | "timestamp" | "time" | "duration";

/** Formats that have a number and no code in the file (ECMA-376, 18.8.30); those of East Asian locales are dates too. */
const builtIn: readonly [from: number, to: number, Shown][] = [
  [14, 17, "date"],
  [18, 21, "time"],
  [22, 22, "timestamp"],
  [27, 31, "date"],
  [32, 33, "time"],
  [34, 36, "date"],
  [45, 45, "time"],
  [46, 46, "duration"],
  [47, 47, "time"],
  [50, 54, "date"],
  [55, 56, "time"],
  [57, 58, "date"],
];

/** What a format's number or code shows. */
export function shownBy(id: number, code: string | undefined): Shown {
  if (code === undefined) return builtIn.find(([from, to]) => id >= from && id <= to)?.[2] ?? "number";
  // Texts in quotes, escaped characters, widths of spaces and fills are no fields; nor are colours and locales.
  const plain = code
    .replace(/"[^"]*"|\\.|_.|\*./gs, "")
    .replace(/\[(?!(h+|m+|s+)\])[^\]]*\]/gi, "")
    .replace(/general/gi, "");
  const [first = ""] = plain.split(";");
  if (/\[(h+|m+|s+)\]/i.test(first)) return "duration";
  const fields = first.replace(/a(m)?\/p(m)?/gi, "h");
  const hasDay = /[yd]/i.test(fields) || (/m/i.test(fields) && !/[hs]/i.test(fields));
  const hasTime = /[hs]/i.test(fields);
  if (hasDay) return hasTime ? "timestamp" : "date";
  return hasTime ? "time" : "number";
}

const dayMs = 86_400_000;
/** 9999-12-31, the last day that these calendars have. */
const lastSerial = 2_958_465;

/**
 * The value of a number that is shown so. Fractions of a day are rounded to milliseconds, which is what spreadsheets keep of them.
 * The calendar from 1900 has a 29 February in that year, which there was not: that number is no date, nor is one below 0.
 */
export function dated(
  serial: number,
  shown: Exclude<Shown, "number">,
  from1904: boolean,
): Omit<Cell, "column"> | undefined {
  const ms = Math.round(serial * dayMs);
  if (shown === "duration" || (shown === "time" && ms >= dayMs))
    return { kind: "duration", text: clockOf(ms) };
  if (ms < 0) return undefined;
  if (shown === "time" || (ms < dayMs && !from1904)) return { kind: "time", text: clockOf(ms) };
  const days = Math.floor(ms / dayMs);
  if (days > lastSerial || (!from1904 && days === 60)) return undefined;
  const before = from1904 ? 24_107 : days < 60 ? 25_568 : 25_569;
  const instant = new Date((days - before) * dayMs + (ms % dayMs)).toISOString();
  const date = instant.slice(0, 10);
  // A time of day that the format hides is there all the same.
  if (shown === "date" && ms % dayMs === 0) return { kind: "date", text: date };
  return { kind: "timestamp", text: `${date} ${clockOf(ms % dayMs)}` };
}

/** Hours beyond 24 are those of a duration. */
export function clockOf(ms: number): string {
  const size = Math.abs(ms);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  const rest = size % 1000 === 0 ? "" : `.${String(size % 1000).padStart(3, "0")}`;
  const clock = `${two(size / 3_600_000)}:${two((size / 60_000) % 60)}:${two((size / 1000) % 60)}${rest}`;
  return ms < 0 ? `-${clock}` : clock;
}

/** The number as JSON writes it: that of the double which the spreadsheet has. */
export function numberText(text: string, where: string): string {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw fail("unprocessable", `${where}: '${text.slice(0, 40)}' is no number: the file is damaged`);
  return Object.is(value, -0) ? "0" : String(value);
}

/** `C7`, of a column and a row from 0. */
export const addressOf = (row: number, column: number): string => `${lettersOf(column)}${row + 1}`;

export function lettersOf(column: number): string {
  let letters = "";
  for (let left = column + 1; left > 0; left = Math.floor((left - 1) / 26))
    letters = String.fromCharCode(65 + ((left - 1) % 26)) + letters;
  return letters;
}

/** The column of its letters, from 0. */
export const columnOf = (letters: string): number =>
  [...letters.toUpperCase()].reduce((column, letter) => column * 26 + letter.charCodeAt(0) - 64, 0) - 1;

export interface Range {
  top: number;
  left: number;
  /** Infinite where the range is open below or to the right. */
  bottom: number;
  right: number;
}

/** `B3:F90`; `B3:F`, down to the last row; `B3`, with all that is below and to its right. */
export function rangeOf(text: string | undefined): Range {
  const open = Number.POSITIVE_INFINITY;
  if (text === undefined) return { top: 0, left: 0, bottom: open, right: open };
  const found = /^\$?([A-Z]{1,3})\$?([1-9]\d{0,6})(?::\$?([A-Z]{1,3})\$?([1-9]\d{0,6})?)?$/i.exec(
    text.trim(),
  );
  const [, left = "", top = "", right, bottom] = found ?? [];
  const range = {
    ...{ top: Number(top) - 1, left: columnOf(left) },
    bottom: bottom === undefined ? open : Number(bottom) - 1,
    right: right === undefined ? open : columnOf(right),
  };
  if (!found || range.right < range.left || range.bottom < range.top)
    throw fail("invalid_field", `range: expected cells as B3:F90, B3:F or B3, got '${text.slice(0, 40)}'`);
  return range;
}
