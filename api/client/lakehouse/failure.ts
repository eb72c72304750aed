/** What a call ends with that has no answer to give: the product's error as it came, or what stands in its place. */

interface Facts {
  /** HTTP's; absent where nobody answered. */
  status?: number;
  details?: unknown;
  requestId?: string;
  /** What the product asks to wait; only where nothing was done. */
  retryAfterSeconds?: number;
  /** False where the product says that trying again is of no use. */
  shouldRetry?: boolean;
  cause?: unknown;
}

/** A call that failed. `type` is of the product's table, such as `not_found` or `sql_error`. */
export class LakehouseError extends Error {
  readonly type: string;
  readonly status: number | undefined;
  readonly details: unknown;
  readonly requestId: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly shouldRetry: boolean;

  constructor(type: string, message: string, facts: Facts = {}) {
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.name = "LakehouseError";
    this.type = type;
    this.status = facts.status;
    this.details = facts.details;
    this.requestId = facts.requestId;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.shouldRetry = facts.shouldRetry ?? true;
  }
}

interface ErrorBody {
  error?: { type?: unknown; code?: unknown; message?: unknown; request_id?: unknown; details?: unknown };
}

/** Longer texts of strangers are cut. */
const strangeCharsMax = 200;

/** The error of an answer that is no success, whatever form the endpoint has for its errors. */
export async function refusal(url: string, response: Response): Promise<LakehouseError> {
  const text = await response.text().catch(() => "");
  const { error = {} } = objectOf(text) as ErrorBody;
  const { type, code, message, request_id: requestId, details } = error;
  if (typeof type !== "string" || typeof message !== "string") {
    const words = text.slice(0, strangeCharsMax).trim();
    return new LakehouseError(
      "bad_gateway",
      `${url} answered ${response.status}, and not in the gateway's form: is it the gateway's address?${words && ` It said: ${words}`}`,
      { status: response.status },
    );
  }
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  return new LakehouseError(typeof code === "string" ? code : type, message, {
    status: response.status,
    ...(details !== undefined && { details }),
    ...(typeof requestId === "string" && { requestId }),
    ...(wait >= 0 && { retryAfterSeconds: wait }),
    shouldRetry: response.headers.get("x-should-retry") !== "false",
  });
}

function objectOf(text: string): object {
  try {
    return Object(JSON.parse(text)) as object;
  } catch {
    return {};
  }
}

/** Nobody answered. A change that was asked for may have been carried out all the same, and the error says so. */
export const silence = (url: string, isSafe: boolean, cause: unknown): LakehouseError =>
  isSafe || isRefusedConnection(cause)
    ? new LakehouseError("unavailable", `nothing answers at ${url}; is the product running?`, { cause })
    : new LakehouseError(
        "outcome_unknown",
        `${url} ended the connection before it answered: what was asked for may have been done; look before you ask again`,
        { cause },
      );

/** The answer began and did not come to its end: nothing of it is whole. */
export const brokenOff = (url: string, cause: unknown): LakehouseError =>
  new LakehouseError("unavailable", `the answer of ${url} broke off in its middle`, { cause });

/** As Bun and Node name it; browsers do not tell. */
function isRefusedConnection(cause: unknown): boolean {
  const { code, cause: inner } = Object(cause) as { code?: unknown; cause?: unknown };
  return (
    code === "ConnectionRefused" ||
    code === "ECONNREFUSED" ||
    (inner !== undefined && isRefusedConnection(inner))
  );
}
