/** Whether the metadata of a row meets a filter, where no vector is asked for; vectord's indexes mean the same (ADR 0068). */
import type { Bound, Condition, Scalar } from "../../../runtime/contract/contract.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isScalar = (value: unknown): value is Scalar =>
  value === null || ["string", "number", "boolean"].includes(typeof value);

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

/** Every scalar at the path, lists looked into at every step; a field named by the whole path, dots and all, counts too. */
function valuesAt(metadata: Record<string, unknown>, path: string): { isThere: boolean; values: Scalar[] } {
  const values: Scalar[] = [];
  const collect = (value: unknown): true => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (isScalar(value)) values.push(value);
    return true;
  };
  const descend = (value: unknown, steps: readonly string[]): boolean => {
    const [step, ...others] = steps;
    if (step === undefined) return collect(value);
    if (Array.isArray(value)) return value.map((element) => descend(element, steps)).includes(true);
    return isObject(value) && Object.hasOwn(value, step) && descend(value[step], others);
  };
  const isDirect = Object.hasOwn(metadata, path) && collect(metadata[path]);
  const isThere = path.includes(".") ? descend(metadata, path.split(".")) || isDirect : isDirect;
  return { isThere, values };
}
