/** OTLP/HTTP in its two encodings: what comes, in one form, and answers in the encoding that came. */

import { bufferedResponse, jsonResponse, readBytes } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest, RawContext } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import { parseJsonWithTexts } from "../../../runtime/json/json.ts";
import { requests, type Signal } from "./messages.ts";
import { decodeMessage, encodeAnswer, encodeStatus } from "./protobuf.ts";

type Json = Record<string, unknown>;

/** What was not taken or not kept of a request. */
export interface Refused {
  count: number;
  /** For people; empty when all was taken. */
  why: string;
}

/** The count's name in the JSON encoding. */
const countNames: Record<Signal, string> = {
  traces: "rejectedSpans",
  logs: "rejectedLogRecords",
  metrics: "rejectedDataPoints",
};

const protobuf = "application/x-protobuf";
const isProtobuf = ({ headers }: HttpRequest): boolean =>
  /^application\/(x-)?(google-)?protobuf\s*(;|$)/i.test(headers.get("content-type") ?? "");

/**
 * A door of one signal: `take` gets the request as the JSON encoding has it, whatever the encoding was, and says what it
 * did not take. The answer, a failure's too, is in the encoding of the request. With an Idempotency-Key it is taken once.
 */
export function otlpDoor(
  signal: Signal,
  { bytesMax, idempotency }: { bytesMax: number; idempotency: Pick<Idempotency, "once"> },
  take: (request: Json) => Promise<Refused>,
): (input: unknown, context: Pick<RawContext, "request" | "idempotencyKey">) => Promise<Response> {
  const takeOnce = (key: string | undefined, bytes: Uint8Array, request: Json) =>
    key === undefined
      ? take(request)
      : idempotency.once(key, `${signal} ${Bun.CryptoHasher.hash("sha256", bytes, "hex")}`, () =>
          take(request),
        );
  return async (_input, { request, idempotencyKey }) => {
    if (!isProtobuf(request)) {
      const bytes = await readJson(request, bytesMax);
      return jsonAnswer(signal, await takeOnce(idempotencyKey, bytes, parse(bytes)));
    }
    try {
      const bytes = await readBytes(request, bytesMax);
      const { count, why } = await takeOnce(idempotencyKey, bytes, decodeMessage(bytes, requests[signal]));
      return bufferedResponse(encodeAnswer(count, why), { headers: { "content-type": protobuf } });
    } catch (cause) {
      if (cause instanceof ServiceError && cause.type !== "internal") return failed(cause);
      throw cause;
    }
  };
}

/** gRPC's code for what an HTTP status says: 3 an argument that is wrong, 8 too much, 14 not now, 13 the rest. */
function failed({ status, message, retryAfterSeconds }: ServiceError): Response {
  const code = status === 429 || status === 413 ? 8 : status < 500 ? 3 : status === 503 ? 14 : 13;
  return bufferedResponse(encodeStatus(code, message), {
    status,
    headers: {
      "content-type": protobuf,
      ...(retryAfterSeconds !== undefined && { "retry-after": String(retryAfterSeconds) }),
    },
  });
}

/** 64-bit counts are texts in protobuf's JSON. */
const jsonAnswer = (signal: Signal, { count, why }: Refused): Response =>
  jsonResponse(
    why === "" ? {} : { partialSuccess: { [countNames[signal]]: String(count), errorMessage: why } },
  );

async function readJson(request: HttpRequest, bytesMax: number): Promise<Uint8Array> {
  const type = request.headers.get("content-type") ?? "application/json";
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: ${protobuf} or application/json, got ${type.slice(0, 100)}`,
    );
  const bytes = await readBytes(request, bytesMax);
  if (bytes.length === 0) throw fail("invalid_json", "the body is empty; expected an OTLP request as JSON");
  return bytes;
}

function parse(bytes: Uint8Array): Json {
  const value = jsonIn(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("invalid_json", "expected a JSON object with resourceSpans, resourceLogs or resourceMetrics");
  return value as Json;
}

function jsonIn(bytes: Uint8Array): unknown {
  try {
    // OTLP writes 64-bit integers as text or number; those a float cannot hold are text from here on.
    return parseJsonWithTexts(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? `valid JSON: ${cause.message}` : "valid UTF-8";
    throw fail("invalid_json", `the body is not ${what}`, { cause });
  }
}
