/** Errors in the form of OpenAI's API, for the endpoints that its clients call. */
import { errorStatus, type WireError } from "./service-error.ts";

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
