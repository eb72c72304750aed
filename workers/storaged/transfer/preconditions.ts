/** Conditional headers of RFC 9110, sections 13 and 14: decided here, without any I/O. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Conditions } from "../bucket/bucket.ts";

/** An entity tag of a header; `weak` ones never match strongly. */
interface Tag {
  etag: string;
  weak: boolean;
}

/** Reads `*` or a list of entity tags. Unquoted tags are taken too: several S3 clients send them. */
function tagsOf(header: string, name: string): "*" | Tag[] {
  if (header.trim() === "*") return "*";
  const tags = header.split(",").map((part) => /^\s*(W\/)?(?:"([^"]*)"|([^\s",]+))\s*$/.exec(part));
  return tags.map((match) => {
    if (!match)
      throw fail(
        "bad_request",
        `${name}: expected "*" or entity tags in double quotes, got ${header.slice(0, 100)}`,
      );
    return { etag: match[2] ?? match[3] ?? "", weak: match[1] !== undefined };
  });
}

/**
 * What a write's headers ask for. `If-Match` takes "*" or one strong entity tag, `If-None-Match` only "*"; anything
 * else is a `bad_request`, so that no condition is ever ignored.
 */
export function writeConditions(headers: Headers): Conditions {
  const conditions: Conditions = {};
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    const tags = tagsOf(ifMatch, "If-Match");
    const [only, more] = tags === "*" ? [] : tags;
    if (tags !== "*" && (!only || more || only.weak)) {
      throw fail(
        "bad_request",
        `If-Match: expected "*" or one strong entity tag, got ${ifMatch.slice(0, 100)}`,
      );
    }
    conditions.ifMatch = only?.etag ?? "*";
  }
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    if (ifNoneMatch.trim() !== "*") {
      throw fail("bad_request", `If-None-Match: expected "*" on a write, got ${ifNoneMatch.slice(0, 100)}`);
    }
    conditions.ifNoneMatch = "*";
  }
  return conditions;
}

/** True when the headers ask for anything that depends on which object is there. */
export const isConditional = (headers: Headers): boolean =>
  headers.has("if-match") || headers.has("if-none-match") || headers.has("if-range");

/** Whether a reader gets the object (200 or 206), 304 or 412. */
type ReadVerdict = "send" | "not_modified" | "precondition_failed";

/** Decides for the object there is; `If-Match` goes first, as section 13.2.2 says. */
export function readVerdict(headers: Headers, etag: string): ReadVerdict {
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    const tags = tagsOf(ifMatch, "If-Match");
    if (tags !== "*" && !tags.some((tag) => !tag.weak && tag.etag === etag)) return "precondition_failed";
  }
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch === null) return "send";
  const tags = tagsOf(ifNoneMatch, "If-None-Match");
  return tags === "*" || tags.some((tag) => tag.etag === etag) ? "not_modified" : "send";
}

/** False when `If-Range` names another object than this: then the whole one is sent. Dates never match here. */
export function rangeApplies(headers: Headers, etag: string): boolean {
  const ifRange = headers.get("if-range");
  return ifRange === null || ifRange.trim() === `"${etag}"`;
}
