/** The HTTP face of a service: its contract's routes on Elysia, with health, metrics, errors, auth and limits. */
import { Elysia } from "elysia";
import type { Caller } from "../auth/auth.ts";
import { encodeAnswer, readJsonObject } from "../bodies/bodies.ts";
import {
  type Contract,
  check,
  type ErrorForm,
  fromQuery,
  type HttpMethod,
  inputSchema,
  isMatch,
  isSafe,
  matchPath,
  type Place,
  pathOf,
  placesOf,
  type Raw,
  type RawContext,
  searchOf,
  type Verb,
} from "../contract/contract.ts";
import { fail } from "../errors/errors.ts";
import type { Invoke } from "../rpc/rpc.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { measureThread } from "../telemetry/telemetry.ts";
import { createGuard, type Excused, type GuardDeps, type Handler } from "./guard.ts";
import { addHealth, type HealthDeps } from "./health.ts";
import { isAsSent, refuseChanged, routesOfPaths } from "./path-as-sent.ts";
import { callOf, rpcHandler } from "./rpc-handler.ts";
import { idleSeconds, silentFor, stopServing } from "./silence.ts";

export interface FaceDeps extends GuardDeps, HealthDeps {
  maxJsonBytes: number;
  /** Longest wait for a whole request head, and of a connection between requests; without it Bun's largest. */
  headTimeoutMs?: number;
}

export type RawHandler = (input: never, context: RawContext) => Promise<Response>;

interface Route {
  method: HttpMethod;
  pattern: string;
  serve: Serve;
  errors: ErrorForm | undefined;
}

export interface Face {
  /** Adds one route: for a page, or for an endpoint that another service answers. */
  route: (method: HttpMethod, pattern: string, handler: Handler, endpoint?: Verb | Raw) => void;
  /** Mounts the verbs of a contract under a prefix. */
  verbs: (contract: Contract, invoke: Invoke, prefix?: string) => void;
  /** Mounts the streams of a contract under a prefix. */
  raw: (contract: Contract, handlers: Record<string, RawHandler>, prefix?: string, excused?: Excused) => void;
  /** Mounts `POST /rpc/:verb`, for services in other processes; the contract says which verbs may be asked again. */
  rpc: (invoke: Invoke, contract?: Contract) => void;
  /** Answers one request without a socket. */
  fetch: (request: Request, from?: Caller) => Promise<Response>;
  /** Listens; throws when the address is taken. */
  listen: (host: string, port: number) => Listening;
}

export interface Listening {
  port: number;
  /**
   * Stops taking connections and waits until what callers asked for is answered, at most `ms`. Then whoever has no
   * answer gets a 503, or a 502 where something may have been changed; streams that go on are cut. Silent callers are
   * not waited for.
   */
  close: (ms: number) => Promise<void>;
}

