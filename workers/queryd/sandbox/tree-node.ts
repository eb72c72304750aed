/** One node of DuckDB's syntax tree as JSON, and how errors name it. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";

export type Node = Record<string, unknown>;

/** Bytes from the start of the statement; absent where the tree does not say. */
export function placeOf({ query_location: at }: Node): { position: number } | undefined {
  return typeof at === "number" && Number.isSafeInteger(at) ? { position: at } : undefined;
}

export const notAllowed = (message: string, node: Node): ServiceError =>
  fail("statement_not_allowed", message, { details: placeOf(node) });
