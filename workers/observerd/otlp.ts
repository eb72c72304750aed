/** OTLP/HTTP in: traces in the JSON encoding become operations. */
import { readBytes } from "../../runtime/body.ts";
import type { RawOf } from "../../runtime/contract.ts";
import { fail, ServiceError } from "../../runtime/errors.ts";
import { parseJsonWithTexts } from "../../runtime/json.ts";
import { jsonResponse } from "../../runtime/whole.ts";
import type { Observerd } from "./contract.ts";
import type { Told } from "./operations.ts";
import { operationOf as recordedOperation } from "./operations-told.ts";
import { operationOf } from "./otlp-operation.ts";
import { type ReadSpans, readSpans, type Span } from "./otlp-span.ts";
import type { Parts } from "./parts.ts";

/** Spans remembered so that one sent again, after an answer that was lost, is not recorded twice. */
const rememberedMax = 20_000;
/** Reasons that are told of spans that were not taken. */
const reasonsMax = 5;

/**
 * Answers as OTLP does: 200 with `{}` when all spans were taken, with `partialSuccess` when some were not. Operations
 * are on stable storage then. A body that is no OTLP request is refused whole.
 */
export function otlpStreams({ deps, operations }: Parts): Pick<RawOf<Observerd>, "traces"> {
  const { config, metrics } = deps;
  const {
    max_otlp_bytes: bytesMax,
    max_otlp_spans: spansMax,
    max_event_bytes: eventBytesMax,
  } = config.observerd;
  const counted = metrics.counter(
    "observerd_otlp_spans_total",
    "Spans that arrived by OTLP, by what became of them.",
  );
  const known = new Set<string>();

  /** Notes spans as recorded; the oldest are forgotten. */
  const remember = (keys: readonly string[]) => {
    for (const key of keys) known.add(key);
    for (const key of known) {
      if (known.size <= rememberedMax) break;
      known.delete(key);
    }
  };

  return {
    traces: async (_input, { request }) => {
      const read = readSpans(await readRequest(request, bytesMax), spansMax);
      const refusal = (told: Told) =>
        refusalOf(told, { id: deps.newId(), nowMs: deps.clock.now(), bytesMax: eventBytesMax });
      const { fresh, told } = chosen(read, known, refusal);
      const repeated = read.spans.length - fresh.length;
      if (told.length > 0) await operations.record(told);
      remember(fresh);
      counted.add(told.length, { outcome: "recorded" });
      counted.add(repeated, { outcome: "repeated" });
      counted.add(read.rejected.length, { outcome: "rejected" });
      return jsonResponse(answerOf(read.rejected));
    },
  };
}

const keyOf = ({ traceId, spanId }: Span): string => traceId + spanId;

/** The spans that are new, as operations; one that cannot be an operation joins the rejected. */
function chosen(
  read: ReadSpans,
  known: ReadonlySet<string>,
  refusal: (told: Told) => string | undefined,
): { fresh: string[]; told: Told[] } {
  const fresh = new Map<string, Told>();
  read.spans = read.spans.filter((span) => {
    const key = keyOf(span);
    if (known.has(key) || fresh.has(key)) return true;
    const told = operationOf(span);
    const why = refusal(told);
    if (why === undefined) fresh.set(key, told);
    else read.rejected.push(`span '${span.name.slice(0, 60)}': ${why}`);
    return why === undefined;
  });
  return { fresh: [...fresh.keys()], told: [...fresh.values()] };
}

/** Why the log would not take it; one bad span must not take the others with it. */
function refusalOf(told: Told, as: Parameters<typeof recordedOperation>[1]): string | undefined {
  try {
    recordedOperation(told, as);
    return undefined;
  } catch (cause) {
    if (cause instanceof ServiceError) return cause.message;
    throw cause;
  }
}

/** 64-bit counts are texts in protobuf's JSON. */
function answerOf(rejected: readonly string[]): Record<string, unknown> {
  if (rejected.length === 0) return {};
  const shown = rejected.slice(0, reasonsMax).join("; ");
  const more = rejected.length > reasonsMax ? `; and ${rejected.length - reasonsMax} more` : "";
  return { partialSuccess: { rejectedSpans: String(rejected.length), errorMessage: shown + more } };
}

async function readRequest(request: Request, bytesMax: number): Promise<Record<string, unknown>> {
  const type = request.headers.get("content-type") ?? "application/json";
  if (/protobuf/i.test(type)) {
    throw fail(
      "unsupported_media_type",
      `expected OTLP as JSON, got ${type.slice(0, 100)}: set the exporter's protocol to http/json (OTEL_EXPORTER_OTLP_PROTOCOL=http/json)`,
    );
  }
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    throw fail(
      "unsupported_media_type",
      `expected Content-Type: application/json, got ${type.slice(0, 100)}`,
    );
  }
  const bytes = await readBytes(request, bytesMax);
  if (bytes.length === 0) throw fail("invalid_json", "the body is empty; expected an OTLP request as JSON");
  const value = parse(bytes);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw fail("invalid_json", "expected a JSON object with resourceSpans");
  return value as Record<string, unknown>;
}

function parse(bytes: Uint8Array): unknown {
  try {
    // OTLP writes 64-bit integers as text or number; those a float cannot hold are text from here on.
    return parseJsonWithTexts(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const what = cause instanceof SyntaxError ? `valid JSON: ${cause.message}` : "valid UTF-8";
    throw fail("invalid_json", `the body is not ${what}`, { cause });
  }
}
