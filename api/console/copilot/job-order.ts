/** A job order in words, read by templates: what it asks of a candidate, by the columns that could say so. */

import { copilot as words } from "../texts/texts.ts";

export interface Known {
  name: string;
  type: string;
  /** Values that rows have, each with its parts where it is a list in a text; none where the column is no text. */
  values: readonly string[];
}

export type Requirement =
  | { kind: "value"; column: string; value: string }
  | { kind: "most"; column: string; limit: number }
  | { kind: "least"; column: string; limit: number }
  | { kind: "until"; column: string; date: string }
  | { kind: "near"; column: string; value: string; km: number };

/** How many are wanted, and what is asked of each. */
export interface JobOrder {
  wanted: number | undefined;
  requirements: Requirement[];
}

const numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const isNumber = (type: string): boolean => /INT|DECIMAL|DOUBLE|FLOAT/.test(type);
const kmOfMile = 1.609;
/** Shorter values stand in too many words. */
const valueMin = 2;

/** The parts of a list that is kept as text: `forklift, pallet jack`. */
export const partsOf = (value: string): string[] =>
  value
    .split(/[,;|]/)
    .map((part) => part.trim())
    .filter((part) => part.length >= valueMin);

/** Whether the words stand in the text as words; an order often has the plural of what a row says. */
export function says(text: string, words: string): boolean {
  const escaped = words.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`(?<![\\p{L}\\p{N}])${escaped}(?:e?s)?(?![\\p{L}\\p{N}])`, "iu").test(text);
}

export function readOrder(text: string, columns: readonly Known[]): JobOrder {
  const column = (pattern: RegExp, isType: (type: string) => boolean) =>
    columns.find(({ name, type }) => pattern.test(name) && isType(type))?.name;
  const requirements: Requirement[] = [];
  const pay = column(/rate|pay|wage|salary|cost/i, isNumber);
  const most =
    /(?:under|below|at most|up to|no more than|maximum|max\.?)\s*(?:of\s*)?[$€£]?\s*(\d+(?:\.\d+)?)(?!\s*(?:years|km|mi))/i.exec(
      text,
    );
  if (pay && most) requirements.push({ kind: "most", column: pay, limit: Number(most[1]) });
  const years = column(/year|experience|seniority/i, isNumber);
  const least = /(\d+)\s*\+?\s*(?:or more\s*)?years?/i.exec(text);
  if (years && least) requirements.push({ kind: "least", column: years, limit: Number(least[1]) });
  const free = column(/avail|start|free/i, (type) => /^(DATE|TIMESTAMP)/.test(type));
  const date = /\b\d{4}-\d{2}-\d{2}\b/.exec(text)?.[0];
  if (free && date) requirements.push({ kind: "until", column: free, date });
  const within = /within\s+(\d+)\s*(km|kilomet|mi)/i.exec(text);
  const km = within && Number(within[1]) * (within[2] === "mi" ? kmOfMile : 1);
  for (const { column, value } of wordsFound(text, columns))
    requirements.push(
      km && /city|town|location|place|site/i.test(column)
        ? { kind: "near", column, value, km: Math.round(km) }
        : { kind: "value", column, value },
    );
  return { wanted: wantedIn(text), requirements };
}

/** Values that the text names; the longest of those that say the same: `forklift operator`, and not `forklift` beside it. */
function wordsFound(text: string, columns: readonly Known[]): { column: string; value: string }[] {
  const found = columns.flatMap(({ name: column, values }) =>
    [...new Set(values.flatMap((value) => [value, ...partsOf(value)]))]
      .filter((value) => value.length >= valueMin && says(text, value))
      .map((value) => ({ column, value })),
  );
  const isWithin = (value: string, longer: string) => longer.length > value.length && says(longer, value);
  return found.filter(({ value }) => !found.some((other) => isWithin(value, other.value)));
}

function wantedIn(text: string): number | undefined {
  const [, digits, word = ""] = /^\D{0,20}?\b(?:(\d{1,3})|([a-z]+))\s+(?=\p{L})/iu.exec(text.trim()) ?? [];
  const number = digits === undefined ? numbers.indexOf(word.toLowerCase()) + 1 : Number(digits);
  const isOther = digits !== undefined && /^\D*\d+\s*\+?\s*(years?|km|mi|days?|hours?)/i.test(text.trim());
  return number > 0 && !isOther ? number : undefined;
}

/** A requirement in words. */
export function inWords(requirement: Requirement): string {
  const { kind, column } = requirement;
  if (kind === "value") return words.value(column, requirement.value);
  if (kind === "most") return words.most(column, requirement.limit);
  if (kind === "least") return words.least(column, requirement.limit);
  if (kind === "until") return words.until(column, requirement.date);
  return words.near(requirement.km, requirement.value);
}

/** Whether a row meets it; undefined where the row says nothing of it. `km`: how far it is from what was asked for. */
export function meets(
  requirement: Requirement,
  row: Readonly<Record<string, unknown>>,
  km: number | undefined,
): boolean | undefined {
  if (requirement.kind === "near") return km === undefined ? undefined : km <= requirement.km;
  const value = row[requirement.column];
  if (value === null || value === undefined || value === "") return undefined;
  if (requirement.kind === "value") return says(String(value), requirement.value);
  if (requirement.kind === "until") return String(value).slice(0, 10) <= requirement.date;
  return requirement.kind === "most"
    ? Number(value) <= requirement.limit
    : Number(value) >= requirement.limit;
}
