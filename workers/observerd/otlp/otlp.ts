/** OTLP/HTTP in: spans and logged errors become operations; metrics are counted. */

import { LRUCache } from "lru-cache";
import type { RawOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { isObject } from "../../../runtime/json/json.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Observerd } from "../contract.ts";
import {
  type EventInput,
  type Operations,
  operationOf as recordedOperation,
} from "../operations/operations.ts";
import { otlpDoor, type Refused } from "./encoding.ts";
import { itemsOf } from "./groups.ts";
import { readLogs } from "./log-record.ts";
import { operationOf } from "./operation.ts";
import { readSpans, type Span } from "./span.ts";

/** Spans, and traces with their source, that are remembered. Counted as sizes: `max` takes the room of all at once. */
const remembered = { maxSize: 20_000, sizeCalculation: () => 1 };
/** Reasons in an answer for what was not taken. */
const reasonsMax = 5;

/**
 * Answers as OTLP does: 200 with an empty message when all was taken, with `partialSuccess` when some was not.
 * Operations are on stable storage then. A body that is no OTLP request is refused whole.
 */
export function otlpStreams({
  deps,
  operations,
}: {
  deps: Deps;
  operations: Pick<Operations, "record">;
}): Pick<RawOf<Observerd>, "traces" | "logs" | "metrics"> {
  const {
    max_otlp_bytes: bytesMax,
    max_otlp_spans: itemsMax,
    max_event_bytes: eventBytesMax,
  } = deps.config.observerd;
  const rules = { bytesMax, idempotency: deps.idempotency };
  const refusal = (event: EventInput) =>
    refusalOf(event, { id: deps.newId(), nowMs: deps.clock.now(), bytesMax: eventBytesMax });
  const counter = (what: string, of: string) =>
    deps.metrics.counter(
      `observerd_otlp_${what}_total`,
      `${of} that arrived by OTLP, by what became of them.`,
    );
  const spans = spanTaker(operations, counter("spans", "Spans"), refusal);
  const records = counter("log_records", "Log records");
  const points = counter("data_points", "Data points");

  return {
    traces: otlpDoor("traces", rules, (request) => spans(request, itemsMax)),
    logs: otlpDoor("logs", rules, async (request) => {
      const read = readLogs(request, itemsMax, deps.clock.now());
      const events = read.events.filter((each) => {
        const why = refusal(each);
        if (why !== undefined) read.rejected.push(`log record of '${each.endpoint.slice(0, 60)}': ${why}`);
        return why === undefined;
      });
      if (events.length > 0) await operations.record(events);
      records.add(events.length, { outcome: "recorded" });
      records.add(read.passed, { outcome: "counted" });
      records.add(read.rejected.length, { outcome: "rejected" });
      return withCounted(
        refusedOf(read.rejected),
        read.passed,
        "log records were counted and not kept: those of errors are",
      );
    }),
    metrics: otlpDoor("metrics", rules, async (request) => {
      const count = pointsIn(request);
      points.add(count, { outcome: "counted" });
      return withCounted(
        refusedOf([]),
        count,
        "data points were counted and not kept: observerd keeps operations",
      );
    }),
  };
}

type Counter = ReturnType<Deps["metrics"]["counter"]>;
type Refusal = (event: EventInput) => string | undefined;

/** Takes the spans of requests; one that comes again, after an answer that was lost, is not recorded twice. */
function spanTaker(operations: Pick<Operations, "record">, counted: Counter, refusal: Refusal) {
  const known = new LRUCache<string, true>(remembered);
  const sources = new LRUCache<string, string>(remembered);
  return async (request: Record<string, unknown>, spansMax: number): Promise<Refused> => {
    const read = readSpans(request, spansMax);
    const fresh = new Map<string, EventInput>();
    let repeated = 0;
    for (const [span, event] of inOneSource(read.spans, sources)) {
      const key = keyOf(span);
      if (known.has(key) || fresh.has(key)) {
        repeated += 1;
        continue;
      }
      const why = refusal(event);
      if (why === undefined) fresh.set(key, event);
      else read.rejected.push(`span '${span.name.slice(0, 60)}': ${why}`);
    }
    if (fresh.size > 0) await operations.record([...fresh.values()]);
    for (const key of fresh.keys()) known.set(key, true);
    counted.add(fresh.size, { outcome: "recorded" });
    counted.add(repeated, { outcome: "repeated" });
    counted.add(read.rejected.length, { outcome: "rejected" });
    return refusedOf(read.rejected);
  };
}

/** An open span is sent again when it has ended. */
const keyOf = ({ traceId, spanId, isOpen }: Span): string => `${traceId}${spanId}${isOpen ? " open" : ""}`;

/**
 * The spans as operations, those of one trace from one source: Langfuse's when any of its first ones is, for its own
 * spans stand among those of other instrumentations.
 */
function inOneSource(spans: readonly Span[], sources: LRUCache<string, string>): [Span, EventInput][] {
  const all = spans.map((span): [Span, EventInput] => [span, operationOf(span)]);
  const langfuse = new Set(
    all.filter(([, { source }]) => source === "langfuse").map(([span]) => span.traceId),
  );
  return all.map(([span, event]) => {
    const { traceId } = span;
    const source = sources.get(traceId) ?? (langfuse.has(traceId) ? "langfuse" : "otlp");
    sources.set(traceId, source);
    return [span, { ...event, source }];
  });
}

/** Why the log would not take it; one bad item must not take the others with it. */
function refusalOf(event: EventInput, as: Parameters<typeof recordedOperation>[1]): string | undefined {
  try {
    recordedOperation(event, as);
    return undefined;
  } catch (cause) {
    if (cause instanceof ServiceError) return cause.message;
    throw cause;
  }
}

function refusedOf(rejected: readonly string[]): Refused {
  const shown = rejected.slice(0, reasonsMax).join("; ");
  const more = rejected.length > reasonsMax ? `; and ${rejected.length - reasonsMax} more` : "";
  return { count: rejected.length, why: shown + more };
}

/** What was only counted is in the answer, too: nothing is dropped without a word. */
const withCounted = ({ count, why }: Refused, counted: number, words: string): Refused =>
  counted === 0
    ? { count, why }
    : { count: count + counted, why: [why, `${counted} ${words}`].filter(Boolean).join("; ") };

const metricNames = { resources: "resourceMetrics", scopes: "scopeMetrics", items: "metrics" };

/** Data points of all metrics, of whatever kind they are. */
function pointsIn(request: Record<string, unknown>): number {
  let count = 0;
  for (const { raw } of itemsOf(request, metricNames))
    for (const data of Object.values(Object(raw)))
      if (isObject(data) && Array.isArray(data.dataPoints)) count += data.dataPoints.length;
  return count;
}
