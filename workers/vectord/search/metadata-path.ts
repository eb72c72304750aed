/** Where a filter's path leads in an item's metadata. */
import type { Scalar } from "../../../runtime/contract/contract.ts";
import type { Metadata } from "../rows/rows.ts";

/**
 * Visits every scalar at the path; lists are looked into, at every step. A field whose name is the whole path, dots
 * and all, counts too. Returns whether anything is there, be it an object or an empty list.
 */
export function visitPath(metadata: Metadata, path: string, visit: (value: Scalar) => void): boolean {
  if (!path.includes(".")) return Object.hasOwn(metadata, path) && visitValue(metadata[path], visit);
  const direct = Object.hasOwn(metadata, path) && visitValue(metadata[path], visit);
  return descend(metadata, path.split("."), 0, visit) || direct;
}

function descend(
  value: unknown,
  steps: readonly string[],
  at: number,
  visit: (value: Scalar) => void,
): boolean {
  const step = steps[at];
  if (step === undefined) return visitValue(value, visit);
  if (Array.isArray(value)) {
    let found = false;
    for (const element of value) found = descend(element, steps, at, visit) || found;
    return found;
  }
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return false;
  return descend((value as Record<string, unknown>)[step], steps, at + 1, visit);
}

function visitValue(value: unknown, visit: (value: Scalar) => void): true {
  if (Array.isArray(value)) for (const element of value) visitValue(element, visit);
  else if (typeof value !== "object" || value === null) visit(value as Scalar);
  return true;
}
