/** OTLP's JSON encoding, as far as what we send needs it. */

type AnyValue =
  | { stringValue: string }
  | { boolValue: boolean }
  | { doubleValue: number }
  | { intValue: string };

function anyValueOf(value: unknown): AnyValue {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Number.isSafeInteger(value)) return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: value };
  return { stringValue: JSON.stringify(value) ?? "" };
}

/** Attributes without those that have no value. */
export const attributesOf = (values: Record<string, unknown>): { key: string; value: AnyValue }[] =>
  Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [{ key, value: anyValueOf(value) }],
  );

/** Milliseconds as nanoseconds, in text: OTLP's JSON writes 64-bit integers so. */
export const nanosOf = (ms: number, moreMs: number): string =>
  String(BigInt(ms) * 1_000_000n + BigInt(Math.round(moreMs * 1e6)));

/** What the spans of one request come from. */
export interface Resource {
  attributes: Record<string, unknown>;
  scope: string;
}

/** The body of one request. */
export const requestOf = ({ attributes, scope }: Resource, spans: readonly object[]): string =>
  JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: attributesOf(attributes) },
        scopeSpans: [{ scope: { name: scope }, spans }],
      },
    ],
  });
