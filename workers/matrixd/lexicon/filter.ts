/** Whether the metadata of a row meets a filter, where no vector is asked for; vectord's indexes mean the same (ADR 0068). */
import { type Bound, type Condition, type Scalar, visitPath } from "../../../runtime/filter/filter.ts";

/** Whether the metadata of one row meets the condition. */
export function matches(condition: Condition, metadata: Record<string, unknown>): boolean {
  switch (condition.kind) {
    case "and":
      return condition.of.every((part) => matches(part, metadata));
    case "or":
      return condition.of.some((part) => matches(part, metadata));
    case "not":
      return !matches(condition.of, metadata);
    case "exists":
      return valuesAt(metadata, condition.path).isThere;
    case "in":
      return valuesAt(metadata, condition.path).values.some((value) => condition.values.includes(value));
    case "contains":
      return valuesAt(metadata, condition.path).values.some(
        (value) => typeof value === "string" && value.includes(condition.text),
      );
    case "range":
      return valuesAt(metadata, condition.path).values.some((value) => isWithin(value, condition));
  }
}

/** Numbers compare with numbers, texts with texts by their code units; anything else is outside. */
function isWithin(value: Scalar, { above, below }: { above?: Bound; below?: Bound }): boolean {
  const isOver = ({ value: end, inclusive }: Bound) =>
    typeof value === typeof end && value !== null && (value > end || (inclusive && value === end));
  const isUnder = ({ value: end, inclusive }: Bound) =>
    typeof value === typeof end && value !== null && (value < end || (inclusive && value === end));
  return (above === undefined || isOver(above)) && (below === undefined || isUnder(below));
}

function valuesAt(metadata: Record<string, unknown>, path: string): { isThere: boolean; values: Scalar[] } {
  const values: Scalar[] = [];
  return { isThere: visitPath(metadata, path, (value) => values.push(value)), values };
}
