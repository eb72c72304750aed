/**
 * A request's path as it was sent. Bun gives `Request.url` after a URL parser, which takes `a/../b`, `a/%2e%2e/b` and
 * `a\\..\\b` for `b`: a request would act on another name than it says. The segments that were sent are what its router
 * gives as parameters, so that the paths of all lengths are its routes, and each is compared with the URL.
 */

import { pathOf } from "../contract/contract.ts";
import { fail } from "../errors/errors.ts";

/** Bun's router (uWebSockets) takes at most 99 segments apart. */
const segmentsMax = 96;

interface Routed extends Request {
  params: Record<string, string>;
}

type Answer<S> = (request: Request, segments: string[], server: S) => Response | Promise<Response>;

/** Where `bucket://key` may have its empty segment: in `/storage/get/…`, and in `/v1/storage/get/…`. */
const addressGaps = [3, 4];

/**
 * Routes for Bun: one for each number of segments, and the same with the empty segment of an address, `bucket://key`.
 * Paths with another empty segment, or too many, match none.
 */
export function routesOfPaths<S>(
  answer: Answer<S>,
): Record<string, (request: Routed, server: S) => Response | Promise<Response>> {
  const names = Array.from({ length: segmentsMax }, (_, at) => `s${at}`);
  const routeOf = (own: readonly string[]) => {
    const handler = (request: Routed, server: S) =>
      answer(
        request,
        own.map((name) => request.params[name] ?? ""),
        server,
      );
    return [own.map((name) => (name === "" ? "/" : `/:${name}`)).join(""), handler] as const;
  };
  const routes = names.flatMap((_, last) => {
    const own = names.slice(0, last + 1);
    const addresses = addressGaps.filter((gap) => gap <= last).map((gap) => own.toSpliced(gap, 1, ""));
    return [own, ...addresses].map(routeOf);
  });
  return Object.fromEntries(routes);
}

/** Whether the URL's path has the segments that were sent, which come percent-decoded. */
export function isAsSent(url: string, segments: readonly string[]): boolean {
  const parts = pathOf(url).split("/").slice(1);
  const isAddress = (at: number) => parts[at - 1]?.endsWith(":") === true;
  return (
    parts.length === segments.length &&
    parts.every((part, at) => (part !== "" || isAddress(at)) && isSame(part, segments[at] ?? ""))
  );
}

/** What cannot be decoded is refused where the parameter is read, with a better message. */
function isSame(part: string, segment: string): boolean {
  if (part === segment) return true;
  try {
    return decodeURIComponent(part) === segment;
  } catch {
    return true;
  }
}

/** The answer where it has not, or where that is unknown: 400 where the changed path would be acted on, else 404. */
export function refuseChanged(isServed: boolean): never {
  throw fail(
    isServed ? "bad_request" : "not_found",
    `the path has an empty segment, '.', '..', a backslash, or more than ${segmentsMax} segments: URLs are read without them. Give such a name in the query, where the endpoint takes it there`,
  );
}
