/**
 * Paths that are not the same for everybody. A URL parser takes `a/../b`, `a/%2e%2e/b` and `a\\..\\b` for `b`, proxies
 * fold `a//b`: one of them would act on another name than its sender or the next one on the way has read.
 */

import { fail } from "../errors/errors.ts";

/** Where `bucket://key` may have its empty segment: in `/storage/get/…`, and in `/v1/storage/get/…`. */
const addressGaps = [4, 5];

/** Nothing of what could be read in two ways: most paths, at the cost of one look. */
const plain = /^(?:\/[^./%\\#\uFFFD][^/\\#\uFFFD]*)*$/;

/** Whether the path of a URL, which has passed no URL parser, is read alike everywhere. */
export function isAsSent(url: string): boolean {
  const end = url.indexOf("?");
  const path = url.slice(url.indexOf("/", "https://".length), end < 0 ? undefined : end);
  if (plain.test(path) || path === "/") return true;
  // Bun gives what is not UTF-8 as U+FFFD: nobody knows what was sent.
  if (/[\\#\uFFFD]/.test(path)) return false;
  const segments = path.split("/");
  const isAddress = (at: number) => addressGaps.includes(at) && segments[at - 1]?.endsWith(":") === true;
  return segments.every(
    (segment, at) => at === 0 || (segment === "" ? isAddress(at) : !/^(?:\.|%2e){1,2}$/i.test(segment)),
  );
}

/** The answer where it is not: 400 where it would be acted on, else 404. */
export function refuseChanged(isServed: boolean): never {
  throw fail(
    isServed ? "bad_request" : "not_found",
    "the path has an empty segment, '.', '..', a backslash, '#' or bytes that are not UTF-8: URLs are read without them. Give such a name in the query, where the endpoint takes it there",
  );
}
