/** Pages: bounded in number and in bytes, with a token that says where the next one begins, of which search and time. */
import { invalidField } from "../../../runtime/errors/errors.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import type { Head } from "../traces/traces.ts";

/** About the largest answer, in bytes of JSON; one item goes out whatever its size. */
const pageBytesMax = 8 * 1024 * 1024;

/** The items after the first `skip` that fit; `more` says whether any follow. */
export function takePage<T>(
  items: Iterable<T>,
  { skip, size, bytesOf }: { skip: number; size: number; bytesOf: (item: T) => number },
): { page: T[]; more: boolean } {
  const page: T[] = [];
  let passed = 0;
  let bytes = 0;
  for (const item of items) {
    if (passed++ < skip) continue;
    bytes += bytesOf(item);
    if (page.length === size || (page.length > 0 && bytes > pageBytesMax)) return { page, more: true };
    page.push(item);
  }
  return { page, more: false };
}

/** About the JSON of the trace, in bytes. */
export const bytesOf = ({ content, tags, embedding = [] }: Head): number =>
  JSON.stringify(content).length + tags.join().length + embedding.length * 20 + 300;

export interface Place {
  /** Microseconds: the state that all pages are of. */
  at: number;
  /** Results before the page. */
  skip: number;
  /** Microseconds: the time that all pages are true at. */
  valid?: number;
}

const fingerprint = (conditions: unknown): string => Bun.hash(JSON.stringify(conditions)).toString(36);

export const writeToken = ({ at, skip, valid }: Place, conditions: unknown): string =>
  pageToken(`${fingerprint(conditions)}.${at}.${skip}${valid === undefined ? "" : `.${valid}`}`);

/** Throws `invalid_field` for what is no token, or is one of other conditions. */
export function readToken(token: string, conditions: unknown): Place {
  const form = /^([0-9a-z]{1,20})\.(-?\d{1,16})\.(\d{1,12})(?:\.(-?\d{1,17}))?$/;
  const [print, at, skip, valid] = readPageToken(token, form);
  if (print !== fingerprint(conditions))
    throw invalidField("page_token", "it belongs to a request with other conditions");
  return { at: Number(at), skip: Number(skip), ...(valid !== undefined && { valid: Number(valid) }) };
}
