/** A span as an operation, by OpenTelemetry's semantic conventions, those of Langfuse and OpenInference. */
import { type EventInput, isTraceUid } from "../operations/operations.ts";
import { timeOf } from "./groups.ts";
import { kindName, type Span } from "./span.ts";
import { type Attributes, bounded } from "./value.ts";

const endpointCharsMax = 1000;
const wordCharsMax = 200;
/** Both summaries together stay well below what an operation may have, in characters. */
const summaryCharsMax = 24 * 1024;
const errorCharsMax = 4 * 1024;

// The first key that has a value counts. Old names stand behind the current ones.
const modelKeys = [
  "gen_ai.request.model",
  "gen_ai.response.model",
  "langfuse.observation.model.name",
  "llm.model_name",
];
const inputKeys = [
  "langfuse.observation.input",
  "langfuse.trace.input",
  "gen_ai.input.messages",
  "gen_ai.prompt",
  "input.value",
  "gen_ai.tool.call.arguments",
  "db.query.text",
];
const outputKeys = [
  "langfuse.observation.output",
  "langfuse.trace.output",
  "gen_ai.output.messages",
  "gen_ai.completion",
  "output.value",
  "gen_ai.tool.call.result",
];
const statusKeys = ["http.response.status_code", "http.status_code"];
const pathKeys = ["url.path", "http.target"];
const traceKey = "lakehouse.trace_uid";
/** What stands in fields of its own is not kept twice. */
const taken = new Set([...inputKeys, ...outputKeys]);

/** The operation a span tells of. */
export function operationOf(span: Span): EventInput {
  const { attributes } = span;
  const failure = failureOf(span);
  const uid = attributes.get(traceKey);
  const text = (keys: readonly string[], most: number) => cut(textOf(first(attributes, keys)), most);
  return {
    endpoint: cut(endpointOf(span), endpointCharsMax),
    source: isFromLangfuse(span) ? "langfuse" : "otlp",
    success: failure === undefined,
    duration_ms: Number(span.endNanos - span.startNanos) / 1e6,
    timestamp: timeOf(span.startNanos),
    // A trace is a run; a session, which holds many, stays among the attributes.
    run_id: span.traceId,
    ...given("model", text(modelKeys, wordCharsMax)),
    ...given("input_summary", text(inputKeys, summaryCharsMax)),
    ...given("output_summary", text(outputKeys, summaryCharsMax)),
    // What no trace can be called stays among the attributes.
    ...(isTraceUid(uid) && { trace_uid: uid }),
    ...given("error", failure && cut(failure, errorCharsMax)),
    attributes: keptAttributes(span),
  };
}

const given = <K extends string>(key: K, value: string | undefined) =>
  (value === undefined || value === "" ? {} : { [key]: value }) as { [P in K]?: string };

/** A text that is longer ends in an ellipsis. */
export function cut(text: string, most: number): string;
export function cut(text: string | undefined, most: number): string | undefined;
export function cut(text: string | undefined, most: number): string | undefined {
  return text !== undefined && text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

const first = (attributes: Attributes, keys: readonly string[]): unknown =>
  keys.map((key) => attributes.get(key)).find((value) => value !== undefined && value !== null);

const textOf = (value: unknown): string | undefined =>
  value === undefined || typeof value === "string" ? value : JSON.stringify(value);

/** The route of a request, the call of a model, the path, or the span's own name. */
function endpointOf({ attributes, name }: Span): string {
  const route = attributes.get("http.route");
  if (typeof route === "string" && route !== "") return route;
  const operation = attributes.get("gen_ai.operation.name");
  if (typeof operation === "string" && operation !== "") {
    // As the conventions name such spans: `chat gpt-4o`, `execute_tool search`.
    const of = first(attributes, ["gen_ai.tool.name", "gen_ai.request.model", "gen_ai.agent.name"]);
    return typeof of === "string" ? `${operation} ${of}` : operation;
  }
  const path = first(attributes, pathKeys);
  if (typeof path === "string" && path !== "") return path.split("?")[0] ?? path;
  return name;
}

const isFromLangfuse = ({ attributes, resource, scope }: Span): boolean =>
  scope.startsWith("langfuse") ||
  [...attributes.keys(), ...resource.keys()].some((key) => key.startsWith("langfuse."));

/** Why the span failed, or undefined. A status that was set counts before what attributes and events say. */
function failureOf({ status, attributes, events, kind }: Span): string | undefined {
  if (status.code === 1) return undefined;
  const exception = events.findLast(({ name }) => name === "exception");
  const thrown = exception && exceptionText(exception.attributes);
  const type = attributes.get("error.type");
  const http = Number(first(attributes, statusKeys));
  // A client's 4xx is its failure; a server that answers 4xx did what it should.
  const isHttpError = http >= 500 || (http >= 400 && kind === 3);
  const isLangfuseError = attributes.get("langfuse.observation.level") === "ERROR";
  const failed = status.code === 2 || exception || type !== undefined || isHttpError || isLangfuseError;
  if (!failed) return undefined;
  const statusMessage = status.message || textOf(attributes.get("langfuse.observation.status_message"));
  return (
    thrown || statusMessage || textOf(type) || (isHttpError ? `HTTP ${http}` : "the span's status is error")
  );
}

export function exceptionText(attributes: Attributes): string | undefined {
  const parts = ["exception.type", "exception.message"].map((key) => textOf(attributes.get(key)));
  return parts.filter((part) => part !== undefined && part !== "").join(": ") || undefined;
}

/** Bytes of attributes that are kept, as JSON; an operation is no place for whole documents. */
const attributesBytesMax = 32 * 1024;

function keptAttributes(span: Span): Record<string, unknown> {
  const service = span.resource.get("service.name");
  const kept: Record<string, unknown> = {
    span_id: span.spanId,
    ...(span.parentSpanId !== undefined && { parent_span_id: span.parentSpanId }),
    span_name: cut(span.name, endpointCharsMax),
    span_kind: kindName(span.kind),
    ...(typeof service === "string" && { "service.name": cut(service, wordCharsMax) }),
    ...(span.isOpen && { span_open: true }),
    ...(span.status.message !== "" && { status_message: cut(span.status.message, errorCharsMax) }),
  };
  const events = span.events.map(({ name, nanos, attributes }) => ({
    name,
    ...(nanos !== undefined && { timestamp: timeOf(nanos) }),
    ...(attributes.size > 0 && { attributes: Object.fromEntries(attributes) }),
  }));
  const all = new Map([...span.attributes, ...(events.length > 0 ? [["span.events", events] as const] : [])]);
  return keptOf(all, kept, span.attributesLeftOut);
}

/** The attributes that an operation keeps, with the number of those left out. */
export function keptOf(
  attributes: Attributes,
  beside: Record<string, unknown>,
  alreadyLeftOut = 0,
): Record<string, unknown> {
  const kept = { ...beside };
  let bytes = 0;
  let leftOut = alreadyLeftOut;
  for (const [key, value] of attributes) {
    if (taken.has(key) || (key === traceKey && isTraceUid(value))) continue;
    const small = bounded(value);
    bytes += key.length + Buffer.byteLength(JSON.stringify(small));
    if (bytes <= attributesBytesMax)
      Object.defineProperty(kept, key, {
        value: small,
        enumerable: true,
        configurable: true,
        writable: true,
      });
    else leftOut += 1;
  }
  return leftOut > 0 ? { ...kept, attributes_left_out: leftOut } : kept;
}
