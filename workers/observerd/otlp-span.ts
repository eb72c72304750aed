/** The spans of an OTLP trace request in its JSON encoding: what is one, and what is not and why. */
import { fail } from "../../runtime/errors.ts";
import { type Attributes, attributesOf, leftOut } from "./otlp-value.ts";

interface SpanEvent {
  name: string;
  attributes: Attributes;
}

export interface Span {
  /** 32 hexadecimal digits, lower case. */
  traceId: string;
  /** 16 of them. */
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  kind: number;
  startNanos: bigint;
  endNanos: bigint;
  /** 0 unset, 1 ok, 2 error. */
  status: { code: number; message: string };
  attributes: Attributes;
  /** Attributes that were left out, here or by the sender. */
  attributesLeftOut: number;
  events: SpanEvent[];
  resource: Attributes;
  scope: string;
}

export interface ReadSpans {
  spans: Span[];
  /** Why spans could not be taken, one text a span. */
  rejected: string[];
}

/** Events of a span that are looked at; the SDKs' own limit. */
const eventsMax = 128;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a request holds. Fields that are not known are passed over, as OTLP demands; a wrong frame is a 400. */
export function readSpans(request: Record<string, unknown>, spansMax: number): ReadSpans {
  const read: ReadSpans = { spans: [], rejected: [] };
  if (request.resource_spans !== undefined)
    throw fail("invalid_field", "resource_spans: OTLP's JSON names are in lowerCamelCase, as resourceSpans");
  for (const [at, group] of listOf(request.resourceSpans, "resourceSpans")) {
    const where = `resourceSpans.${at}`;
    const resource = attributesOf(isObject(group.resource) ? group.resource.attributes : []);
    for (const [of, scoped] of listOf(group.scopeSpans, `${where}.scopeSpans`)) {
      const scope = isObject(scoped.scope) && typeof scoped.scope.name === "string" ? scoped.scope.name : "";
      for (const [, raw] of listOf(scoped.spans, `${where}.scopeSpans.${of}.spans`, false)) {
        if (read.spans.length + read.rejected.length >= spansMax)
          throw fail("too_large", `the request has more than ${spansMax} spans: send smaller batches`);
        const span = readSpan(raw, resource, scope);
        if (typeof span === "string") read.rejected.push(span);
        else read.spans.push(span);
      }
    }
  }
  return read;
}

function listOf(value: unknown, where: string, objects = true): [number, Record<string, unknown>][] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw fail("invalid_field", `${where}: expected a list, got ${typeof value}`);
  const wrong = objects ? value.findIndex((item) => !isObject(item)) : -1;
  if (wrong >= 0) throw fail("invalid_field", `${where}.${wrong}: expected an object`);
  return value.map((item, at) => [at, item as Record<string, unknown>]);
}

const hexId = (value: unknown, digits: number): string | undefined => {
  if (typeof value !== "string" || value.length !== digits || !/^[0-9a-f]+$/i.test(value)) return undefined;
  return /^0+$/.test(value) ? undefined : value.toLowerCase();
};

/** Nanoseconds since the epoch, as text or number; 64 bits unsigned. */
function nanos(value: unknown): bigint | undefined {
  const isNumber = typeof value === "number" && Number.isInteger(value) && value > 0;
  if (!isNumber && !(typeof value === "string" && /^\d{1,20}$/.test(value))) return undefined;
  const count = BigInt(value as string | number);
  return count > 0n && count < 1n << 64n ? count : undefined;
}

/** The span, or why it is none. */
function readSpan(raw: unknown, resource: Attributes, scope: string): Span | string {
  if (!isObject(raw)) return "a span is no object";
  const name = typeof raw.name === "string" ? raw.name : "";
  const wrong = (what: string) => `span '${name.slice(0, 60)}': ${what}`;
  const traceId = hexId(raw.traceId, 32);
  if (traceId === undefined) return wrong("traceId is not 32 hexadecimal digits, one of them not zero");
  const spanId = hexId(raw.spanId, 16);
  if (spanId === undefined) return wrong("spanId is not 16 hexadecimal digits, one of them not zero");
  const hasParent = raw.parentSpanId !== undefined && raw.parentSpanId !== "";
  const parentSpanId = hexId(raw.parentSpanId, 16);
  if (hasParent && parentSpanId === undefined) return wrong("parentSpanId is not 16 hexadecimal digits");
  if (name === "") return wrong("name is missing");
  const startNanos = nanos(raw.startTimeUnixNano);
  if (startNanos === undefined) return wrong("startTimeUnixNano is not a count of nanoseconds");
  const endNanos = nanos(raw.endTimeUnixNano);
  if (endNanos === undefined) return wrong("endTimeUnixNano is not a count of nanoseconds");
  if (endNanos < startNanos) return wrong("it ends before it begins");
  const status = statusOf(raw.status);
  if (status === undefined) return wrong("status.code is not 0, 1 or 2");
  const dropped = Number(raw.droppedAttributesCount ?? 0);
  return {
    traceId,
    spanId,
    ...(parentSpanId !== undefined && { parentSpanId }),
    name,
    kind: kindOf(raw.kind),
    startNanos,
    endNanos,
    status,
    attributes: attributesOf(raw.attributes),
    attributesLeftOut: leftOut(raw.attributes) + (Number.isSafeInteger(dropped) ? Math.max(0, dropped) : 0),
    events: eventsOf(raw.events),
    resource,
    scope,
  };
}

const kinds = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const codes = ["UNSET", "OK", "ERROR"];

/** Enums are numbers in OTLP; senders with a general protobuf encoder write their names. */
const enumOf = (value: unknown, names: readonly string[], prefix: string): number =>
  typeof value === "string" ? names.indexOf(value.replace(prefix, "")) : Number(value ?? 0);

function kindOf(value: unknown): number {
  const kind = enumOf(value, kinds, "SPAN_KIND_");
  return kinds[kind] === undefined ? 0 : kind;
}

function statusOf(value: unknown): Span["status"] | undefined {
  if (value === undefined || value === null) return { code: 0, message: "" };
  if (!isObject(value)) return undefined;
  const code = enumOf(value.code, codes, "STATUS_CODE_");
  if (codes[code] === undefined) return undefined;
  return { code, message: typeof value.message === "string" ? value.message : "" };
}

const eventsOf = (value: unknown): SpanEvent[] =>
  (Array.isArray(value) ? value.slice(0, eventsMax) : []).filter(isObject).map(({ name, attributes }) => ({
    name: typeof name === "string" ? name : "",
    attributes: attributesOf(attributes),
  }));

/** The kind's name in lower case, as `server`. */
export const kindName = (kind: number): string => (kinds[kind] ?? "UNSPECIFIED").toLowerCase();
