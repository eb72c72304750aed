/** What goes wrong, as callers and operators see it: the table of error types, OpenAI's and Iceberg's forms of them, what stops a start, and what a wrong name may have meant. */

export { suggestionsFor } from "./suggestions.ts";

/**
 * Every error that leaves a service: a stable type, a message for people, and a private cause.
 * The table below is the only place where a type meets its HTTP status.
 */
export const errorStatus = {
  bad_request: 400,
  invalid_json: 400,
  invalid_field: 400,
  unknown_field: 400,
  invalid_name: 400,
  invalid_key: 400,
  sql_error: 400,
  unauthorized: 401,
  forbidden: 403,
  statement_not_allowed: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  timeout: 408,
  conflict: 409,
  schema_drift: 409,
  idempotency_conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  range_not_satisfiable: 416,
  unprocessable: 422,
  unsupported_table: 422,
  rejected_rows: 422,
  resource_exhausted: 422,
  engine_crashed: 422,
  too_many_requests: 429,
  headers_too_large: 431,
  client_closed: 499,
  internal: 500,
  corrupt: 500,
  bad_gateway: 502,
  outcome_unknown: 502,
  unavailable: 503,
  overloaded: 503,
  deadline_exceeded: 504,
  storage_full: 507,
  memory_full: 507,
} as const;

export type ErrorType = keyof typeof errorStatus;

export interface ErrorExtra {
  /** Machine-readable facts for the caller, such as the columns that differ. */
  details?: unknown;
  /** Seconds for the `Retry-After` header; only on errors where nothing was done. */
  retryAfterSeconds?: number;
  /** `false` where the caller's trying again is of no use: `X-Should-Retry`, which OpenAI's clients obey. */
  shouldRetry?: false | undefined;
  /** Headers of the HTTP answer, such as `allow`; they go no further than the face where the error is thrown. */
  headers?: Record<string, string>;
  /** What went wrong inside; logged, never sent. */
  cause?: unknown;
}

/** The form an error has on a wire between services and, with a request id, in an HTTP body. */
export interface WireError {
  type: ErrorType;
  message: string;
  details?: unknown;
  retry_after_seconds?: number;
  should_retry?: false;
}

export class ServiceError extends Error {
  readonly type: ErrorType;
  readonly details: unknown;
  readonly retryAfterSeconds: number | undefined;
  readonly shouldRetry: false | undefined;
  readonly headers: Record<string, string>;

  constructor(type: ErrorType, message: string, extra: ErrorExtra = {}) {
    super(message, extra.cause === undefined ? undefined : { cause: extra.cause });
    this.name = "ServiceError";
    this.type = type;
    this.details = extra.details;
    this.retryAfterSeconds = extra.retryAfterSeconds;
    this.shouldRetry = extra.shouldRetry;
    this.headers = extra.headers ?? {};
  }

  get status(): number {
    return errorStatus[this.type];
  }
}

/** Makes the error to throw: `throw fail("not_found", "no dataset named x")`. */
export const fail = (type: ErrorType, message: string, extra?: ErrorExtra): ServiceError =>
  new ServiceError(type, message, extra);

/** The error for a field of the caller's, named by its place in the request: `throw invalidField("k", "expected …")`. */
export const invalidField = (field: string, why: string): ServiceError =>
  fail("invalid_field", `${field}: ${why}`, { details: { field } });

/** Catches that what was asked for is not there; any other failure goes on. */
export const unlessGone = (cause: unknown): undefined => {
  if (!(cause instanceof ServiceError && cause.type === "not_found")) throw cause;
};

/** The same error, marked as one that trying again will not mend. */
export const final = ({ type, message, details, retryAfterSeconds, cause }: ServiceError): ServiceError =>
  fail(type, message, {
    details,
    cause,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    shouldRetry: false,
  });

/**
 * What a caller may see of an error. An error that is not a ServiceError is unexpected: the caller gets a bare
 * `internal`, and the service logs the original.
 */
export function toWire(error: unknown): WireError {
  if (!(error instanceof ServiceError)) return { type: "internal", message: "internal error" };
  const wire: WireError = { type: error.type, message: error.message };
  if (error.details !== undefined) wire.details = error.details;
  if (error.retryAfterSeconds !== undefined) wire.retry_after_seconds = error.retryAfterSeconds;
  if (error.shouldRetry === false) wire.should_retry = false;
  return wire;
}

/** The form of an error in an HTTP body. */
export const errorBody = ({ type, message, details }: WireError, requestId: string) => ({
  message,
  type,
  code: errorStatus[type],
  request_id: requestId,
  ...(details !== undefined && { details }),
});

