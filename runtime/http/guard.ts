/** What stands around every HTTP handler: request id, limit, gate; then the form of errors, and the counting. */

import { originOf } from "../addresses/addresses.ts";
import { type AddressOf, type Caller, type Gate, sameProcess, withQueryToken } from "../auth/auth.ts";
import {
  type Arrivals,
  bodyFailure,
  bufferedBody,
  giveUpSilent,
  jsonResponse,
  watchBody,
} from "../bodies/bodies.ts";
import type { ErrorForm, HttpRequest, RawContext } from "../contract/contract.ts";
import { storageError } from "../durable/durable.ts";
import { errorBody, fail, icebergError, openAiError, ServiceError, toWire } from "../errors/errors.ts";
import { unanswered } from "../rpc/rpc.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Log, type Metrics } from "../telemetry/telemetry.ts";
import type { Tracing } from "../tracing/tracing.ts";
import type { AnswerHold } from "./answer-hold.ts";
import { errorPage } from "./error-page.ts";
import { SentRequest } from "./sent-request.ts";

export interface GuardDeps {
  gate: Gate;
  log: Log;
  metrics: Metrics;
  newId: () => string;
  maxConnections: number;
  clock: Pick<Clock, "elapsed" | "after">;
  /** Longest silence of a caller whose body is awaited, in milliseconds; without it none is too long. */
  bodyTimeoutMs?: number;
  /** Requests of one address at once, those included whose body is awaited; without it any number. */
  perAddress?: { max: number; addressOf: AddressOf };
  /** Where requests are parts of traces. */
  tracing?: Pick<Tracing, "answer"> | undefined;
  /** A token may be in the query of what reads. */
  tokenInQuery?: boolean;
  /** Where answers may be held. */
  answers?: Pick<AnswerHold, "held">;
}

/** What a route is excused from. */
export interface Excused {
  /** Asks for no token. */
  open?: boolean | undefined;
  /** Is answered whatever else is being done: health and what watches the service. */
  unlimited?: boolean;
  /** Answered while answers are held: it reveals no change, or it is what holds them. */
  unheld?: boolean;
  /** Whether it may be asked again without doing anything twice; without it GET and HEAD may. */
  safe?: ((request: HttpRequest) => boolean) | undefined;
  /** Where its OAuth metadata is: a caller without a token is told so. */
  metadataPath?: string | undefined;
}

export type Handler = (request: HttpRequest, context: RawContext) => Promise<Response> | Response;

/** A handler with all that stands around it. */
export type Serve = (request: HttpRequest, from: Caller) => Promise<Response>;
export type Guarded = (pattern: string, handler: Handler, excused: Excused, form?: FormOf) => Serve;

/** The form of a route's errors; of no route in particular, what the request leads to decides. */
type FormOf = ErrorForm | ((request: HttpRequest) => ErrorForm | undefined);

/**
 * What stands before every handler: request id, limit, gate; and behind it: error form, metrics. While the service
 * stops, `giveUpSilent` is to be called now and then, and `giveUp` when the time for what is open is over.
 */
