/** Failures of the gateway and of tools, as text that says what an agent can do about them. */

import { errorCode } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { isNobodyThere } from "../../../runtime/upstream/upstream.ts";

interface Failure {
  /** The product's error type. */
  type: string;
  message: string;
  status?: number;
  requestId?: string;
  retryAfterSeconds?: number;
  details?: unknown;
  cause?: unknown;
}

/** The gateway refused, could not be reached, or answered what cannot be used. */
export class GatewayFailure extends Error {
  readonly type: string;
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message, { cause: failure.cause });
    this.name = "GatewayFailure";
    this.type = failure.type;
    this.failure = failure;
  }
}

/** Nobody answers at the address; what was sent may have been carried out all the same. */
export const unanswered = (url: string, method: string, cause: unknown): GatewayFailure =>
  method === "GET" || isNobodyThere(cause)
    ? new GatewayFailure({
        type: "unavailable",
        message: `the gateway at ${url} cannot be reached (${reasonOf(cause)})`,
        cause,
      })
    : new GatewayFailure({
        type: "outcome_unknown",
        message: `the gateway at ${url} ended the connection before it answered (${reasonOf(cause)}): a change that was asked for may have been carried out; look what is there before you ask again`,
        cause,
      });

function reasonOf(cause: unknown): string {
  const code = errorCode(cause);
  if (typeof code === "string" && code !== "") return code;
  return cause instanceof Error ? cause.name : "no answer";
}

interface ErrorBody {
  error?: { type?: unknown; message?: unknown; request_id?: unknown; details?: unknown };
}

/** An answer that is an error: in the product's form, or of something else that stands at the address. */
export function refused(url: string, status: number, text: string): GatewayFailure {
  const { type, message, request_id: requestId, details } = errorIn(text);
  if (typeof type !== "string" || typeof message !== "string") {
    const what = `${url} answered ${status}, and not in the gateway's form`;
    return new GatewayFailure({
      type: "bad_gateway",
      status,
      message: `${what}: is it the gateway's address?`,
    });
  }
  return new GatewayFailure({
    type,
    message,
    status,
    ...(typeof requestId === "string" && { requestId }),
    ...(details !== undefined && { details }),
  });
}

function errorIn(text: string): NonNullable<ErrorBody["error"]> {
  try {
    return (JSON.parse(text) as ErrorBody | null)?.error ?? {};
  } catch {
    return {};
  }
}

/** The same failure with the existing names, where a name was not found. */
export async function withNames(
  cause: unknown,
  what: string,
  names: () => Promise<string[]>,
): Promise<unknown> {
  if (!(cause instanceof GatewayFailure) || cause.type !== "not_found") return cause;
  const known = await names().catch(() => undefined);
  if (known === undefined) return cause;
  const listed = known.length === 0 ? `there are no ${what} yet` : `${what} there are: ${known.join(", ")}`;
  return new GatewayFailure({ ...cause.failure, type: "not_found", message: `${cause.message}; ${listed}` });
}

/** What to do, by the error's type. */
const advice: Readonly<Record<string, string>> = {
  unauthorized:
    "The gateway wants a token: set AUTH_TOKEN in the environment of this MCP server, or give it --token-file PATH, then restart it.",
  forbidden: "This address may not call the gateway: see allowed_ips under [auth] in lakehouse.toml.",
  statement_not_allowed:
    "Only reading statements over registered datasets run: SELECT, WITH, VALUES, DESCRIBE, SHOW, SUMMARIZE, EXPLAIN.",
  sql_error: "Correct the statement. list_datasets names the datasets, get_manifest their columns and types.",
  timeout: "Ask for less (aggregate, filter, LIMIT), or give a larger timeout_ms.",
  resource_exhausted: "Ask for less: aggregate or filter first, and select fewer columns.",
  too_many_requests: "Wait a little and call again.",
  overloaded: "Wait a little and call again.",
  unavailable: "Is the product running? `bun run supervisor` starts it; then call again.",
  unknown_field: "Correct the arguments: see the tool's inputSchema.",
  invalid_field: "Correct the arguments: see the tool's inputSchema.",
  corrupt:
    "Stored data is damaged: an operator must look at /readyz of the service. Trying again does not help.",
  internal: "Trying again may not help; the product's log has the cause under this request id.",
};

/** Longer details are truncated. */
const detailCharsMax = 4000;

/**
 * The text of a failed tool call: what happened, then what to do; where a name is not there, `lookUp` says how to find
 * those there are. Unexpected errors reveal no internals.
 */
export function failureText(error: unknown, lookUp: string): string {
  const known = error instanceof ServiceError || error instanceof GatewayFailure;
  if (!known) return "the MCP server failed inside; its log on stderr has the cause";
  const { status, requestId, retryAfterSeconds, details }: Partial<Failure> =
    error instanceof GatewayFailure ? error.failure : { details: error.details };
  const facts = [
    error.type,
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
    ...(retryAfterSeconds === undefined ? [] : [`retry after ${retryAfterSeconds} s`]),
  ];
  const parts = [`${error.message} (${facts.join(", ")})`];
  if (details !== undefined) parts.push(`Details: ${JSON.stringify(details).slice(0, detailCharsMax)}`);
  const what = error.type === "not_found" ? `Check the name: ${lookUp}` : advice[error.type];
  if (what !== undefined) parts.push(what);
  return parts.join("\n");
}