/** The inverse of `toWire`, on the caller's side. */
export function fromWire(wire: WireError): ServiceError {
  const extra: ErrorExtra = {};
  if (wire.details !== undefined) extra.details = wire.details;
  if (wire.retry_after_seconds !== undefined) extra.retryAfterSeconds = wire.retry_after_seconds;
  if (wire.should_retry === false) extra.shouldRetry = false;
  const known = Object.hasOwn(errorStatus, wire.type);
  return new ServiceError(known ? wire.type : "internal", known ? wire.message : "internal error", extra);
}

/**
 * Whether an error says that nothing was done: that is what 4xx and 503 mean. A caller that went away and a deadline
 * say nothing of the work.
 */
export function isNothingDone(cause: unknown): boolean {
  if (!(cause instanceof ServiceError)) return false;
  const { status, type } = cause;
  if (type === "timeout" || type === "client_closed") return false;
  return status < 500 || status === 503 || status === 507;
}

/** What stops a start or a reload; the message names the file, variable or flag, the key and what is expected. */
export class ConfigError extends Error {}

/** The error in a peer's answer that is no success, as its verbs would throw it; `bad_gateway` where it holds none. */
export async function peerError(peer: string, response: Response): Promise<ServiceError> {
  const { error } = (await response.json().catch(() => ({}))) as { error?: WireError };
  return error !== undefined && Object.hasOwn(errorStatus, error.type)
    ? fromWire(error)
    : fail("bad_gateway", `${peer} answered ${response.status}`);
}

// Errors in the form of OpenAI's API, for the endpoints that its clients call.

/** Codes of OpenAI's for our types; other types are codes as they are. */
const codes: Partial<Record<WireError["type"], string>> = {
  unauthorized: "invalid_api_key",
  unknown_field: "unknown_parameter",
  invalid_field: "invalid_value",
  too_many_requests: "rate_limit_exceeded",
  overloaded: "server_overloaded",
};

/** Where OpenAI answers with another status than our other doors. */
const statuses: Readonly<Record<string, number>> = {
  context_length_exceeded: 400,
  content_policy_violation: 400,
  model_not_found: 404,
  insufficient_quota: 429,
};

interface OpenAiError {
  status: number;
  error: {
    message: string;
    type: string;
    /** Always text: of OpenAI's codes where it has one for this, else our type. */
    code: string;
    /** The field that is wrong. */
    param: string | null;
    request_id: string;
    details?: unknown;
  };
}

/** `details` may name OpenAI's `code` and the `field`. */
export function openAiError({ type, message, details }: WireError, requestId: string): OpenAiError {
  const { code: named, field } = Object(details) as { code?: unknown; field?: unknown };
  const code = typeof named === "string" ? named : (codes[type] ?? type);
  const status = statuses[code] ?? errorStatus[type];
  return {
    status,
    error: {
      message,
      type: typeOf(status, code),
      code,
      param: typeof field === "string" ? field : null,
      request_id: requestId,
      ...(details !== undefined && { details }),
    },
  };
}

function typeOf(status: number, code: string): string {
  if (code === "insufficient_quota") return code;
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

/** Names of fields as the value of a header, whatever characters they have: for those that are left out. */
export const namesInHeader = (names: readonly string[]): string =>
  names
    .map((name) => encodeURIComponent(name.toWellFormed()))
    .join(",")
    .slice(0, 1000);

// Errors in the form of Iceberg's REST catalog: its clients make an exception of `type`.

interface IcebergError {
  message: string;
  /** The name of an exception of Iceberg's Java library. */
  type: string;
  /** The HTTP status. */
  code: number;
}

/** Exceptions by status, where an error names none. */
const exceptions: Readonly<Record<number, string>> = {
  400: "BadRequestException",
  401: "NotAuthorizedException",
  403: "ForbiddenException",
  404: "NotFoundException",
  409: "CommitFailedException",
  422: "UnprocessableEntityException",
  429: "ServiceUnavailableException",
  500: "InternalServerError",
  502: "CommitStateUnknownException",
  503: "ServiceUnavailableException",
  504: "CommitStateUnknownException",
};

/** `details` may name the `exception`. */
export function icebergError({ type, message, details }: WireError): IcebergError {
  const { exception } = Object(details) as { exception?: unknown };
  const code = errorStatus[type];
  const name = typeof exception === "string" ? exception : exceptions[code];
  return { message, type: name ?? "RESTException", code };
}
