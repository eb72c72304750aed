/** Whether metadata meets a filter, one item at a time; vectord's indexes mean the same (ADR 0068). */
import { isInside, placeOf } from "./circle.ts";
import { type Condition, isWithin, textTest } from "./condition.ts";
import { type Scalar, visitPath } from "./paths.ts";

/** Whether the metadata of one row meets the condition. */
export function matches(condition: Condition, metadata: Record<string, unknown>): boolean {
  switch (condition.kind) {
    case "and":
      return condition.of.every((part) => matches(part, metadata));
    case "or":
      return condition.of.some((part) => matches(part, metadata));
    case "not":
      return !matches(condition.of, metadata);
    default:
      return isMet(condition, metadata);
  }
}

type Leaf = Exclude<Condition, { kind: "and" | "or" | "not" }>;

function isMet(condition: Leaf, metadata: Record<string, unknown>): boolean {
  const values: Scalar[] = [];
  const objects: Record<string, unknown>[] = [];
  const isThere = visitPath(metadata, condition.path, {
    scalar: (value) => values.push(value),
    object: (value) => objects.push(value),
  });
  switch (condition.kind) {
    case "exists":
      return isThere;
    case "in":
      return values.some((value) => condition.values.includes(value));
    case "range":
      return values.some((value) => isWithin(value, condition));
    case "near":
      return objects.some((object) => {
        const place = placeOf(object);
        return place !== undefined && isInside(place, condition.circle);
      });
    default: {
      const test = textTest(condition);
      return values.some((value) => typeof value === "string" && test(value));
    }
  }
}
