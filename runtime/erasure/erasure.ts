/**
 * What a service is asked to forget of a person, how it is found, and how it is answered. A subject is a text as it was
 * given: an id, an address, a name.
 */
import {
  type Cell,
  type ErasureReport,
  type Subject,
  subjectCharactersMin,
  type Whom,
} from "../contract/contract.ts";
import { invalidField } from "../errors/errors.ts";

export { cellSql, isBoundOf, isCell, isNamed } from "./cells.ts";

/** How a subject is found, by any of its names. Throws `invalid_field` for one that has no letter or digit. */
export function subjectOf(subject: Whom, also: readonly Whom[] = []): Subject {
  const all = [subject, ...also];
  const cells = all.filter((each) => typeof each !== "string").map(checkedCell);
  const names = all.filter((each) => typeof each === "string").map(wordsOf);
  if (names.length === 0)
    return { cells, ...{ isIn: () => false, isMentioned: () => false, isInBytes: async () => false } };
  const pattern = patternOf(names);
  return { pattern, cells, ...matcherOf(pattern), isInBytes: byteSearch(names) };
}

function patternOf(names: readonly (readonly string[])[]): string {
  const any = names.map((words) => words.map(escapedOf).join("\\s+")).join("|");
  return `(^|[^\\p{L}\\p{N}])(${any})($|[^\\p{L}\\p{N}])`;
}

/** How the value of a cell is found in texts that have no cells, as whole words. */
export const wordsPattern = ({ equals }: Cell): string =>
  patternOf([String(equals).normalize("NFC").trim().split(/\s+/u)]);

function checkedCell(cell: Cell): Cell {
  const { column, equals } = cell;
  checkText(column, "column");
  if (typeof equals === "string") checkText(equals, "equals");
  if (typeof equals !== "number" || Number.isSafeInteger(equals) || Math.abs(equals) < 2 ** 53) return cell;
  throw invalidField(
    "equals",
    `a number as large as ${equals} is not exact in JSON: expected its digits as text`,
  );
}

/** No statement takes such a text: a service would be asked again for ever. */
function checkText(text: string, field: string): void {
  if (!text.isWellFormed() || text.includes("\0"))
    throw invalidField(field, "expected Unicode text without NUL and without half surrogate pairs");
}

function wordsOf(text: string): string[] {
  const words = text.normalize("NFC").trim().split(/\s+/u);
  checkText(text, "subject");
  if (!/[\p{L}\p{N}]/u.test(text))
    throw invalidField("subject", "expected at least one letter or digit: an id, an address or a name");
  if (words.join(" ").length < subjectCharactersMin)
    throw invalidField("subject", `expected at least ${subjectCharactersMin} characters beside spaces`);
  return words;
}

/** What finds a subject in texts and values, by its pattern alone: for another thread. */
export function matcherOf(pattern: string): Pick<Subject, "isIn" | "isMentioned"> {
  const expression = new RegExp(pattern, "iu");
  const isIn = (candidate: string) => expression.test(candidate.normalize("NFC"));
  const isMentioned = (value: unknown): boolean => {
    if (typeof value === "string") return isIn(value);
    if (typeof value === "number" || typeof value === "bigint") return isIn(String(value));
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return false;
    if (Array.isArray(value)) return value.some(isMentioned);
    return Object.entries(value).some(([name, field]) => isIn(name) || isMentioned(field));
  };
  return { isIn, isMentioned };
}

const escapedOf = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");

/** Bytes as characters of Latin-1, one each, are searched as fast as any text. */
function byteSearch(names: readonly (readonly string[])[]): Subject["isInBytes"] {
  const latin = (word: string) => escapedOf(Buffer.from(word).toString("latin1"));
  const expression = new RegExp(names.map((words) => words.map(latin).join("\\s+")).join("|"), "i");
  const overlap = 2 * Math.max(...names.map((words) => Buffer.byteLength(words.join(" "))));
  return async (chunks) => {
    let rest = "";
    for await (const chunk of chunks) {
      const text = rest + Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString("latin1");
      if (expression.test(text)) return true;
      rest = text.slice(-overlap);
    }
    return false;
  };
}

/** Throws `invalid_field` for reasons that would keep the subject. */
export function checkReasons({ who, why }: { who: string; why: string }, subject: Subject | undefined): void {
  for (const [field, text] of Object.entries({ who, why })) {
    if (text.trim() === "") throw invalidField(field, "expected words");
    if (subject?.isIn(text) || subject?.cells.some(({ equals }) => isNamedIn(text, String(equals))))
      throw invalidField(field, "it names the subject, and it is kept: say it without, as by a case number");
  }
}

/** A value of few characters may stand in any text. */
const isNamedIn = (text: string, value: string): boolean =>
  value.trim().length >= subjectCharactersMin && /[\p{L}\p{N}]/u.test(value) && subjectOf(value).isIn(text);

/** Reports together, without what is about nothing. */
export function reportOf(...reports: readonly ErasureReport[]): ErasureReport {
  return {
    removed: reports.flatMap(({ removed }) => removed.filter(({ count }) => count > 0)),
    left: reports.flatMap(({ left }) => left),
  };
}

/** A report of one place; of nothing where nothing was removed, so that whoever looks whether it says anything is right. */
export const removedAt = (place: string, what: string, count: number, names?: string[]): ErasureReport => ({
  removed: count === 0 ? [] : [{ place, what, count, ...(names && names.length > 0 && { names }) }],
  left: [],
});
