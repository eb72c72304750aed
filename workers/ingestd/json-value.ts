/**
 * One JSON text (RFC 8259), strictly, into its parts. Unlike JSON.parse it keeps numbers as they are written and
 * refuses what would lose data without a word: a key that occurs twice, half a surrogate pair, a NUL.
 */

export type JsonKind = "null" | "boolean" | "int" | "number" | "string" | "object" | "array";

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

const space = /[ \t\r\n]*/y;
const stringText = /"(?:[^"\\\p{Cc}]|[\x7f-\x9f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/uy;
const numberText = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?/y;
const wordText = /true|false|null/y;

interface Cursor {
  text: string;
  at: number;
}

/** Throws JsonError. */
export function parseJson(text: string): JsonValue {
  const cursor = { text, at: 0 };
  const value = parseValue(cursor, 0);
  if (cursor.at < text.length) throw unexpected(cursor, "the end of the line");
  return value;
}

const unexpected = ({ text, at }: Cursor, expected: string): JsonError => {
  const found = at >= text.length ? "the line ends" : `found ${JSON.stringify(text.slice(at, at + 12))}`;
  return new JsonError(`not valid JSON at character ${at + 1}: expected ${expected}, ${found}`);
};

function skipSpace(cursor: Cursor): void {
  space.lastIndex = cursor.at;
  space.test(cursor.text);
  cursor.at = space.lastIndex;
}

function match(cursor: Cursor, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.text);
  if (found) cursor.at += found[0].length;
  return found;
}

function parseValue(cursor: Cursor, depth: number): JsonValue {
  if (depth > depthMax) throw new JsonError(`nested deeper than ${depthMax} levels`);
  skipSpace(cursor);
  const value = parseBare(cursor, depth);
  skipSpace(cursor);
  return value;
}

function parseBare(cursor: Cursor, depth: number): JsonValue {
  const first = cursor.text[cursor.at];
  if (first === '"') return parseString(cursor);
  if (first === "{") return parseObject(cursor, depth);
  if (first === "[") return parseArray(cursor, depth);
  const number = match(cursor, numberText);
  if (number) return { kind: number[1] || number[2] ? "number" : "int", text: number[0] };
  const word = match(cursor, wordText);
  if (!word) throw unexpected(cursor, "a value");
  return { kind: word[0] === "null" ? "null" : "boolean", text: word[0] };
}

function parseString(cursor: Cursor): JsonValue {
  const found = match(cursor, stringText);
  if (!found) throw unexpected(cursor, "a string that is closed, without bare control characters");
  const text = found[0];
  if (text.includes("\\u")) checkCharacters(text, cursor);
  return { kind: "string", text };
}

function checkCharacters(text: string, cursor: Cursor): void {
  const plain = plainText(text);
  if (plain.includes("\0")) throw unexpected(cursor, "a string without \\u0000");
  if (!plain.isWellFormed()) throw unexpected(cursor, "a string without half a surrogate pair");
}

/** The characters that a JSON string stands for. */
export const plainText = (text: string): string =>
  text.includes("\\") ? (JSON.parse(text) as string) : text.slice(1, -1);

function parseObject(cursor: Cursor, depth: number): JsonValue {
  const start = cursor.at;
  const fields = new Map<string, JsonValue>();
  cursor.at += 1;
  skipSpace(cursor);
  for (let more = cursor.text[cursor.at] !== "}"; more; more = cursor.text[cursor.at] === ",") {
    if (fields.size > 0) cursor.at += 1;
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== '"') throw unexpected(cursor, "a key in quotes");
    const key = plainText(parseString(cursor).text);
    if (fields.has(key)) throw new JsonError(`the key ${JSON.stringify(key)} occurs twice in one object`);
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== ":") throw unexpected(cursor, "':'");
    cursor.at += 1;
    fields.set(key, parseValue(cursor, depth + 1));
  }
  if (cursor.text[cursor.at] !== "}") throw unexpected(cursor, "',' or '}'");
  cursor.at += 1;
  return { kind: "object", text: cursor.text.slice(start, cursor.at), fields };
}

function parseArray(cursor: Cursor, depth: number): JsonValue {
  const start = cursor.at;
  const items: JsonValue[] = [];
  cursor.at += 1;
  skipSpace(cursor);
  for (let more = cursor.text[cursor.at] !== "]"; more; more = cursor.text[cursor.at] === ",") {
    if (items.length > 0) cursor.at += 1;
    items.push(parseValue(cursor, depth + 1));
  }
  if (cursor.text[cursor.at] !== "]") throw unexpected(cursor, "',' or ']'");
  cursor.at += 1;
  return { kind: "array", text: cursor.text.slice(start, cursor.at), items };
}
