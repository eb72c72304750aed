/** The HTTP face of a service: its contract's routes on Elysia, with health, metrics, errors, auth and limits. */
import { Elysia } from "elysia";
import type { Gate } from "./auth.ts";
import { readBytes, readJsonObject } from "./body.ts";
import { decode, encode } from "./codec.ts";
import type { CallContext, Contract, Endpoint, HttpMethod, Raw, RawContext, Verb } from "./contract.ts";
import { fail, ServiceError, toWire } from "./errors.ts";
import { describe, type Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import { matchPath, pathOf, searchOf } from "./route.ts";
import { answer, type Invoke, rpcMediaType } from "./rpc.ts";
import { check, fromQuery, inputSchema } from "./validate.ts";

export interface FaceDeps {
  name: string;
  gate: Gate;
  log: Log;
  metrics: Metrics;
  newId: () => string;
  notReady: () => string[];
  maxConnections: number;
  maxJsonBytes: number;
  clock: { elapsed: () => number };
}

export type RawHandler = (input: never, context: RawContext) => Promise<Response>;
type Handler = (request: Request, context: RawContext) => Promise<Response> | Response;

interface Route {
  method: HttpMethod;
  pattern: string;
  open: boolean;
  handler: Handler;
}

export interface Face {
  /** Adds one route; for what is not in a contract, such as a page. */
  route: (method: HttpMethod, pattern: string, handler: Handler) => void;
  /** Mounts the verbs of a contract under a prefix. */
  verbs: (contract: Contract, invoke: Invoke, prefix?: string) => void;
  /** Mounts the streams of a contract under a prefix. */
  raw: (contract: Contract, handlers: Record<string, RawHandler>, prefix?: string) => void;
  /** Mounts `POST /rpc/:verb`, the door for services in other processes. */
  rpc: (invoke: Invoke) => void;
  /** Answers one request without a socket. */
  fetch: (request: Request, address?: string) => Promise<Response>;
  /** Listens; throws when the address is taken. */
  listen: (host: string, port: number) => Listening;
}

export interface Listening {
  port: number;
  /** Stops taking connections and waits until those open are done, at most `ms`; then cuts them. */
  close: (ms: number) => Promise<void>;
}

/** Longest silence on a connection, in seconds, Bun's largest; streams that are silent for longer switch it off. */
const idleTimeoutSeconds = 255;

export function createFace(deps: FaceDeps): Face {
  const app = new Elysia({
    serve: {
      reusePort: false,
      development: false,
      idleTimeout: idleTimeoutSeconds,
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    },
  });
  const routes: Route[] = [];
  const guarded = createGuard(deps);

  const add = (method: HttpMethod, pattern: string, handler: Handler, open = false) => {
    routes.push({ method, pattern, open, handler });
    const serve = guarded(pattern, handler, open);
    app.route(
      method,
      pattern,
      ({ request, server }: { request: Request; server: BunServer | null }) => {
        // Streams may be silent for long; their services watch for stalled clients themselves.
        server?.timeout(request, 0);
        return serve(request, server?.requestIP(request)?.address);
      },
      { parse: "none" } as never,
    );
  };
  const lost = guarded("unknown", ({ method, url }) => missing(routes, method, pathOf(url)), false);

  addHealth(add, deps);
  app.all("*", ({ request, server }) => lost(request, server?.requestIP(request)?.address), {
    parse: "none",
  } as never);
  return {
    route: (method, pattern, handler) => add(method, pattern, handler),
    verbs: (contract, invoke, prefix = "") => {
      for (const [verb, endpoint] of Object.entries(contract.endpoints)) {
        if (endpoint.kind !== "verb") continue;
        const handler = verbHandler(verb, endpoint, invoke, { prefix, maxJsonBytes: deps.maxJsonBytes });
        add(endpoint.method, prefix + endpoint.path, handler);
        if (endpoint.method === "GET")
          add("HEAD", prefix + endpoint.path, async (...args) => headOf(await handler(...args)));
      }
    },
    raw: (contract, handlers, prefix = "") => {
      for (const [name, endpoint] of Object.entries(contract.endpoints)) {
        const handler = handlers[name];
        if (endpoint.kind !== "raw" || !handler) continue;
        for (const method of endpoint.methods)
          add(method, prefix + endpoint.path, rawHandler(endpoint, handler, prefix));
      }
    },
    rpc: (invoke) => add("POST", "/rpc/:verb", rpcHandler(invoke)),
    fetch: async (request, address) => {
      const path = pathOf(request.url);
      const route = routes.find(({ method, pattern }) => method === request.method && matches(pattern, path));
      return route
        ? guarded(route.pattern, route.handler, route.open)(request, address)
        : lost(request, address);
    },
    listen: (host, port) => listen(app, host, port),
  };
}

interface BunServer {
  timeout: (request: Request, seconds: number) => void;
  requestIP: (request: Request) => { address: string } | null;
}

function listen(app: Elysia, hostname: string, port: number): Listening {
  app.listen({ hostname: hostname.replace(/^\[|\]$/g, ""), port, reusePort: false });
  const { server } = app;
  if (!server?.port) throw new Error(`cannot listen on ${hostname}:${port}`);
  return {
    port: server.port,
    close: async (ms) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, ms);
      await Promise.race([server.stop(false), promise]);
      clearTimeout(timer);
      await server.stop(true);
    },
  };
}

