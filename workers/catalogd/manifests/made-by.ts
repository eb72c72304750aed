/** What a request with an Idempotency-Key has made, when its end was not known: versions name the operation. */
import { fail } from "../../../runtime/errors/errors.ts";
import { firstOf, type Version } from "../versions/versions.ts";
import type { ManifestStore } from "./store.ts";

/** Versions that are looked through, the newest first; a manifest is read in about a millisecond. */
const versionsMax = 2000;
/** How long keys are remembered: what made a version before that is asked for by none. */
const keysKeptMs = 24 * 60 * 60 * 1000;

/** The version, or undefined when the operation made none. Throws `outcome_unknown` where that cannot be said. */
export async function madeBy(
  store: Pick<ManifestStore, "latest" | "read">,
  name: string,
  operationId: string,
  now: number,
): Promise<Version | undefined> {
  const latest = (await store.latest(name)).get(name) ?? 0;
  let first = 1;
  for (let version = latest; version >= first; version--) {
    if (latest - version >= versionsMax) throw notFound(name, `is not among the last ${versionsMax}`);
    const head = await store.read(name, version);
    if ("reason" in head) throw notFound(name, `may be version ${version}, which cannot be read`);
    if (head.operation_id === operationId) return head;
    first = Math.max(first, firstOf(head));
    const isRecent = now - Date.parse(head.created_at) < keysKeptMs;
    if (version === first && first > 1 && isRecent) throw notFound(name, "may be a version that was expired");
  }
  return undefined;
}

const notFound = (name: string, where: string) =>
  fail(
    "outcome_unknown",
    `whether an earlier request with this Idempotency-Key made a version of '${name}' is not known: it ${where}; look with GET, and send it with another key`,
  );
