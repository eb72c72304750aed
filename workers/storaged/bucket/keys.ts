/** What an object key may be, how keys are ordered, and the address `bucket://key`. */
import { fail } from "../../../runtime/errors/errors.ts";

/** As S3: longest key in bytes of UTF-8. */
const keyBytesMax = 1024;
/** Keys under this prefix hold storaged's own files and probes. */
export const reservedPrefix = ".lakehouse/";

const shown = (text: string): string => JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
const refuse = (key: string, expected: string) =>
  fail("invalid_key", `key ${shown(key)}: ${expected}`, { details: { key: key.slice(0, 200) } });

/**
 * Returns the key, or throws `invalid_key` saying which rule it breaks: 1-1024 bytes of UTF-8, segments separated
 * by `/`, none of them empty, `.` or `..`, no control characters, not under `.lakehouse/`.
 */
export function checkKey(key: string): string {
  if (key === "") throw refuse(key, "expected 1 to 1024 bytes, got none");
  checkText(key);
  if (key.startsWith("/")) throw refuse(key, "expected no leading '/'");
  const segments = key.split("/");
  if (segments.includes("")) throw refuse(key, "expected no empty segment ('//' or a trailing '/')");
  checkDots(key, segments);
  return key;
}

/** As `checkKey` for the beginning of a key: it may be empty or end in `/` or in the middle of a segment. */
export function checkPrefix(prefix: string): string {
  checkText(prefix);
  if (prefix.startsWith("/") || prefix.includes("//")) {
    throw refuse(prefix, "no key begins like this: keys have no leading '/' and no empty segment");
  }
  checkDots(prefix, prefix.split("/").slice(0, -1));
  return prefix;
}

function checkText(key: string): void {
  if (!key.isWellFormed())
    throw refuse(key.toWellFormed(), "expected valid Unicode, got half a surrogate pair");
  const bytes = Buffer.byteLength(key);
  if (bytes > keyBytesMax) throw refuse(key, `expected at most ${keyBytesMax} bytes of UTF-8, got ${bytes}`);
  if (/\p{Cc}/u.test(key)) throw refuse(key, "expected no NUL and no control characters");
}

function checkDots(key: string, segments: readonly string[]): void {
  if (segments.includes("..") || segments.includes(".")) throw refuse(key, "expected no '.' or '..' segment");
  if (`${segments[0]}/` === reservedPrefix)
    throw refuse(key, `'${reservedPrefix}' is reserved for the store itself`);
}

const addressForm = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63}):\/\/(.*)$/s;

/**
 * Splits `name://key`; a plain key is one in the bucket given beside it, or in `primary`. Two different buckets
 * are an `invalid_key`. The form cannot be a key itself: it has an empty segment.
 */
export function parseAddress(text: string, bucket?: string): { bucket: string; key: string } {
  const [, named, key] = addressForm.exec(text) ?? [];
  if (named === undefined || key === undefined) return { bucket: bucket ?? "primary", key: checkKey(text) };
  if (bucket !== undefined && bucket !== named) {
    throw refuse(text, `the address names bucket '${named}' and the request names '${bucket}'; give one`);
  }
  return { bucket: named, key: checkKey(key) };
}

/** Maps a UTF-16 unit to its order in UTF-8, where surrogates sort after the rest of the basic plane. */
const rank = (unit: number): number => (unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000);

/** The order of keys everywhere: by their UTF-8 bytes, as S3 lists them. */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let at = 0; at < shorter; at++) {
    const left = a.charCodeAt(at);
    const right = b.charCodeAt(at);
    if (left !== right) return rank(left) - rank(right);
  }
  return a.length - b.length;
}
