/** The HTTP face of a service: its contract's routes on Elysia, with health, metrics, errors, auth and limits. */
import type { Caller } from "../auth/auth.ts";
import { encodeAnswer, jsonResponse, readJsonObject } from "../bodies/bodies.ts";
import {
  type Contract,
  check,
  fromQuery,
  type HttpMethod,
  type HttpRequest,
  inputSchema,
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
import { measureThread } from "../telemetry/telemetry.ts";
import { createGuard, type Excused, type GuardDeps, type Handler } from "./guard.ts";
import { addHealth, type HealthDeps } from "./health.ts";
import { type Listening, startListener } from "./listener.ts";
import { createRoutes, type RouteOptions } from "./routes.ts";
import { callOf, rpcHandler } from "./rpc-handler.ts";

export interface FaceDeps extends GuardDeps, HealthDeps {
  maxJsonBytes: number;
  /** Longest wait for a whole request head, and of a connection between requests; without it there is no end. */
  headTimeoutMs?: number;
}

export type RawHandler = (input: never, context: RawContext) => Promise<Response>;

export interface Face {
  /** Adds one route: for a page, or for an endpoint that another service answers. */
  route: (
    method: HttpMethod,
    pattern: string,
    handler: Handler,
    endpoint?: Verb | Raw,
    options?: RouteOptions,
  ) => void;
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

export function createFace(deps: FaceDeps): Face {
  const { guarded, ...stopping } = createGuard(deps);
  const { add, serveOf, ...answers } = createRoutes(guarded);
  measureThread(deps.metrics);
  addHealth(add, deps);
  return {
    route: (method, pattern, handler, endpoint, options) =>
      add(method, pattern, handler, { ...options, ...optionsOf(endpoint) }),
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
        const options = { ...excused, ...optionsOf(endpoint) };
        for (const place of placesUnder(prefix, endpoint))
          for (const method of endpoint.methods)
            add(method, place.path, rawHandler(endpoint, handler, place), options);
      }
    },
    rpc: (invoke, contract) =>
      add("POST", "/rpc/:verb", rpcHandler(invoke), { unheld: true, safe: isSafeCall(contract) }),
    fetch: (request, from = () => undefined) => serveOf(request)(request, from),
    listen: (host, port) =>
      startListener(host.replace(/^\[|\]$/g, ""), port, {
        ...stopping,
        ...answers,
        idleMs: deps.headTimeoutMs,
        clock: deps.clock,
      }),
  };
}

const isSafeCall =
  (contract: Contract | undefined) =>
  ({ url }: HttpRequest): boolean => {
    const endpoint = contract?.endpoints[pathOf(url).slice("/rpc/".length)];
    return endpoint !== undefined && isSafe(endpoint);
  };

/** What a route takes from its endpoint. */
const optionsOf = (endpoint: Verb | Raw | undefined) =>
  endpoint && {
    errors: endpoint.errors,
    ...(endpoint.kind === "raw" && { open: endpoint.open, metadataPath: endpoint.metadataPath }),
    safe: ({ method }: HttpRequest) => method === "GET" || method === "HEAD" || isSafe(endpoint),
  };

const placesUnder = (prefix: string, endpoint: Verb | Raw): Place[] =>
  placesOf(endpoint).map((place) => ({ ...place, path: prefix + place.path }));

function* verbsUnder(prefix: string, { endpoints }: Contract) {
  for (const [verb, endpoint] of Object.entries(endpoints))
    if (endpoint.kind === "verb")
      for (const place of placesUnder(prefix, endpoint)) yield { verb, endpoint, place };
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
    return jsonResponse(reply, etag ? { etag } : {}, endpoint.status);
  };
}

/** If-Match, for a verb that takes it as a field; what the field says counts more. */
const matchOf = ({ body, query }: Verb, { headers }: HttpRequest) =>
  [body, query].some((fields) => fields && "if_match" in fields.properties)
    ? { if_match: headers.get("if-match") }
    : {};

const isKnown = (header: string | null, etag: string): boolean =>
  header?.split(",").some((known) => known.trim() === "*" || known.trim().replace(/^W\//, "") === etag) ??
  false;

async function inputOf(
  endpoint: Verb | Raw,
  request: HttpRequest,
  { place, maxJsonBytes }: { place: Place; maxJsonBytes: number },
) {
  const params = matchPath(place.path, pathOf(request.url)) ?? {};
  const search = "foreign" in endpoint ? undefined : searchOf(request.url);
  const named =
    "anyQuery" in endpoint ? [...(search ?? [])].filter(([name]) => isNamed(place, name)) : search;
  const query = search?.size ? fromQuery(place.query, new URLSearchParams(named)) : {};
  const misplaced = Object.keys(query).find((name) => !isNamed(place, name));
  if (misplaced !== undefined) throw unknownQuery(place, misplaced);
  const body = endpoint.kind === "verb" && endpoint.body ? await readJsonObject(request, maxJsonBytes) : {};
  const clash = Object.keys(body).find((name) => Object.hasOwn(params, name) || Object.hasOwn(query, name));
  if (clash !== undefined)
    throw fail("unknown_field", `unknown field '${clash}' in the body`, { details: { field: clash } });
  return { ...params, ...query, ...body };
}

const isNamed = ({ query }: Place, name: string): boolean => Object.hasOwn(query?.properties ?? {}, name);

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
