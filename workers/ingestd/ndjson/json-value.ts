/**
 * One JSON text (RFC 8259), strictly, into its parts. Unlike JSON.parse it keeps numbers as they are written and
 * refuses what would lose data without a word: a key that occurs twice, half a surrogate pair, a NUL.
 */

import { inOneGo } from "../../../runtime/scheduling/scheduling.ts";

type JsonKind = "null" | "boolean" | "int" | "number" | "string" | "object" | "array";

export interface JsonValue {
  kind: JsonKind;
  /** As it is written. */
  text: string;
  fields?: Map<string, JsonValue>;
  items?: JsonValue[];
}

/** Says what is wrong and at which character, counted from 1. */
export class JsonError extends Error {
  override name = "JsonError";
}

/** Deeper nesting than any table has. */
const depthMax = 100;
/** About the characters that are read between two pauses. */
export const pauseEvery = 16_384;

const numberText = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const wordText = /true|false|null/y;
// JSON knows no others that have to be escaped (RFC 8259, section 7).
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for.
const bareControl = /[\0-\x1f]/;

interface Cursor {
  text: string;
  at: number;
}

/** An object or array that is not closed yet. */
interface Open {
  start: number;
  fields?: Map<string, JsonValue>;
  items?: JsonValue[];
  /** Of the field whose value comes next. */
  key: string;
}

/** Throws JsonError. */
export const parseJson = (text: string): JsonValue => inOneGo(readJson(text));

/** The same as a generator that yields its steps, about one a character, so that a long text is read in slices. */
export function* readJson(text: string): Generator<number, JsonValue> {
  const cursor = { text, at: 0 };
  const open: Open[] = [];
  let paused = 0;
  for (;;) {
    let value = begin(cursor, open);
    while (value !== undefined) {
      skipSpace(cursor);
      const around = open.at(-1);
      if (around === undefined && cursor.at < text.length) throw unexpected(cursor, "the end of the line");
      if (around === undefined) return value;
      around.fields?.set(around.key, value);
      around.items?.push(value);
      value = goOn(cursor, open, around);
    }
    if (cursor.at - paused < pauseEvery) continue;
    yield cursor.at - paused;
    paused = cursor.at;
  }
}

const unexpected = ({ text, at }: Cursor, expected: string): JsonError => {
  const found = at >= text.length ? "the line ends" : `found ${JSON.stringify(text.slice(at, at + 12))}`;
  return new JsonError(`not valid JSON at character ${at + 1}: expected ${expected}, ${found}`);
};

function skipSpace(cursor: Cursor): void {
  const { text } = cursor;
  for (;;) {
    const code = text.charCodeAt(cursor.at);
    if (code !== 0x20 && code !== 0x09 && code !== 0x0a && code !== 0x0d) return;
    cursor.at += 1;
  }
}

function match(cursor: Cursor, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text);
  if (found) cursor.at += found[0].length;
  return found;
}

/** A value, or undefined behind the opening of an object or array that has something in it. */
function begin(cursor: Cursor, open: Open[]): JsonValue | undefined {
  if (open.length > depthMax) throw new JsonError(`nested deeper than ${depthMax} levels`);
  skipSpace(cursor);
  const first = cursor.text[cursor.at];
  if (first === '"') return parseString(cursor);
  if (first === "{") return enter(cursor, open, { start: cursor.at, fields: new Map(), key: "" });
  if (first === "[") return enter(cursor, open, { start: cursor.at, items: [], key: "" });
  const number = match(cursor, numberText);
  if (number) return { kind: number[1] || number[2] ? "number" : "int", text: number[0] };
  const word = match(cursor, wordText);
  if (!word) throw unexpected(cursor, "a value");
  return { kind: word[0] === "null" ? "null" : "boolean", text: word[0] };
}

const closingOf = ({ fields }: Open): string => (fields === undefined ? "]" : "}");

function enter(cursor: Cursor, open: Open[], entered: Open): JsonValue | undefined {
  cursor.at += 1;
  skipSpace(cursor);
  if (cursor.text[cursor.at] === closingOf(entered)) return close(cursor, entered);
  if (entered.fields) entered.key = parseKey(cursor, entered.fields);
  open.push(entered);
  return undefined;
}

/** Behind a value: what it closes, or undefined where another one follows. */
function goOn(cursor: Cursor, open: Open[], around: Open): JsonValue | undefined {
  const closing = closingOf(around);
  const found = cursor.text[cursor.at];
  if (found === closing) {
    open.pop();
    return close(cursor, around);
  }
  if (found !== ",") throw unexpected(cursor, `',' or '${closing}'`);
  cursor.at += 1;
  if (around.fields) {
    skipSpace(cursor);
    around.key = parseKey(cursor, around.fields);
  }
  return undefined;
}

function close(cursor: Cursor, { start, fields, items }: Open): JsonValue {
  cursor.at += 1;
  const text = cursor.text.slice(start, cursor.at);
  return fields ? { kind: "object", text, fields } : { kind: "array", text, items: items ?? [] };
}

function parseKey(cursor: Cursor, fields: ReadonlyMap<string, JsonValue>): string {
  if (cursor.text[cursor.at] !== '"') throw unexpected(cursor, "a key in quotes");
  const key = plainText(parseString(cursor).text);
  if (fields.has(key)) throw new JsonError(`the key ${JSON.stringify(key)} occurs twice in one object`);
  skipSpace(cursor);
  if (cursor.text[cursor.at] !== ":") throw unexpected(cursor, "':'");
  cursor.at += 1;
  return key;
}

function parseString(cursor: Cursor): JsonValue {
  const { text, at } = cursor;
  const end = closingQuote(text, at + 1);
  const string = text.slice(at, end + 1);
  const wrong = () => unexpected(cursor, "a string that is closed, without bare control characters");
  if (end < 0 || bareControl.test(string)) throw wrong();
  if (string.includes("\\")) checkEscapes(string, cursor, wrong);
  cursor.at = end + 1;
  return { kind: "string", text: string };
}

/** The first quote that no backslash escapes, or -1: one behind an odd number of them is escaped. */
function closingQuote(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end >= 0; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return -1;
}

function checkEscapes(string: string, cursor: Cursor, wrong: () => JsonError): void {
  let plain: string;
  try {
    plain = plainText(string);
  } catch {
    throw wrong();
  }
  if (plain.includes("\0")) throw unexpected(cursor, "a string without \\u0000");
  if (string.includes("\\u") && !plain.isWellFormed())
    throw unexpected(cursor, "a string without half a surrogate pair");
}

/** The characters that a JSON string stands for. */
export const plainText = (text: string): string =>
  text.includes("\\") ? (JSON.parse(text) as string) : text.slice(1, -1);
