/** OpenTelemetry's own exporter and tracer as a client, and requests in OTLP's JSON by hand. */
import { gzipSync } from "node:zlib";
import type { Tracer } from "@opentelemetry/api";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";

export interface OtlpClient {
  tracer: Tracer;
  /** Sends what ended so far; rejects when the exporter failed. */
  flush: () => Promise<void>;
  stop: () => Promise<void>;
}

type Settings = NonNullable<ConstructorParameters<typeof OTLPTraceExporter>[0]>;

/** The official exporter against a URL; `url` ends in /v1/traces. */
export function startOtlpClient(url: string, { gzip = false }: { gzip?: boolean } = {}): OtlpClient {
  // The enum of this choice lives in a package that is not ours; its value is this word.
  const compression = { compression: "gzip" } as unknown as Settings;
  const exporter = new OTLPTraceExporter({ url, ...(gzip && compression) });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ "service.name": "co-pilot" }),
    // Larger than what a test makes: forceFlush does not wait for a batch that left by itself.
    spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 4096, maxExportBatchSize: 4096 })],
  });
  return {
    tracer: provider.getTracer("tests"),
    flush: () => provider.forceFlush(),
    stop: () => provider.shutdown(),
  };
}

/** A span that is right, with changes. */
export const spanWith = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  traceId: "5b8efff798038103d269b633813fc60c",
  spanId: "eee19b7ec3c1b174",
  name: "a span",
  kind: 2,
  startTimeUnixNano: "1767225600000000000",
  endTimeUnixNano: "1767225600250000000",
  attributes: [],
  status: {},
  ...changes,
});

/** A request of these spans. */
export const requestWith = (spans: readonly unknown[], resource: Record<string, unknown> = {}) => ({
  resourceSpans: [{ resource, scopeSpans: [{ scope: { name: "tests" }, spans }] }],
});

export const gzipped = (value: unknown): Uint8Array<ArrayBuffer> =>
  new Uint8Array(gzipSync(typeof value === "string" ? value : JSON.stringify(value)));
