/**
 * W3C Trace Context: which trace the work of this moment belongs to. It goes with the work itself (AsyncLocalStorage), so that no
 * verb passes it on: the doors read it from what they are asked, and whatever asks others writes it there.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string;
  /** Of the span that the work belongs to: 16 hexadecimal digits. */
  spanId: string;
  /** Whether its spans are recorded; decided where the trace began. */
  sampled: boolean;
  /** `tracestate`, passed on as it came. */
  state?: string | undefined;
  /** Takes the spans that end in this work; absent where none are recorded. */
  record?: ((span: Span) => void) | undefined;
}

type SpanKind = "internal" | "server" | "client";

/** A span that has ended. */
export interface Span {
  traceId: string;
  spanId: string;
  parentId: string | undefined;
  name: string;
  kind: SpanKind;
  startMs: number;
  durationMs: number;
  attributes: Record<string, unknown>;
  /** The words of what failed. */
  error: string | undefined;
}

/** Both headers, as they travel over channels too. */
export interface TraceHeaders {
  traceparent: string;
  tracestate?: string;
}

const current = new AsyncLocalStorage<TraceContext>();

/** The trace of the work that runs now. */
export const currentTrace = (): TraceContext | undefined => current.getStore();

/** Runs the work as part of the trace; without one, as part of what runs now. */
export const inTrace = <T>(trace: TraceContext | undefined, work: () => T): T =>
  trace === undefined ? work() : current.run(trace, work);

const parentForm = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(-.*)?$/;
const stateCharsMax = 512;

/** What the headers say; undefined where there is no traceparent, or none that the recommendation allows. */
export function traceOf(parent: string | null | undefined, state?: string | null): TraceContext | undefined {
  const [, version, traceId = "", spanId = "", flags = "", more] =
    parentForm.exec(parent?.trim() ?? "") ?? [];
  if (version === undefined || version === "ff" || (version === "00" && more !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const isKept = state != null && state.length <= stateCharsMax && /^[\x20-\x7e]+$/.test(state);
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1, ...(isKept && { state }) };
}

/** The headers for whoever is asked in this work, or none. */
export function traceHeaders(): TraceHeaders | undefined {
  const trace = currentTrace();
  if (trace === undefined) return undefined;
  const { traceId, spanId, sampled, state } = trace;
  return {
    traceparent: `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`,
    ...(state !== undefined && { tracestate: state }),
  };
}

const hex = (bytes: number): string =>
  Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("hex");

/** A trace that begins here. */
export const newTrace = (): TraceContext => ({ traceId: hex(16), spanId: hex(8), sampled: true });

interface Beginning {
  name: string;
  kind: SpanKind;
  attributes?: Record<string, unknown>;
  /** The trace that it begins rather than continues. */
  isRoot?: boolean;
}

/** What the work may still say of its span. */
export interface OpenSpan {
  set: (attributes: Record<string, unknown>) => void;
  fail: (why: string) => void;
}

const unrecorded: OpenSpan = { set: () => undefined, fail: () => undefined };

/** Runs the work in a span of the trace that it is given, where spans of it are recorded; the trace's own work otherwise. */
export async function inSpan<T>(
  trace: TraceContext | undefined,
  { name, kind, attributes = {}, isRoot = false }: Beginning,
  work: (span: OpenSpan) => Promise<T>,
): Promise<T> {
  if (trace?.record === undefined || !trace.sampled) return inTrace(trace, () => work(unrecorded));
  const { record } = trace;
  const own = { ...trace, spanId: isRoot ? trace.spanId : hex(8) };
  const [startMs, started] = [Date.now(), performance.now()];
  let found = attributes;
  let error: string | undefined;
  const span: OpenSpan = {
    set: (more) => {
      found = { ...found, ...more };
    },
    fail: (why) => {
      error = why;
    },
  };
  try {
    return await inTrace(own, () => work(span));
  } catch (cause) {
    // The type alone: messages may hold what callers wrote.
    error ??= (cause as { type?: string }).type ?? (cause as Error).name;
    throw cause;
  } finally {
    const { traceId, spanId } = own;
    const parentId = isRoot ? undefined : trace.spanId;
    const durationMs = performance.now() - started;
    record({ traceId, spanId, parentId, name, kind, startMs, durationMs, attributes: found, error });
  }
}
