/** Operations on their way out by OTLP. */
import { attributesOf, createExporter, nanosOf, requestOf } from "../../../runtime/otlp/otlp.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Operation } from "../contract.ts";
import type { Operations } from "../operations/operations.ts";

/** What came in by OTLP is not sent out by it: two systems that observe each other would never end. */
const arrivedByOtlp = new Set(["otlp", "langfuse"]);
const resource = { attributes: { "service.name": "lakehouse" }, scope: "lakehouse.observerd" };

/** Begins to send each operation that is recorded to `otlp_export_url`; does nothing while that is empty. */
export function startExport({
  deps,
  operations,
}: {
  deps: Deps;
  operations: Pick<Operations, "onRecorded">;
}): { stop: () => Promise<void> } {
  const { config, clock, log, metrics, secrets } = deps;
  const settings = config.observerd;
  if (settings.otlp_export_url === "") return { stop: async () => {} };
  const counted = metrics.counter(
    "observerd_export_operations_total",
    "Operations for the OTLP endpoint, by outcome.",
  );
  const exporter = createExporter<Operation>({
    url: settings.otlp_export_url,
    key: secrets.provider(settings.otlp_export_provider),
    timeoutMs: settings.otlp_export_timeout_ms,
    retries: settings.otlp_export_retries,
    intervalMs: settings.otlp_export_interval_ms,
    queueMax: settings.otlp_export_queue,
    batchMax: settings.otlp_export_batch,
    bodyOf: (batch) => requestOf(resource, batch.map(spanOf)),
    what: "operations",
    count: (amount, outcome) => counted.add(amount, { outcome }),
    clock,
    log,
  });
  metrics.gauge("observerd_export_waiting", "Operations that wait to be exported.", exporter.waiting);
  operations.onRecorded((operation) => {
    if (!arrivedByOtlp.has(operation.source)) exporter.add(operation);
  });
  return { stop: exporter.stop };
}

// With the attributes that Langfuse and GenAI tools read.

const hexHash = (text: string, digits: number): string => {
  const hex = Bun.SHA256.hash(text, "hex").slice(0, digits);
  return /[^0]/.test(hex) ? hex : `${hex.slice(1)}1`;
};

/** A trace that it is part of, or a run that is a trace id, keeps it; others get one of their own, always the same. */
const traceIdOf = ({ id, run_id: run, attributes }: Operation): string =>
  [attributes?.trace_id, run].find(isTraceId) ?? hexHash(run ?? id, 32);
const isTraceId = (text: unknown): text is string =>
  typeof text === "string" && /^[0-9a-f]{32}$/.test(text) && /[^0]/.test(text);

function spanOf(operation: Operation): Record<string, unknown> {
  const began = Date.parse(operation.timestamp);
  const { success, error } = operation;
  return {
    traceId: traceIdOf(operation),
    // Derived from the operation's id: a retry sends the same span.
    spanId: hexHash(operation.id, 16),
    name: operation.endpoint,
    kind: 1,
    startTimeUnixNano: nanosOf(began, 0),
    endTimeUnixNano: nanosOf(began, operation.duration_ms),
    attributes: attributesOf({
      ...operation.attributes,
      "lakehouse.operation_id": operation.id,
      "lakehouse.source": operation.source,
      "lakehouse.run_id": operation.run_id,
      "lakehouse.trace_uid": operation.trace_uid,
      "langfuse.observation.type": operation.model === undefined ? "span" : "generation",
      "langfuse.observation.input": operation.input_summary,
      "langfuse.observation.output": operation.output_summary,
      "langfuse.observation.level": success ? undefined : "ERROR",
      "gen_ai.request.model": operation.model,
    }),
    status: success ? { code: 1 } : { code: 2, ...(error !== undefined && { message: error }) },
  };
}
