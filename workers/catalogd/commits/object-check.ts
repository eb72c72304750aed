/** Checks that the objects of a registration exist as it states them: a manifest never refers to a missing object. */
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Removals } from "../registry/registry.ts";
import type { DataObject } from "../versions/versions.ts";

type Head = Peer<Storaged>["verbs"]["head"];

/** Concurrent requests to storaged for one registration. */
const concurrency = 16;
/** Objects that the error names; more are counted. */
const namedMax = 20;

interface Mismatch {
  key: string;
  reason: string;
}

export type ObjectCheck = (
  objects: readonly DataObject[],
  context: { requestId: string; signal: AbortSignal },
) => Promise<void>;

/**
 * Makes the check: it throws `unprocessable` naming the objects that are missing or have other bytes or another etag, and
 * `unavailable` for one that is being removed.
 */
export const createObjectCheck =
  (head: Head, removals: Pick<Removals, "check">): ObjectCheck =>
  async (objects, context) => {
    removals.check(objects);
    await checkAll(head, objects, context);
  };

async function checkAll(
  head: Head,
  objects: readonly DataObject[],
  context: { requestId: string; signal: AbortSignal },
): Promise<void> {
  const found = await pMap(objects, (object) => checkObject(head, object, context), { concurrency });
  const wrong = found.filter((mismatch) => mismatch !== undefined);
  if (wrong.length === 0) return;
  const named = wrong.slice(0, namedMax);
  const more = wrong.length - named.length;
  const text =
    named.map(({ key, reason }) => `'${key}' ${reason}`).join("; ") + (more > 0 ? `; and ${more} more` : "");
  throw fail("unprocessable", `objects are not in storage as registered: ${text}`, {
    details: { objects: named, count: wrong.length },
  });
}

async function checkObject(
  head: Head,
  { key, bytes, etag }: DataObject,
  context: { requestId: string; signal: AbortSignal },
): Promise<Mismatch | undefined> {
  try {
    const info = await head({ key }, context);
    if (info.bytes !== bytes) return { key, reason: `has ${info.bytes} bytes, not ${bytes}` };
    if (info.etag !== etag) return { key, reason: `has etag ${info.etag}, not ${etag}` };
    return undefined;
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found") return { key, reason: "does not exist" };
    throw error;
  }
}
