/** Paths of contracts: `:name` takes one segment, a trailing `*` the rest as the parameter `key`. */
import { fail } from "./errors.ts";

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

/** Decoded parameters of a path that matches the pattern, or undefined when it does not. */
export function matchPath(pattern: string, path: string): Record<string, string> | undefined {
  if (!/[:*]/.test(pattern)) return pattern === path ? {} : undefined;
  const wanted = pattern.split("/");
  const given = path.split("/");
  const open = wanted.at(-1) === "*";
  if (open ? given.length < wanted.length : given.length !== wanted.length) return undefined;
  const params: Record<string, string> = {};
  for (const [at, part] of wanted.entries()) {
    if (open && at === wanted.length - 1) params.key = decode(given.slice(at).join("/"));
    else if (part.startsWith(":")) params[part.slice(1)] = decode(given[at] ?? "");
    else if (part !== given[at]) return undefined;
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
