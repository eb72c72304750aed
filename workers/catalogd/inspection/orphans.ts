/** Orphans: objects under datasets/ that no version refers to, left by ingests that were cut off. */

import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { References } from "./references.ts";

const prefix = "datasets/";
/** An object that is younger may belong to an ingest that has yet to register it, in milliseconds. */
const graceMs = 60 * 60 * 1000;
/** Objects of one folder that are named; more are counted. */
const namedMax = 10;

interface Folder {
  keys: string[];
  count: number;
  bytes: number;
}

/** A finding for each folder that holds such objects, and the progress of the look. */
export async function* orphanedObjects(
  { objects, clock }: { objects: Pick<Peer<Storaged>["verbs"], "list">; clock: Pick<Clock, "now"> },
  references: References,
  signal: AbortSignal,
): AsyncGenerator<Inspected> {
  const folders = new Map<string, Folder>();
  const before = clock.now() - graceMs;
  let seen = 0;
  for (let page_token: string | undefined; ; ) {
    const page = await objects.list(
      { prefix, page_size: 10_000, ...(page_token !== undefined && { page_token }) },
      { signal },
    );
    for (const { key, bytes, last_modified } of page.objects) {
      seen += 1;
      if (references.has(key) || Date.parse(last_modified) > before) continue;
      const name = key.slice(0, key.lastIndexOf("/") + 1);
      const folder = folders.get(name) ?? { keys: [], count: 0, bytes: 0 };
      folders.set(name, folder);
      folder.count += 1;
      folder.bytes += bytes;
      if (folder.keys.length < namedMax) folder.keys.push(key);
    }
    yield { progress: { done: seen, total: seen, of: "objects under datasets/" } };
    page_token = page.next_page_token;
    if (page_token === undefined) break;
  }
  for (const [name, folder] of folders) yield { finding: orphans(name, folder) };
}

function orphans(name: string, { keys, count, bytes }: Folder) {
  const more = count > keys.length ? ` and ${count - keys.length} more` : "";
  const objects = count === 1 ? "1 object" : `${count} objects`;
  return {
    severity: "leftover" as const,
    place: `primary://${name}`,
    problem: `${objects} of ${bytes} bytes, older than ${graceMs / 60_000} minutes, that no version refers to: ${keys.join(", ")}${more}`,
    remedy:
      "nothing reads them: maintenance removes them after catalogd.orphan_grace_days, or now: POST /v1/catalog/maintain",
  };
}
