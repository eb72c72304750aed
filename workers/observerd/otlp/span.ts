/** The spans of an OTLP trace request: what is one, and what is not and why. */

import { fail } from "../../../runtime/errors/errors.ts";
import { isObject } from "../../../runtime/json/json.ts";
import { hexId, itemsOf, nanosOf } from "./groups.ts";
import { type Attributes, attributesOf, leftOut } from "./value.ts";

interface SpanEvent {
  name: string;
  /** Undefined where the sender gave none. */
  nanos: bigint | undefined;
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
  /** It has not ended yet; the sender tells of it again when it has. */
  isOpen: boolean;
  /** 0 unset, 1 ok, 2 error. */
  status: { code: number; message: string };
  attributes: Attributes;
  /** Attributes that were left out, here or by the sender. */
  attributesLeftOut: number;
  events: SpanEvent[];
  resource: Attributes;
  scope: string;
}

interface ReadSpans {
  spans: Span[];
  /** Why spans could not be taken, one text a span. */
  rejected: string[];
}

/** Events of a span that are looked at; the SDKs' own limit. */
const eventsMax = 128;

const names = { resources: "resourceSpans", scopes: "scopeSpans", items: "spans" };

/** What a request holds. */
export function readSpans(request: Record<string, unknown>, spansMax: number): ReadSpans {
  const read: ReadSpans = { spans: [], rejected: [] };
  for (const { raw, resource, scope } of itemsOf(request, names)) {
    if (read.spans.length + read.rejected.length >= spansMax)
      throw fail("too_large", `the request has more than ${spansMax} spans: send smaller batches`);
    const span = readSpan(raw, resource, scope);
    if (typeof span === "string") read.rejected.push(span);
    else read.spans.push(span);
  }
  return read;
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
  const startNanos = nanosOf(raw.startTimeUnixNano);
  if (startNanos === undefined) return wrong("startTimeUnixNano is not a count of nanoseconds");
  const isOpen = [undefined, null, "", 0, "0"].includes(raw.endTimeUnixNano as string);
  const endNanos = isOpen ? startNanos : nanosOf(raw.endTimeUnixNano);
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
    isOpen,
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
  (Array.isArray(value) ? value.slice(0, eventsMax) : [])
    .filter(isObject)
    .map(({ name, timeUnixNano, attributes }) => ({
      name: typeof name === "string" ? name : "",
      nanos: nanosOf(timeUnixNano),
      attributes: attributesOf(attributes),
    }));

/** The kind's name in lower case, as `server`. */
export const kindName = (kind: number): string => (kinds[kind] ?? "UNSPECIFIED").toLowerCase();