export function createFace(deps: FaceDeps): Face {
  const app = new Elysia();
  const routes: Route[] = [];
  const { guarded, ...stopping } = createGuard(deps);
  const idle = idleSeconds(deps.headTimeoutMs);

  // One Elysia route a path, for all methods: it answers HEAD by a GET route otherwise, and loses the Content-Length.
  const byPattern = new Map<string, Map<string, Serve>>();
  const streaming = new Set<Serve>();
  const add = (
    method: HttpMethod,
    pattern: string,
    handler: Handler,
    { errors, streams, ...excused }: Excused & { errors?: ErrorForm | undefined; streams?: true } = {},
  ) => {
    const serve = guarded(pattern, handler, excused, errors);
    if (streams) streaming.add(serve);
    routes.push({ method, pattern, serve, errors });
    // As Elysia does it: a path that is written out goes before one with parameters.
    routes.sort((a, b) => parametersIn(a.pattern) - parametersIn(b.pattern));
    const methods = byPattern.get(pattern) ?? new Map<string, Serve>();
    methods.set(method, serve);
    if (byPattern.has(pattern)) return;
    byPattern.set(pattern, methods);
    const answer = ({ request, server }: { request: Request; server: BunServer | null }) => {
      const found = methods.get(request.method) ?? serveOf(request);
      const from = () => server?.requestIP(request)?.address;
      return silentFor(server, request, { idle, streams: streaming.has(found) }, () => found(request, from));
    };
    app.all(pattern, answer as never, { parse: "none" } as never);
    const isFixed = !/[:*]/.test(pattern);
    if (isFixed) app.route("HEAD", pattern, answer as never, { parse: "none" } as never);
  };
  /** A wrong method of a known path is answered in the form of that path. */
  const formAt = ({ url }: Request) =>
    routes.find(({ pattern }) => isMatch(pattern, pathOf(url).split("/")))?.errors;
  /** Another method of this very path may belong to a pattern with parameters. */
  const serveOf = ({ method, url }: Request): Serve => {
    const parts = pathOf(url).split("/");
    return routes.find((route) => route.method === method && isMatch(route.pattern, parts))?.serve ?? lost;
  };
  const lost = guarded("unknown", ({ method, url }) => missing(routes, method, pathOf(url)), {}, formAt);
  const changed = guarded("unknown", (request) => refuseChanged(serveOf(request) !== lost), {});
  /** Where it is unknown what was sent, such as for a path with a slash at its end. */
  const unclear: Serve = (request, from) => (serveOf(request) === lost ? lost : changed)(request, from);

  measureThread(deps.metrics);
  addHealth(add, deps);
  app.all("*", ({ request, server }) => lost(request, () => server?.requestIP(request)?.address), {
    parse: "none",
  } as never);
  return {
    route: (method, pattern, handler, endpoint) =>
      add(method, pattern, handler, { ...optionsOf(endpoint), streams: true }),
    verbs: (contract, invoke, prefix = "") => {
      for (const { verb, endpoint, place } of verbsUnder(prefix, contract)) {
        const handler = verbHandler(verb, endpoint, invoke, { place, maxJsonBytes: deps.maxJsonBytes });
        const options = optionsOf(endpoint);
        add(endpoint.method, place.path, handler, options);
        if (endpoint.method === "GET")
          add("HEAD", place.path, async (...args) => headOf(await handler(...args)), options);
      }
    },
    raw: (contract, handlers, prefix = "", excused = {}) => {
      for (const [name, endpoint] of Object.entries(contract.endpoints)) {
        const handler = handlers[name];
        if (endpoint.kind !== "raw" || !handler) continue;
        const options = { ...excused, ...optionsOf(endpoint), streams: true } as const;
        for (const place of placesUnder(prefix, endpoint))
          for (const method of endpoint.methods)
            add(method, place.path, rawHandler(endpoint, handler, place), options);
      }
    },
    rpc: (invoke, contract) =>
      add("POST", "/rpc/:verb", rpcHandler(invoke), { unheld: true, safe: isSafeCall(contract) }),
    fetch: (request, from = () => undefined) => serveOf(request)(request, from),
    listen: (host, port) => listen({ ...deps, app, changed, unclear, idle, stopping }, host, port),
  };
}

const isSafeCall =
  (contract: Contract | undefined) =>
  ({ url }: Request): boolean => {
    const endpoint = contract?.endpoints[pathOf(url).slice("/rpc/".length)];
    return endpoint !== undefined && isSafe(endpoint);
  };

/** What a route takes from its endpoint. */
const optionsOf = (endpoint: Verb | Raw | undefined) =>
  endpoint && {
    errors: endpoint.errors,
    safe: ({ method }: Request) => method === "GET" || method === "HEAD" || isSafe(endpoint),
  };

const placesUnder = (prefix: string, endpoint: Verb | Raw): Place[] =>
  placesOf(endpoint).map((place) => ({ ...place, path: prefix + place.path }));

function* verbsUnder(prefix: string, { endpoints }: Contract) {
  for (const [verb, endpoint] of Object.entries(endpoints))
    if (endpoint.kind === "verb")
      for (const place of placesUnder(prefix, endpoint)) yield { verb, endpoint, place };
}

type Serve = (request: Request, from: Caller) => Promise<Response>;

interface BunServer {
  timeout: (request: Request, seconds: number) => void;
  requestIP: (request: Request) => { address: string } | null;
}

