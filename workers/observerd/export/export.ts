/** Operations on their way out by OTLP: a bounded queue, sent in batches beside everything else. */
import type { Deps } from "../../../runtime/service/service.ts";
import type { Operation } from "../contract.ts";
import type { Operations } from "../operations/operations.ts";
import { type Endpoint, sendBatch } from "./send.ts";

interface Export {
  /** Sends what waits, for a moment, and ends. */
  stop: () => Promise<void>;
}

/** What came in by OTLP is not sent out by it: two systems that observe each other would never end. */
const arrivedByOtlp = new Set(["otlp", "langfuse"]);
/** How long stopping may wait for the last batches, in milliseconds. */
const lastWordsMs = 2000;

/** Langfuse takes batches up to 3.5 MB; a span is a little larger than its operation. */
const batchCharsMax = 2 * 1024 * 1024;

/**
 * Begins to send each operation that is recorded to `otlp_export_url`; does nothing while that is empty. Recording
 * never waits for it: what the queue cannot hold is dropped and counted.
 */
export function startExport({
  deps,
  operations,
}: {
  deps: Deps;
  operations: Pick<Operations, "onRecorded">;
}): Export {
  const { config, clock, log, metrics, secrets } = deps;
  const { otlp_export_url: url, otlp_export_queue: queueMax, otlp_export_batch: batchMax } = config.observerd;
  if (url === "") return { stop: async () => {} };
  const counted = metrics.counter(
    "observerd_export_operations_total",
    "Operations for the OTLP endpoint, by outcome.",
  );
  const queue: Operation[] = [];
  metrics.gauge("observerd_export_waiting", "Operations that wait to be exported.", () => queue.length);
  const endpoint: Endpoint = {
    ...addressOf(url, secrets.provider(config.observerd.otlp_export_provider)),
    timeoutMs: config.observerd.otlp_export_timeout_ms,
    retries: config.observerd.otlp_export_retries,
    clock,
    onRetry: (why, waitMs) => log.debug("an export is tried again", { why, wait_ms: waitMs }),
  };
  const ended = new AbortController();
  let stopping = false;
  let filled = Promise.withResolvers<void>();

  operations.onRecorded((operation) => {
    if (stopping || arrivedByOtlp.has(operation.source)) return;
    if (queue.length >= queueMax) return counted.add(1, { outcome: "dropped_full" });
    queue.push(operation);
    if (queue.length >= batchMax) filled.resolve();
  });

  const sendNext = async (): Promise<void> => {
    const batch = nextBatch(queue, batchMax);
    const sent = await sendBatch(JSON.stringify(requestOf(batch)), endpoint, ended.signal);
    queue.splice(0, batch.length);
    if (sent.outcome !== "sent") {
      counted.add(batch.length, { outcome: `dropped_${sent.outcome}` });
      log.warn("operations could not be exported", { dropped: batch.length, why: sent.why });
      return;
    }
    counted.add(Math.max(0, batch.length - sent.rejected), { outcome: "sent" });
    if (sent.rejected === 0) return;
    counted.add(sent.rejected, { outcome: "dropped_rejected" });
    log.warn("the OTLP endpoint rejected spans", { rejected: sent.rejected, message: sent.message });
  };

  const run = async (): Promise<void> => {
    while (!stopping || queue.length > 0) {
      if (!stopping && queue.length < batchMax) {
        const cancel = clock.after(config.observerd.otlp_export_interval_ms, () => filled.resolve());
        await filled.promise;
        cancel();
      }
      filled = Promise.withResolvers();
      if (stopping) filled.resolve();
      if (queue.length > 0) await sendNext();
    }
  };
  const running = run().catch((cause) => {
    if (!ended.signal.aborted) log.error("the export ended", { error: cause });
  });

  return {
    stop: async () => {
      stopping = true;
      filled.resolve();
      const cancel = clock.after(lastWordsMs, () => ended.abort());
      await running;
      cancel();
      if (queue.length === 0) return;
      counted.add(queue.length, { outcome: "dropped_stopped" });
      log.warn("operations were not exported before the end", { dropped: queue.length });
    },
  };
}

/** The oldest operations, as many as one request may hold; always one. */
function nextBatch(queue: readonly Operation[], batchMax: number): Operation[] {
  let chars = 0;
  const end = queue.slice(0, batchMax).findIndex((operation) => {
    chars += JSON.stringify(operation).length;
    return chars > batchCharsMax;
  });
  return queue.slice(0, end < 0 ? batchMax : Math.max(1, end));
}

/** A user and password in the URL are a key like any other, and leave the URL. */
function addressOf(url: string, key: string | undefined): { url: string; key: string | undefined } {
  const parsed = new URL(url);
  const { username, password } = parsed;
  if (username === "") return { url, key };
  parsed.username = "";
  parsed.password = "";
  return { url: parsed.href, key: key ?? `${decodeURIComponent(username)}:${decodeURIComponent(password)}` };
}

// Operations as an OTLP request in the JSON encoding, with the attributes Langfuse and GenAI tools read.

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
const requestOf = (operations: readonly Operation[]): Record<string, unknown> => ({
  resourceSpans: [
    {
      resource: { attributes: attributesOf({ "service.name": "lakehouse" }) },
      scopeSpans: [{ scope: { name: "lakehouse.observerd" }, spans: operations.map(spanOf) }],
    },
  ],
});
