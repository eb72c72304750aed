/** Routes of Iceberg's REST catalog: a table of them, and what of a request they are given. */
import { type HttpRequest, pathOf, searchOf } from "../../../runtime/contract/contract.ts";
import { refusals } from "../iceberg/iceberg.ts";

/** What a route is given of a request. */
export interface Asked {
  request: HttpRequest;
  requestId: string;
  signal: AbortSignal;
  query: URLSearchParams;
  /** The levels of the namespace. */
  namespace: string[];
  table: string;
}

export interface Route {
  method: string;
  /** As the protocol writes it: `/v1/{prefix}/namespaces/{namespace}`. */
  path: string;
  answer: (asked: Asked) => Promise<Response> | Response;
}

/** The one warehouse, which stands in paths as their prefix. */
export const prefix = "main";
/** Where the protocol begins. */
export const root = "/iceberg";
/** Between the levels of a namespace. */
const levelSeparator = "\u001f";

/** Java encodes a space as `+`, Python as `%20`; both write a plus as `%2B`. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment.replaceAll("+", " "));
  } catch (cause) {
    if (!(cause instanceof URIError)) throw cause;
    throw refusals.badRequest(`The path is not valid percent-encoded UTF-8: ${segment.slice(0, 100)}`);
  }
}

export const levelsOf = (text: string): string[] => text.split(levelSeparator);

/** Makes the answer to a request of the protocol. */
export function createRouter(routes: readonly Route[]) {
  const table = routes.map((route) => ({ route, parts: partsOf(route.path) }));
  return async (
    request: HttpRequest,
    context: { requestId: string; signal: AbortSignal },
  ): Promise<Response> => {
    const path = pathOf(request.url);
    const segments = path.slice(root.length).split("/").filter(Boolean);
    const fitting = table.filter(({ parts }) => fits(parts, segments));
    const found = fitting.find(({ route }) => route.method === request.method);
    if (!found) throw refusals.notFound(noRoute(request.method, path, fitting));
    const named = Object.fromEntries(found.parts.map((part, at) => [part, decoded(segments[at] ?? "")]));
    if (named["{prefix}"] !== undefined && named["{prefix}"] !== prefix)
      throw refusals.notFound(`There is no prefix '${named["{prefix}"].slice(0, 100)}': expected ${prefix}`);
    return found.route.answer({
      request,
      ...context,
      query: searchOf(request.url),
      namespace: levelsOf(named["{namespace}"] ?? ""),
      table: named["{table}"] ?? "",
    });
  };
}

const partsOf = (path: string): string[] => path.split("/").filter(Boolean);
const fits = (parts: readonly string[], segments: readonly string[]): boolean =>
  parts.length === segments.length &&
  parts.every((part, at) => part.startsWith("{") || part === segments[at]);

function noRoute(method: string, path: string, fitting: readonly { route: Route }[]): string {
  const others = fitting.map(({ route }) => route.method).join(", ");
  return `No route for ${method} ${path.slice(0, 200)}${others === "" ? "" : `: expected ${others}`}`;
}
