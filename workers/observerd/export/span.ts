/** Operations as an OTLP request in the JSON encoding, with the attributes Langfuse and GenAI tools read. */
import type { Operation } from "../contract.ts";

const hexHash = (text: string, digits: number): string => {
  const hex = Bun.SHA256.hash(text, "hex").slice(0, digits);
  return /[^0]/.test(hex) ? hex : `${hex.slice(1)}1`;
};

/** A run that is a trace id already keeps it; others get one of their own, always the same. */
const traceIdOf = ({ id, run_id: run }: Operation): string =>
  run !== undefined && /^[0-9a-f]{32}$/.test(run) && /[^0]/.test(run) ? run : hexHash(run ?? id, 32);

/** Milliseconds as nanoseconds, in text: OTLP's JSON writes 64-bit integers so. */
const nanosOf = (ms: number, moreMs: number): string =>
  String(BigInt(ms) * 1_000_000n + BigInt(Math.round(moreMs * 1e6)));

type AnyValue = { stringValue: string } | { boolValue: boolean } | { doubleValue: number };

function anyValueOf(value: unknown): AnyValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return { doubleValue: value };
  return { stringValue: JSON.stringify(value) ?? "" };
}

const attributesOf = (values: Record<string, unknown>): { key: string; value: AnyValue }[] =>
  Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValueOf(value) }],
  );

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

/** The body of one export. */
export const requestOf = (operations: readonly Operation[]): Record<string, unknown> => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf({ "service.name": "lakehouse" }) },
      scopeSpans: [{ scope: { name: "lakehouse.observerd" }, spans: operations.map(spanOf) }],
    },
  ],
});
