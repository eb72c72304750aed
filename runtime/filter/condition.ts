/** A filter in its checked form. */
import type { Circle } from "./circle.ts";
import { instantOf } from "./instants.ts";
import type { Scalar } from "./paths.ts";

export interface Bound<T = string | number> {
  value: T;
  inclusive: boolean;
}

/** What is asked of the texts at a path; times are texts of RFC 3339, bounds of them milliseconds since 1970. */
export type TextCondition =
  | { kind: "contains" | "prefix"; path: string; text: string }
  | { kind: "time"; path: string; above?: Bound<number>; below?: Bound<number> };

export type Condition =
  | { kind: "and" | "or"; of: Condition[] }
  | { kind: "not"; of: Condition }
  | { kind: "in"; path: string; values: Scalar[] }
  | { kind: "range"; path: string; above?: Bound; below?: Bound }
  | { kind: "exists"; path: string }
  | { kind: "near"; path: string; circle: Circle }
  | TextCondition;

/** The path of an item's own id. */
export const idPath = "@id";

/** The fields a condition looks at, each once. */
export function pathsOf(condition: Condition): string[] {
  if (condition.kind === "not") return pathsOf(condition.of);
  if ("path" in condition) return [condition.path];
  return [...new Set(condition.of.flatMap((part) => pathsOf(part)))];
}

/** Whether a value lies between the bounds: numbers among numbers, texts among texts by their code units. */
export const isWithin = (value: Scalar, { above, below }: { above?: Bound; below?: Bound }): boolean =>
  (above === undefined || isBeyond(value, above, (one, end) => one > end)) &&
  (below === undefined || isBeyond(value, below, (one, end) => one < end));

const isBeyond = (
  value: Scalar,
  end: Bound,
  isPast: (one: string | number, end: string | number) => boolean,
): boolean =>
  (typeof value === "string" || typeof value === "number") &&
  typeof value === typeof end.value &&
  (isPast(value, end.value) || (end.inclusive && value === end.value));

/** Whether one text is what the condition asks for. */
export function textTest(condition: TextCondition): (text: string) => boolean {
  if (condition.kind === "time")
    return (text) => {
      const instant = instantOf(text);
      return instant !== undefined && isWithin(instant, condition);
    };
  const { kind, text: piece } = condition;
  return kind === "contains" ? (text) => text.includes(piece) : (text) => text.startsWith(piece);
}
