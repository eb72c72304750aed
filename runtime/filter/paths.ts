/** Where a filter's paths lead in metadata. */

export type Scalar = string | number | boolean | null;

/** What is told of the values at a path. */
export interface Visitor {
  scalar: (value: Scalar) => void;
  /** Each object at its end, such as a place; left alone where absent. */
  object?: (value: Record<string, unknown>) => void;
}

/**
 * Visits every scalar and object at the path; lists are looked into, at every step. A field whose name is the whole
 * path, dots and all, counts too. Returns whether anything is there, be it an object or an empty list.
 */
export function visitPath(metadata: Record<string, unknown>, path: string, visit: Visitor): boolean {
  if (!path.includes(".")) return Object.hasOwn(metadata, path) && visitValue(metadata[path], visit);
  const direct = Object.hasOwn(metadata, path) && visitValue(metadata[path], visit);
  return descend(metadata, path.split("."), 0, visit) || direct;
}

function descend(value: unknown, steps: readonly string[], at: number, visit: Visitor): boolean {
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

function visitValue(value: unknown, visit: Visitor): true {
  if (Array.isArray(value)) for (const element of value) visitValue(element, visit);
  else if (typeof value !== "object" || value === null) visit.scalar(value as Scalar);
  else visit.object?.(value as Record<string, unknown>);
  return true;
}