interface Listener {
  app: Elysia;
  /** Answers a request whose path Bun has changed. */
  changed: Serve;
  /** Answers one whose path may be changed. */
  unclear: Serve;
  /** Longest silence of a connection, in seconds. */
  idle: number;
  stopping: { giveUpSilent: () => void; giveUp: () => void };
  clock: Pick<Clock, "elapsed">;
}

function listen(
  { app, changed, unclear, idle, stopping, clock }: Listener,
  hostname: string,
  port: number,
): Listening {
  const from =
    (server: BunServer, request: Request): (() => string | undefined) =>
    () =>
      server.requestIP(request)?.address;
  const server = Bun.serve({
    hostname: hostname.replace(/^\[|\]$/g, ""),
    port,
    reusePort: false,
    development: false,
    idleTimeout: idle,
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    routes: routesOfPaths<BunServer>((request, segments, server) =>
      isAsSent(request.url, segments) ? app.fetch(request) : changed(request, from(server, request)),
    ),
    fetch: (request, server) =>
      pathOf(request.url) === "/" ? app.fetch(request) : unclear(request, from(server, request)),
  });
  app.server = server as never;
  if (!server.port) throw new Error(`cannot listen on ${hostname}:${port}`);
  return {
    port: server.port,
    close: (ms) => stopServing(server, ms, { ...stopping, clock }),
  };
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

function verbHandler(
  verb: string,
  endpoint: Verb,
  invoke: Invoke,
  options: { place: Place; maxJsonBytes: number },
): Handler {
  return async (request, context) => {
    const input = { ...matchOf(endpoint, request), ...(await inputOf(endpoint, request, options)) };
    const reply = await invoke(verb, input, callOf(context));
    const etag = endpoint.etag && `"${endpoint.etag(reply as never)}"`;
    if (etag && isKnown(request.headers.get("if-none-match"), etag))
      return new Response(null, { status: 304, headers: { etag } });
    return Response.json(reply, { status: endpoint.status ?? 200, headers: etag ? { etag } : {} });
  };
}

/** If-Match, for a verb that takes it as a field; what the body says counts more. */
const matchOf = ({ body }: Verb, { headers }: Request) =>
  body && "if_match" in body.properties ? { if_match: headers.get("if-match") } : {};

const isKnown = (header: string | null, etag: string): boolean =>
  header?.split(",").some((known) => known.trim() === "*" || known.trim().replace(/^W\//, "") === etag) ??
  false;

async function inputOf(
  endpoint: Verb | Raw,
  request: Request,
  { place, maxJsonBytes }: { place: Place; maxJsonBytes: number },
) {
  const params = matchPath(place.path, pathOf(request.url)) ?? {};
  const search = "foreign" in endpoint ? undefined : searchOf(request.url);
  const query = search?.size ? fromQuery(place.query, search) : {};
  const misplaced = Object.keys(query).find((name) => !Object.hasOwn(place.query?.properties ?? {}, name));
  if (misplaced !== undefined) throw unknownQuery(place, misplaced);
  const body = endpoint.kind === "verb" && endpoint.body ? await readJsonObject(request, maxJsonBytes) : {};
  const clash = Object.keys(body).find((name) => Object.hasOwn(params, name) || Object.hasOwn(query, name));
  if (clash !== undefined)
    throw fail("unknown_field", `unknown field '${clash}' in the body`, { details: { field: clash } });
  return { ...params, ...query, ...body };
}

const unknownQuery = (place: Place, name: string) => {
  const known = Object.keys(place.query?.properties ?? {});
  const text = `unknown query parameter '${name}'; expected ${known.join(", ") || "none"}`;
  return fail("unknown_field", text, { details: { field: name } });
};

function rawHandler(endpoint: Raw, handler: RawHandler, place: Place): Handler {
  return async (request, context) => {
    const input = await inputOf(endpoint, request, { place, maxJsonBytes: 0 });
    const response = await handler(check(inputSchema(endpoint), input, "the request") as never, context);
    return endpoint.compressed ? encodeAnswer(request, response) : response;
  };
}

const headOf = (response: Response): Response =>
  new Response(null, { status: response.status, headers: response.headers });