const matches = (pattern: string, path: string): boolean => {
  try {
    return matchPath(pattern, path) !== undefined;
  } catch {
    return true; // Malformed encoding: the handler says so.
  }
};

function missing(routes: readonly Route[], method: string, path: string): never {
  const others = [
    ...new Set(routes.filter(({ pattern }) => matches(pattern, path)).map((route) => route.method)),
  ];
  if (others.length > 0)
    throw fail("method_not_allowed", `${method} is not allowed here; expected ${others.join(" or ")}`);
  throw fail("not_found", `there is nothing at ${path.slice(0, 200)}`);
}

function addHealth(
  add: (method: HttpMethod, pattern: string, handler: Handler, open?: boolean) => void,
  deps: FaceDeps,
): void {
  const health = () => Response.json({ status: "ok", service: deps.name });
  const ready = () => {
    const reasons = deps.notReady();
    return Response.json(
      { ready: reasons.length === 0, reasons },
      { status: reasons.length === 0 ? 200 : 503 },
    );
  };
  const metrics = () =>
    new Response(deps.metrics.text(), {
      headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    });
  for (const method of ["GET", "HEAD"] as const) {
    add(method, "/health", health, true);
    add(method, "/livez", health, true);
    add(method, "/readyz", ready);
    add(method, "/metrics", metrics);
  }
}

/** What stands before every handler: request id, limit, gate; and behind it: error form, metrics. */
function createGuard(deps: FaceDeps) {
  const requests = deps.metrics.counter("http_requests_total", "Requests by route, method and status.");
  const seconds = deps.metrics.histogram("http_request_duration_seconds", "Time until the answer began.");
  let open = 0;
  deps.metrics.gauge("http_requests_open", "Requests being answered.", () => open);

  return (pattern: string, handler: Handler, isOpen: boolean) =>
    async (request: Request, address: string | undefined): Promise<Response> => {
      const started = deps.clock.elapsed();
      const requestId = requestIdOf(request.headers, deps.newId);
      let response: Response;
      open += 1;
      try {
        if (open > deps.maxConnections)
          throw fail("overloaded", "too many requests at once", { retryAfterSeconds: 1 });
        if (!isOpen) deps.gate(request, address);
        response = await handler(request, contextOf(request, requestId));
      } catch (error) {
        response = failed(error, requestId, { log: deps.log, pattern });
      } finally {
        open -= 1;
      }
      response.headers.set("x-request-id", requestId);
      requests.add(1, { route: pattern, method: request.method, status: String(response.status) });
      seconds.observe((deps.clock.elapsed() - started) / 1000, { route: pattern });
      return response;
    };
}

const requestIdOf = (headers: Headers, newId: () => string): string => {
  const given = headers.get("x-request-id");
  return given !== null && /^[\x21-\x7e]{1,128}$/.test(given) ? given : newId();
};

function contextOf(request: Request, requestId: string): RawContext {
  const idempotencyKey = request.headers.get("idempotency-key");
  if (idempotencyKey === null) return { request, requestId, signal: request.signal };
  if (!/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) {
    throw fail("bad_request", "Idempotency-Key: expected 1 to 255 visible ASCII characters");
  }
  return { request, requestId, signal: request.signal, idempotencyKey };
}

