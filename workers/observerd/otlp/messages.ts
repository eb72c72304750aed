/**
 * OTLP's messages in protobuf, as far as they are read here: field numbers of opentelemetry-proto 1.7 with the names
 * that the JSON encoding gives them. What is not named is passed over, as protobuf demands.
 */

/** How a field is written: 64-bit numbers become text and ids hexadecimal text, as in the JSON encoding. */
export type Scalar =
  | "string"
  | "bool"
  | "int32"
  | "uint32"
  | "fixed32"
  | "int64"
  | "fixed64"
  | "double"
  | "hex"
  | "base64";

export interface Field {
  name: string;
  /** A message is given by a function, for messages hold themselves. */
  type: Scalar | (() => Message);
  isList: boolean;
}

/** Fields by their numbers. */
export type Message = ReadonlyMap<number, Field>;

type Shape = Record<number, readonly [string, Field["type"], "list"?]>;
const message = (shape: Shape): Message =>
  new Map(
    Object.entries(shape).map(([number, [name, type, list]]) => [
      Number(number),
      { name, type, isList: list === "list" },
    ]),
  );

const anyValue: Message = message({
  1: ["stringValue", "string"],
  2: ["boolValue", "bool"],
  3: ["intValue", "int64"],
  4: ["doubleValue", "double"],
  5: ["arrayValue", () => arrayValue],
  6: ["kvlistValue", () => keyValues],
  7: ["bytesValue", "base64"],
});
const arrayValue = message({ 1: ["values", () => anyValue, "list"] });
const keyValue = message({ 1: ["key", "string"], 2: ["value", () => anyValue] });
const keyValues = message({ 1: ["values", () => keyValue, "list"] });
const attributes = (number: number): Shape => ({ [number]: ["attributes", () => keyValue, "list"] });

const resource = message(attributes(1));
const scope = message({ 1: ["name", "string"], 2: ["version", "string"], ...attributes(3) });

const event = message({ 1: ["timeUnixNano", "fixed64"], 2: ["name", "string"], ...attributes(3) });
const status = message({ 2: ["message", "string"], 3: ["code", "int32"] });
const span = message({
  1: ["traceId", "hex"],
  2: ["spanId", "hex"],
  4: ["parentSpanId", "hex"],
  5: ["name", "string"],
  6: ["kind", "int32"],
  7: ["startTimeUnixNano", "fixed64"],
  8: ["endTimeUnixNano", "fixed64"],
  ...attributes(9),
  10: ["droppedAttributesCount", "uint32"],
  11: ["events", () => event, "list"],
  12: ["droppedEventsCount", "uint32"],
  15: ["status", () => status],
});

const logRecord = message({
  1: ["timeUnixNano", "fixed64"],
  2: ["severityNumber", "int32"],
  3: ["severityText", "string"],
  5: ["body", () => anyValue],
  ...attributes(6),
  7: ["droppedAttributesCount", "uint32"],
  9: ["traceId", "hex"],
  10: ["spanId", "hex"],
  11: ["observedTimeUnixNano", "fixed64"],
  12: ["eventName", "string"],
});

/** Points are counted alone. */
const point: Message = new Map();
const points = message({ 1: ["dataPoints", () => point, "list"] });
const metric = message({
  1: ["name", "string"],
  5: ["gauge", () => points],
  7: ["sum", () => points],
  9: ["histogram", () => points],
  10: ["exponentialHistogram", () => points],
  11: ["summary", () => points],
});

/** A request: groups by resource, in them by scope, in these the items. */
const request = (resources: string, scopes: string, items: readonly [string, () => Message]): Message => {
  const scoped = message({ 1: ["scope", () => scope], 2: [items[0], items[1], "list"] });
  const group = message({ 1: ["resource", () => resource], 2: [scopes, () => scoped, "list"] });
  return message({ 1: [resources, () => group, "list"] });
};

export const requests = {
  traces: request("resourceSpans", "scopeSpans", ["spans", () => span]),
  logs: request("resourceLogs", "scopeLogs", ["logRecords", () => logRecord]),
  metrics: request("resourceMetrics", "scopeMetrics", ["metrics", () => metric]),
};

export type Signal = keyof typeof requests;
