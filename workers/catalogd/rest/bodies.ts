/** Bodies of requests, whose ids of 63 bits are kept, as the protocol has them. */

import { readBytes } from "../../../runtime/bodies/bodies.ts";
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import { parseExact, type Requirement, refusals, type Update } from "../iceberg/iceberg.ts";
import type { Identifier, TableChange } from "../open/open.ts";

/** A commit that replaces a table says all of its metadata anew. */
const bodyBytesMax = 32 * 1024 * 1024;

/** Throws `bad_request` for what is no object. */
export async function bodyOf(request: HttpRequest): Promise<Record<string, unknown>> {
  const text = new TextDecoder().decode(await readBytes(request, bodyBytesMax));
  let found: unknown;
  try {
    found = parseExact(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw refusals.badRequest(`Malformed request: expected JSON, got ${text.slice(0, 100)}`);
  }
  if (typeof found !== "object" || found === null || Array.isArray(found))
    throw refusals.badRequest("Malformed request: expected a JSON object");
  return found as Record<string, unknown>;
}

/** A namespace of one level. Throws `bad_request`. */
export function namespaceOf(value: unknown): string {
  if (Array.isArray(value) && value.length === 1 && typeof value[0] === "string") return value[0];
  throw refusals.badRequest(
    `Invalid namespace ${JSON.stringify(value)?.slice(0, 200)}: namespaces have one level here, given as a list of one name`,
  );
}

export function identifierFrom(value: unknown, what: string): Identifier {
  const { namespace, name } = (value ?? {}) as { namespace?: unknown; name?: unknown };
  if (typeof name !== "string") throw refusals.badRequest(`Expected ${what} with a namespace and a name`);
  return { namespace: namespaceOf(namespace), name };
}

const objects = (value: unknown, what: string): Record<string, unknown>[] => {
  if (!Array.isArray(value)) throw refusals.badRequest(`Expected ${what} as a list`);
  for (const each of value)
    if (typeof each !== "object" || each === null)
      throw refusals.badRequest(`Expected ${what} as a list of objects`);
  return value;
};

/** A commit's requirements and updates. Throws `bad_request`. */
export const changeFrom = (identifier: Identifier, body: Record<string, unknown>): TableChange => ({
  identifier,
  requirements: objects(body.requirements ?? [], "requirements") as unknown as Requirement[],
  updates: objects(body.updates ?? [], "updates") as unknown as Update[],
});

export function textsOf(value: unknown, what: string): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw refusals.badRequest(`Expected ${what} as a list of texts`);
}
