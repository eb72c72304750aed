/** Content of traces: its checks, its equality, and the text to search in it. */
import { isDeepStrictEqual } from "node:util";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { type Facts, factsOf } from "./facts.ts";
import { normOf } from "./head.ts";

/** Deeper JSON is refused: code that reads it by recursion must not run out of stack. */
const depthMax = 64;

export interface Contents extends Facts {
  content: unknown;
  tags: readonly string[];
  embedding?: readonly number[];
}

/** Size of the content as JSON, in bytes. Throws `invalid_field` for what JSON cannot hold, `too_large` beyond `bytesMax`. */
export function checkContent(content: unknown, bytesMax: number): number {
  if (content === null) throw invalidField("content", "expected any JSON but null");
  checkJson(content, "content", 0);
  const bytes = Buffer.byteLength(JSON.stringify(content));
  if (bytes > bytesMax)
    throw fail(
      "too_large",
      `content: ${bytes} bytes of JSON, at most pathwayd.max_content_bytes (${bytesMax}); store it as an object and keep its key here`,
    );
  return bytes;
}

function checkJson(value: unknown, path: string, depth: number): void {
  if (depth > depthMax) throw invalidField("content", `nested more than ${depthMax} levels deep`);
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw invalidField(shorten(path), "a number too large for a double");
    return;
  }
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) checkJson(item, `${path}.${at}`, depth + 1);
    return;
  }
  const prototype = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype && prototype !== null)
    throw invalidField(
      shorten(path),
      `expected JSON, got ${typeof value === "object" ? "another object" : typeof value}`,
    );
  for (const [name, field] of Object.entries(value as object)) checkJson(field, `${path}.${name}`, depth + 1);
}

const shorten = (path: string): string => (path.length > 200 ? `${path.slice(0, 200)}…` : path);

/** Text with half a surrogate pair cannot be written as UTF-8. */
export function checkTexts(field: string, texts: readonly string[]): void {
  const broken = texts.find((text) => !text.isWellFormed());
  if (broken !== undefined)
    throw invalidField(field, `not valid Unicode: ${JSON.stringify(broken).slice(0, 80)}`);
}

/** A vector without a direction has no cosine. */
export function checkVector(field: string, vector: readonly number[]): void {
  const norm = normOf(vector);
  if (norm === 0) throw invalidField(field, "all zero: it has no direction to compare");
  if (!Number.isFinite(norm)) throw invalidField(field, "numbers too large: its length is no double");
}

const sorted = (tags: readonly string[]): string[] => [...tags].sort();

/** Equal as JSON, whatever the order of fields. */
export const isSameContent = (a: unknown, b: unknown): boolean => isDeepStrictEqual(a, b);

export const isSame = (a: Contents, b: Contents): boolean =>
  isSameContent(a.content, b.content) &&
  isSameContent(sorted(a.tags), sorted(b.tags)) &&
  isSameContent(factsOf(a), factsOf(b));

/** A hash of content and tags for lookups; equal hashes are compared in full. */
export const digestOf = ({ content, tags }: Contents): number =>
  Number(Bun.hash.xxHash64(JSON.stringify([canonical(content), sorted(tags)])) & 0x1f_ffff_ffff_ffffn);

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== "object" || value === null) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [name, canonical(field)]);
}

/** The strings and numbers in the content, for searching. */
export function textOf(content: unknown): string {
  const parts: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === "string") parts.push(value);
    else if (typeof value === "number") parts.push(String(value));
    else if (typeof value === "object" && value !== null)
      for (const field of Object.values(value)) collect(field);
  };
  collect(content);
  return parts.join("\n");
}
