/** Log records of OTLP: those of errors, as operations that failed. What else is logged has no meaning here. */

import { fail } from "../../../runtime/errors/errors.ts";
import { isObject } from "../../../runtime/json/json.ts";
import { type EventInput, isTraceUid } from "../operations/operations.ts";
import { type Grouped, hexId, itemsOf, nanosOf, timeOf } from "./groups.ts";
import { cut, exceptionText, keptOf } from "./operation.ts";
import { type Attributes, attributesOf, plainOf } from "./value.ts";

/** Of OpenTelemetry's severities, the first that is an error. */
const errorFrom = 17;
const endpointCharsMax = 1000;
const errorCharsMax = 4 * 1024;

interface ReadLogs {
  events: EventInput[];
  /** Records that are well and no error. */
  passed: number;
  /** Why records could not be taken, one text a record. */
  rejected: string[];
}

const names = { resources: "resourceLogs", scopes: "scopeLogs", items: "logRecords" };

export function readLogs(request: Record<string, unknown>, recordsMax: number, nowMs: number): ReadLogs {
  const read: ReadLogs = { events: [], passed: 0, rejected: [] };
  for (const item of itemsOf(request, names)) {
    if (read.events.length + read.passed + read.rejected.length >= recordsMax)
      throw fail("too_large", `the request has more than ${recordsMax} log records: send smaller batches`);
    const one = readRecord(item, nowMs);
    if (one === undefined) read.passed += 1;
    else if (typeof one === "string") read.rejected.push(one);
    else read.events.push(one);
  }
  return read;
}

function readRecord({ raw, resource, scope }: Grouped, nowMs: number): EventInput | string | undefined {
  if (!isObject(raw)) return "a log record is no object";
  const attributes = attributesOf(raw.attributes);
  const thrown = exceptionText(attributes);
  const severity = severityOf(raw.severityNumber);
  if (thrown === undefined && severity < errorFrom) return undefined;
  const body = textOf(plainOf(raw.body));
  const nanos = nanosOf(raw.timeUnixNano) ?? nanosOf(raw.observedTimeUnixNano);
  const runId = hexId(raw.traceId, 32);
  const uid = attributes.get("lakehouse.trace_uid");
  return {
    endpoint: cut(endpointOf(raw, { attributes, resource, scope }), endpointCharsMax),
    source: "otlp",
    success: false,
    duration_ms: 0,
    timestamp: nanos === undefined ? new Date(nowMs).toISOString() : timeOf(nanos),
    error: cut(thrown ?? (body || String(raw.severityText ?? "error")), errorCharsMax),
    ...(runId !== undefined && { run_id: runId }),
    ...(isTraceUid(uid) && { trace_uid: uid }),
    attributes: keptOf(attributes, {
      ...(typeof raw.spanId === "string" && raw.spanId !== "" && { span_id: raw.spanId }),
      ...(typeof raw.severityText === "string" && raw.severityText !== "" && { severity: raw.severityText }),
      ...(thrown !== undefined && body !== "" && { message: cut(body, errorCharsMax) }),
      ...serviceOf(resource),
    }),
  };
}

const serviceOf = (resource: Attributes): Record<string, unknown> => {
  const name = resource.get("service.name");
  return typeof name === "string" ? { "service.name": name.slice(0, 200) } : {};
};

/** The event's name, what logs, or who. */
function endpointOf(
  raw: Record<string, unknown>,
  { attributes, resource, scope }: { attributes: Attributes; resource: Attributes; scope: string },
): string {
  const all = [raw.eventName, attributes.get("event.name"), scope, resource.get("service.name")];
  return all.find((name): name is string => typeof name === "string" && name !== "") ?? "log";
}

/** A number, or its name as general encoders write it: `SEVERITY_NUMBER_ERROR2`. */
function severityOf(value: unknown): number {
  if (typeof value === "number") return value;
  const [, name = "", step = "1"] = /^SEVERITY_NUMBER_([A-Z]+)(\d?)$/.exec(String(value ?? "")) ?? [];
  const at = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"].indexOf(name);
  return at < 0 ? 0 : at * 4 + Number(step || 1);
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value === null || value === undefined ? "" : JSON.stringify(value);
