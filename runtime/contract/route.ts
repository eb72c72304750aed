/** Paths of contracts: `:name` takes one segment, a trailing `*` the rest as the parameter `key`. */
import { fail } from "../errors/errors.ts";

/** A request as handlers have it: that of a socket, or one made in this process. */
export type HttpRequest = Pick<Request, "method" | "url" | "headers" | "signal" | "body" | "bytes">;

/** The path of a request's URL, still percent-encoded. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.search(/[?#]/);
  return start < 0 ? "/" : url.slice(start, end < 0 ? undefined : end);
}

/** The query of a request's URL. */
export const searchOf = (url: string): URLSearchParams => {
  const at = url.indexOf("?");
  return new URLSearchParams(at < 0 ? "" : url.slice(at + 1));
};

/** Patterns are few, and compared with every request: they are taken apart once. */
const taken = new Map<string, readonly string[]>();

function partsOf(pattern: string): readonly string[] {
  const known = taken.get(pattern);
  if (known) return known;
  const parts = pattern.split("/");
  taken.set(pattern, parts);
  return parts;
}

/** Whether a path, in its parts between slashes, fits the pattern; its encoding may still be malformed. */
export function isMatch(pattern: string, given: readonly string[]): boolean {
  const wanted = partsOf(pattern);
  const open = wanted.at(-1) === "*";
  if (open ? given.length < wanted.length : given.length !== wanted.length) return false;
  return wanted.every(
    (part, at) => part === given[at] || part.startsWith(":") || (open && at === wanted.length - 1),
  );
}

/** Decoded parameters of a path that matches the pattern, or undefined when it does not. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  const given = path.split("/");
  if (!isMatch(pattern, given)) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of partsOf(pattern).entries()) {
    if (part === "*") params.key = decode(given.slice(at).join("/"));
    else if (part.startsWith(":")) params[part.slice(1)] = decode(given[at] ?? "");
  }
  return params;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw fail("bad_request", `the path is not valid percent-encoded UTF-8: ${text.slice(0, 100)}`, {
      cause,
    });
  }
}