export function createGuard(deps: GuardDeps) {
  const requests = deps.metrics.counter("http_requests_total", "Requests by route, method and status.");
  const seconds = deps.metrics.histogram("http_request_duration_seconds", "Time until the answer began.");
  // A request that waits for its caller's bytes is not served meanwhile: however many wait, they take no slot.
  let open = 0;
  const waits: Arrivals["waits"] = new Set();
  deps.metrics.gauge("http_requests_open", "Requests being answered.", () => open - waits.size);
  deps.metrics.gauge("http_requests_awaited", "Requests whose body is awaited.", () => waits.size);
  const admit = () => {
    if (open - waits.size > deps.maxConnections)
      throw fail("overloaded", "too many requests at once", { retryAfterSeconds: 1 });
  };
  const { clock, bodyTimeoutMs } = deps;
  const arrivals = {
    clock,
    silenceMs: bodyTimeoutMs,
    admit,
    waits,
  };
  /** Between services the one that the caller reached has the deadline. */
  const inside = { ...arrivals, silenceMs: undefined };
  const addresses = createAddressCount(deps.perAddress);
  const unfinished = createUnfinished();

  const guarded: Guarded =
    (
      pattern,
      handler,
      { open: isOpen = false, unlimited = false, unheld = unlimited, safe = isSafeMethod, metadataPath },
      form,
    ) =>
    async (sent, from) => {
      const request = deps.tokenInQuery ? withQueryToken(sent) : sent;
      const started = deps.clock.elapsed();
      const requestId = requestIdOf(request.headers, deps.newId);
      let response: Response;
      let leave: (() => void) | undefined;
      if (!unlimited) open += 1;
      try {
        if (!unlimited) admit();
        if (!unlimited) unfinished.refuse();
        if (sent instanceof SentRequest) refuseLongHead(sent.head.bytes);
        if (!isOpen) deps.gate(request, from);
        if (!unlimited && from !== sameProcess) leave = addresses?.(request.headers, from());
        if (!isWithoutBody(request)) watchBody(request, from === sameProcess ? inside : arrivals);
        const work = handler(request, contextOf(request, requestId));
        response = work instanceof Response ? work : await unfinished.answerOf(work, () => safe(request));
      } catch (error) {
        const errors = typeof form === "function" ? form(request) : form;
        response = failed(storageError(error), requestId, { log: deps.log, pattern, form: errors });
        if (response.status === 401)
          response.headers.set("www-authenticate", challengeOf(request.headers, metadataPath));
      } finally {
        if (!unlimited) open -= 1;
        leave?.();
      }
      const held = unheld || from === sameProcess ? undefined : deps.answers?.held();
      if (held) await held;
      // What the caller still sends of the body that was given up is no next request.
      const isGivenUp = response.status === 408 || bodyFailure(request) !== undefined || unfinished.isOver();
      if (isGivenUp && from !== sameProcess) response.headers.set("connection", "close");
      response.headers.set("x-request-id", requestId);
      requests.add(1, { route: pattern, method: request.method, status: String(response.status) });
      seconds.observe((deps.clock.elapsed() - started) / 1000, { route: pattern });
      return response;
    };
  return {
    guarded: traced(guarded, deps.tracing),
    giveUpSilent: () => giveUpSilent(arrivals),
    giveUp: unfinished.giveUp,
  };
}

/** The same within the caller's trace; what watches the service is no work of its callers. */
const traced =
  (guarded: Guarded, tracing: GuardDeps["tracing"]): Guarded =>
  (pattern, handler, excused, form) => {
    const serve = guarded(pattern, handler, excused, form);
    if (tracing === undefined || excused.unlimited) return serve;
    return (request, from) =>
      tracing.answer({ headers: request.headers, method: request.method, route: pattern }, () =>
        serve(request, from),
      );
  };

const isSafeMethod = ({ method }: HttpRequest): boolean => method === "GET" || method === "HEAD";

/** The requests without an answer. Once they are given up each has one, and no more are taken. */
function createUnfinished() {
  const why = "the service stopped";
  const open = new Set<() => void>();
  let isOver = false;
  return {
    isOver: () => isOver,
    /** Throws `unavailable` once requests are given up. */
    refuse: () => {
      if (isOver) throw unanswered(why, true);
    },
    /** The handler's answer; or `unavailable` or `outcome_unknown` when it is given up before. */
    answerOf: (work: Promise<Response>, isSafe: () => boolean): Promise<Response> =>
      new Promise((resolve, reject) => {
        const leave = () => reject(unanswered(why, isSafe()));
        open.add(leave);
        work.then(
          (response) => {
            // Nobody reads what comes after it was given up.
            if (open.delete(leave)) resolve(response);
            else void response.body?.cancel().catch(() => undefined);
          },
          (error) => {
            open.delete(leave);
            reject(error);
          },
        );
      }),
    giveUp: () => {
      isOver = true;
      for (const leave of open) leave();
      open.clear();
    },
  };
}

