/** Spans of this service: begun at its doors, exported by OTLP where `[telemetry] otlp_endpoint` says where to. */
import { version } from "../../package.json";
import type { Config } from "../config/config.ts";
import { attributesOf, createExporter, nanosOf, requestOf } from "../otlp/otlp.ts";
import type { Invoke } from "../rpc/rpc.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import type { Secrets } from "../secrets/secrets.ts";
import type { Log, Metrics } from "../telemetry/telemetry.ts";
import {
  currentTrace,
  inSpan,
  newTrace,
  type Span,
  type TraceContext,
  traceOf,
} from "../trace-context/trace-context.ts";

export interface Tracing {
  /** The trace of what a door is asked with: the caller's, or a new one where spans are exported. */
  begin: (parent: string | null | undefined, state?: string | null) => TraceContext | undefined;
  /** Calls of verbs in a span each, where their caller is part of a trace. */
  spanned: (contract: string, invoke: Invoke) => Invoke;
  /** Answers a request in a span of its own. */
  answer: (asked: Asked, work: () => Promise<Response>) => Promise<Response>;
  stop: () => Promise<void>;
}

interface Asked {
  headers: Headers;
  method: string;
  /** The route's pattern: paths hold names. */
  route: string;
}

interface TracingOptions {
  service: string;
  config: Config["telemetry"];
  secrets: Pick<Secrets, "provider">;
  metrics: Metrics;
  clock: Clock;
  log: Log;
}

const retries = 2;

export function createTracing(options: TracingOptions): Tracing {
  const { config } = options;
  const exporter = config.otlp_endpoint === "" ? undefined : exporterOf(options);
  const record = exporter && ((span: Span) => exporter.add(span));
  const roots = new WeakSet<TraceContext>();
  const begin: Tracing["begin"] = (parent, state) => {
    const caller = traceOf(parent, state);
    if (caller !== undefined) return record ? { ...caller, record } : caller;
    if (record === undefined || Math.random() >= config.sample_percent / 100) return undefined;
    const own = { ...newTrace(), record };
    roots.add(own);
    return own;
  };
  return {
    begin,
    answer: ({ headers, method, route }, work) => {
      const trace = begin(headers.get("traceparent"), headers.get("tracestate"));
      if (trace === undefined) return work();
      const attributes = { "http.request.method": method, "http.route": route };
      const isRoot = roots.has(trace);
      return inSpan(
        trace,
        { name: `${method} ${route}`, kind: "server", attributes, isRoot },
        async (span) => {
          const response = await work();
          span.set({ "http.response.status_code": response.status });
          if (response.status >= 500) span.fail(`answered ${response.status}`);
          return response;
        },
      );
    },
    spanned: (contract, invoke) => (verb, input, context) => {
      const trace = currentTrace();
      if (trace === undefined) return invoke(verb, input, context);
      const name = `${contract}.${verb}`;
      return inSpan({ ...trace, record }, { name, kind: "server" }, () => invoke(verb, input, context));
    },
    stop: async () => exporter?.stop(),
  };
}

/** OTLP's numbers for what a span is. */
const kinds = { internal: 1, server: 2, client: 3 };

const spanOf = (span: Span): object => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentId !== undefined && { parentSpanId: span.parentId }),
  name: span.name,
  kind: kinds[span.kind],
  startTimeUnixNano: nanosOf(span.startMs, 0),
  endTimeUnixNano: nanosOf(span.startMs, span.durationMs),
  attributes: attributesOf(span.attributes),
  status: span.error === undefined ? { code: 0 } : { code: 2, message: span.error },
});

function exporterOf({ service, config, secrets, metrics, clock, log }: TracingOptions) {
  const counted = metrics.counter("trace_spans_total", "Spans for the OTLP endpoint, by outcome.");
  const attributes = {
    "service.namespace": "lakehouse",
    "service.name": service,
    "service.version": version,
    "process.pid": process.pid,
  };
  const resource = { attributes, scope: "lakehouse" };
  const exporter = createExporter<Span>({
    url: config.otlp_endpoint,
    key: secrets.provider(config.otlp_provider),
    timeoutMs: config.otlp_timeout_ms,
    retries,
    intervalMs: config.otlp_interval_ms,
    queueMax: config.otlp_queue,
    batchMax: config.otlp_batch,
    bodyOf: (batch) => requestOf(resource, batch.map(spanOf)),
    what: "spans",
    count: (amount, outcome) => counted.add(amount, { outcome }),
    clock,
    log,
  });
  metrics.gauge("trace_spans_queued", "Spans that wait to be exported.", exporter.waiting);
  return exporter;
}
