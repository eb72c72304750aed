/** Which handler answers a request: Elysia finds its path, and what it does not find gets an answer that says why. */

import { Elysia } from "elysia";
import { type ErrorForm, type HttpMethod, type HttpRequest, isMatch, pathOf } from "../contract/contract.ts";
import { fail } from "../errors/errors.ts";
import type { Excused, Guarded, Handler, Serve } from "./guard.ts";
import { isAsSent, refuseChanged } from "./path-as-sent.ts";
import type { SentRequest } from "./sent-request.ts";

interface Route {
  method: HttpMethod;
  pattern: string;
  serve: Serve;
  errors: ErrorForm | undefined;
}

export type RouteOptions = Excused & { errors?: ErrorForm | undefined };

export function createRoutes(guarded: Guarded) {
  const app = new Elysia();
  const routes: Route[] = [];
  // One Elysia route a path, for all methods: it answers HEAD by a GET route otherwise, and loses the Content-Length.
  const byPattern = new Map<string, Map<string, Serve>>();
  const names = new Map<string, string>();
  const add = (
    method: HttpMethod,
    pattern: string,
    handler: Handler,
    { errors, ...excused }: RouteOptions = {},
  ) => {
    const serve = guarded(pattern, handler, excused, errors);
    routes.push({ method, pattern, serve, errors });
    // As Elysia does it: a path that is written out goes before one with parameters.
    routes.sort((a, b) => parametersIn(a.pattern) - parametersIn(b.pattern));
    const methods = byPattern.get(pattern) ?? new Map<string, Serve>();
    methods.set(method, serve);
    if (byPattern.has(pattern)) return;
    checkNames(pattern, names);
    byPattern.set(pattern, methods);
    const answer = ({ request }: { request: SentRequest }) =>
      (methods.get(request.method) ?? serveOf(request))(request, request.from);
    app.all(pattern, answer as never, { parse: "none" } as never);
    const isFixed = !/[:*]/.test(pattern);
    if (isFixed) app.route("HEAD", pattern, answer as never, { parse: "none" } as never);
  };
  /** A wrong method of a known path is answered in the form of that path. */
  const formAt = ({ url }: HttpRequest) =>
    routes.find(({ pattern }) => isMatch(pattern, pathOf(url).split("/")))?.errors;
  /** Another method of this very path may belong to a pattern with parameters. */
  const serveOf = ({ method, url }: HttpRequest): Serve => {
    const parts = pathOf(url).split("/");
    return routes.find((route) => route.method === method && isMatch(route.pattern, parts))?.serve ?? lost;
  };
  const lost = guarded("unknown", ({ method, url }) => missing(routes, method, pathOf(url)), {}, formAt);
  const changed = guarded("unknown", (request) => refuseChanged(serveOf(request) !== lost), {});
  const elsewhere = ({ request }: { request: SentRequest }) => lost(request, request.from);
  app.all("*", elsewhere as never, { parse: "none" } as never);

  /** What is no request is refused whoever sent it. */
  const refused = (failure: unknown) =>
    guarded("unknown", () => Promise.reject(failure), { open: true, unlimited: true });
  const answer = (request: SentRequest): Promise<Response> => {
    if (!request.hasOneHost) return refused(wrongHost())(request, request.from);
    if (isAsSent(request.url)) return app.fetch(request as never) as Promise<Response>;
    return (serveOf(request) === lost ? lost : changed)(request, request.from);
  };
  const refuse = (failure: unknown): Promise<Response> =>
    refused(failure)(new Request("http://localhost/"), () => undefined);
  return { add, serveOf, answer, refuse };
}

const wrongHost = () => fail("bad_request", "expected one Host header, which HTTP/1.1 asks for");

/** Throws where a parameter has another name than in a route before it: Elysia finds that out at the first request. */
function checkNames(pattern: string, names: Map<string, string>): void {
  for (const { 0: parameter, 1: name = "", index } of pattern.matchAll(/:(\w+)/g)) {
    const before = pattern.slice(0, index).replace(/:\w+/g, ":");
    const known = names.get(before) ?? name;
    if (known !== name)
      throw new Error(`route '${pattern}': another route there says ':${known}' for '${parameter}'`);
    names.set(before, name);
  }
}

const parametersIn = (pattern: string): number => pattern.split(/[:*]/).length - 1;

function missing(routes: readonly Route[], method: string, path: string): never {
  const parts = path.split("/");
  const others = [
    ...new Set(routes.filter(({ pattern }) => isMatch(pattern, parts)).map((route) => route.method)),
  ];
  if (others.length > 0)
    throw fail("method_not_allowed", `${method} is not allowed here; expected ${others.join(" or ")}`, {
      headers: { allow: others.join(", ") },
    });
  throw fail("not_found", `there is nothing at ${path.slice(0, 200)}`);
}
