/** What a caller reported, as an operation: the defaults, and what a schema cannot say. */
import { fits, type InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import { TraceUid } from "../../pathwayd/contract.ts";
import type { Observerd, Operation } from "../contract.ts";

export type EventInput = InputOf<Observerd["endpoints"]["event"]>;

/** Sources the product itself knows; callers may use words of their own. */
export const knownSources: readonly string[] = [
  "api",
  "mcp",
  "scenario",
  "langfuse",
  "overseer_correction",
  "chatd",
  "otlp",
];
/** The source of an event that names none. */
const defaultSource = "api";

/** How far ahead a caller's clock may be, in milliseconds; beyond, the time is a mistake. */
const aheadMaxMs = 24 * 60 * 60 * 1000;

/** Milliseconds since the epoch of an RFC 3339 time. Throws `invalid_field` for a date that does not exist. */
function timeOf(text: string, field: string): number {
  const ms = Date.parse(text);
  const day = text.slice(0, 10);
  // Date.parse takes 30 February for 2 March.
  if (Number.isFinite(ms) && new Date(`${day}T00:00Z`).toISOString().startsWith(day)) return ms;
  const message = `${field}: expected a time as 2026-01-31T12:00:00Z, got ${JSON.stringify(text)}`;
  throw fail("invalid_field", message, { details: { field } });
}

/** The same instant in UTC with milliseconds: texts of this form compare as their times do. */
export const inUtc = (text: string, field: string): string => new Date(timeOf(text, field)).toISOString();

/** Which texts may be the uid of a trace: pathwayd's own rule, at every endpoint that takes one. */
export const isTraceUid = (value: unknown): value is string => fits(TraceUid, value);

/** Bytes of a value as JSON. */
export const jsonBytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/**
 * The operation to record. Throws `invalid_field` for a time that is none or lies more than a day ahead, and
 * `too_large` over `bytesMax`.
 */
export function operationOf(
  event: EventInput,
  { id, nowMs, bytesMax }: { id: string; nowMs: number; bytesMax: number },
): Operation {
  const { timestamp, source = defaultSource, ...rest } = event;
  const ms = timestamp === undefined ? nowMs : timeOf(timestamp, "timestamp");
  if (ms > nowMs + aheadMaxMs)
    throw invalidField("timestamp", `${timestamp} is more than a day ahead of this machine's clock`);
  const operation = { id, timestamp: new Date(ms).toISOString(), source, ...rest };
  const bytes = jsonBytes(operation);
  if (bytes > bytesMax)
    throw fail(
      "too_large",
      `the operation has ${bytes} bytes as JSON, at most ${bytesMax} are taken (observerd.max_event_bytes): shorten its texts or attributes`,
    );
  return operation;
}