/** The one place where an error becomes an HTTP answer. */
function failed(
  error: unknown,
  requestId: string,
  { log, pattern }: { log: Log; pattern: string },
): Response {
  const { type, message, details, retry_after_seconds: retryAfter } = toWire(error);
  const status = error instanceof ServiceError ? error.status : 500;
  if (!(error instanceof ServiceError))
    log.error("unexpected failure", { request_id: requestId, route: pattern, ...describe(error) });
  else log.debug("request refused", { request_id: requestId, route: pattern, type, error: message });
  const headers: Record<string, string> = {};
  if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  if (status === 401) headers["www-authenticate"] = "Bearer";
  const body = {
    message,
    type,
    code: status,
    request_id: requestId,
    ...(details !== undefined && { details }),
  };
  return Response.json({ error: body }, { status, headers });
}

function verbHandler(
  verb: string,
  endpoint: Verb,
  invoke: Invoke,
  options: { prefix: string; maxJsonBytes: number },
): Handler {
  return async (request, context) => {
    const input = await inputOf(endpoint, request, options);
    const reply = await invoke(verb, input, callOf(context));
    const etag = endpoint.etag && `"${endpoint.etag(reply as never)}"`;
    if (etag && isKnown(request.headers.get("if-none-match"), etag))
      return new Response(null, { status: 304, headers: { etag } });
    return Response.json(reply, { status: endpoint.status ?? 200, headers: etag ? { etag } : {} });
  };
}

const callOf = ({ requestId, signal, idempotencyKey }: RawContext): CallContext => ({
  requestId,
  signal,
  ...(idempotencyKey && { idempotencyKey }),
});

const isKnown = (header: string | null, etag: string): boolean =>
  header?.split(",").some((known) => known.trim() === "*" || known.trim().replace(/^W\//, "") === etag) ??
  false;

async function inputOf(
  endpoint: Verb | Raw,
  request: Request,
  { prefix, maxJsonBytes }: { prefix: string; maxJsonBytes: number },
) {
  const params = matchPath(prefix + endpoint.path, pathOf(request.url)) ?? {};
  const query = fromQuery(endpoint.query, searchOf(request.url));
  const misplaced = Object.keys(query).find((name) => !Object.hasOwn(endpoint.query?.properties ?? {}, name));
  if (misplaced !== undefined) throw unknownQuery(endpoint, misplaced);
  const body = endpoint.kind === "verb" && endpoint.body ? await readJsonObject(request, maxJsonBytes) : {};
  const clash = Object.keys(body).find((name) => Object.hasOwn(params, name) || Object.hasOwn(query, name));
  if (clash !== undefined)
    throw fail("unknown_field", `unknown field '${clash}' in the body`, { details: { field: clash } });
  return { ...params, ...query, ...body };
}

const unknownQuery = (endpoint: Endpoint, name: string) => {
  const known = Object.keys((endpoint as Raw).query?.properties ?? {});
  const expected = known.length === 0 ? "expected none" : `expected ${known.join(", ")}`;
  return fail("unknown_field", `unknown query parameter '${name}'; ${expected}`, {
    details: { field: name },
  });
};

function rawHandler(endpoint: Raw, handler: RawHandler, prefix: string): Handler {
  return async (request, context) => {
    const input = await inputOf(endpoint, request, { prefix, maxJsonBytes: 0 });
    return handler(check(inputSchema(endpoint), input, "the request") as never, context);
  };
}

/** Largest encoded call between processes, in bytes: an object of `storaged.write` with room to spare. */
const rpcBytesMax = 128 * 1024 * 1024;

function rpcHandler(invoke: Invoke): Handler {
  return async (request, context) => {
    const verb = matchPath("/rpc/:verb", pathOf(request.url))?.verb ?? "";
    const input = decode(await readBytes(request, rpcBytesMax));
    const reply = await answer(invoke, verb, input, callOf(context));
    return new Response(encode(reply), { headers: { "content-type": rpcMediaType } });
  };
}

const headOf = (response: Response): Response =>
  new Response(null, { status: response.status, headers: response.headers });