const isWithoutBody = (request: HttpRequest): boolean =>
  request.method === "GET" || request.method === "HEAD" || bufferedBody(request) !== undefined;

/** Counts one more request of an address and gives what takes it off again; throws `too_many_requests`. */
function createAddressCount(rules: GuardDeps["perAddress"]) {
  if (rules === undefined) return undefined;
  const counts = new Map<string, number>();
  return (headers: Headers, socket: string | undefined): (() => void) => {
    const address = rules.addressOf(headers, socket) ?? "";
    const count = (counts.get(address) ?? 0) + 1;
    if (count > rules.max)
      throw fail(
        "too_many_requests",
        `this address has ${rules.max} requests open, and more are not taken: wait for answers`,
        { retryAfterSeconds: 1 },
      );
    counts.set(address, count);
    return () => {
      const left = (counts.get(address) ?? 1) - 1;
      if (left === 0) counts.delete(address);
      else counts.set(address, left);
    };
  };
}

/** As most servers have it: URL and headers together, in bytes. The server itself takes more, so that we can answer. */
const headBytesMax = 16 * 1024;

function refuseLongHead(bytes: number): void {
  if (bytes > headBytesMax)
    throw fail(
      "headers_too_large",
      `URL and headers have ${bytes} bytes; at most ${headBytesMax} are allowed. Put what is long into the body`,
    );
}

const requestIdOf = (headers: Headers, newId: () => string): string => {
  const given = headers.get("x-request-id");
  return given !== null && /^[\x21-\x7e]{1,128}$/.test(given) ? given : newId();
};

/** As `Idempotency-Key` may be: 1 to 255 visible ASCII characters. */
export const idempotencyKeyPattern = "^[!-~]{1,255}$";
const isKey = new RegExp(idempotencyKeyPattern);

/** Who uses the key checks it: what is not found or not allowed is refused first. */
function contextOf(request: HttpRequest, requestId: string): RawContext {
  const { signal } = request;
  const given = request.headers.get("idempotency-key");
  if (given === null) return { request, requestId, signal };
  return {
    request,
    requestId,
    signal,
    get idempotencyKey() {
      if (isKey.test(given)) return given;
      throw fail("bad_request", "Idempotency-Key: expected 1 to 255 visible ASCII characters");
    },
  };
}

/** How to be let in (RFC 6750 §3), and where that is said in full (RFC 9728 §5.1). */
const challengeOf = (headers: Headers, metadataPath: string | undefined): string =>
  metadataPath === undefined
    ? "Bearer"
    : `Bearer resource_metadata="${originOf(headers).replaceAll(/[^\x21\x23-\x5b\x5d-\x7e]/g, "")}${metadataPath}"`;

/** The one place where an error becomes an HTTP answer. */
function failed(
  error: unknown,
  requestId: string,
  { log, pattern, form }: { log: Log; pattern: string; form: ErrorForm | undefined },
): Response {
  const wire = toWire(error);
  const { type, message, retry_after_seconds: retryAfter } = wire;
  const status = error instanceof ServiceError ? error.status : 500;
  if (!(error instanceof ServiceError))
    log.error("unexpected failure", { request_id: requestId, route: pattern, ...describe(error) });
  else log.debug("request refused", { request_id: requestId, route: pattern, type, error: message });
  const headers: Record<string, string> = error instanceof ServiceError ? { ...error.headers } : {};
  if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter);
  if (wire.should_retry === false) headers["x-should-retry"] = "false";
  if (form === "openai") {
    const { status, ...body } = openAiError(wire, requestId);
    return jsonResponse(body, headers, status);
  }
  if (form === "page") return errorPage(wire, { status, requestId, headers });
  if (form === "iceberg") return jsonResponse({ error: icebergError(wire) }, headers, status);
  return jsonResponse({ error: errorBody(wire, requestId) }, headers, status);
}
