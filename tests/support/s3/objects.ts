/** What a bucket on an S3 server holds, seen past the product. */
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createS3Connection, type S3Connection } from "../../../workers/storaged/s3-client/connection.ts";
import { elements, keyOf } from "../../../workers/storaged/s3-client/xml.ts";
import type { StoredFile } from "../corruption/corruption.ts";
import type { TestS3 } from "./server.ts";

const { signal } = new AbortController();

/** To the buckets that flags of a product name, the `at`th of them. */
export function connectionTo(s3: TestS3, flags: readonly string[], at = 0): S3Connection {
  const names = [...flags.join().matchAll(/bucket = "([^"]+)"/g)].map(([, name = ""]) => name);
  const server = s3.server(names[at] ?? "");
  return createS3Connection({ name: "direct", server, clock: systemClock, log: createLog("test", "error") });
}

/** All objects with the headers that must come with them again; the store's own, too. Their keys stand behind the prefix. */
export async function objectsOf(connection: S3Connection, prefix = ""): Promise<Map<string, StoredFile>> {
  const keys: string[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const query: Record<string, string> = {
      "list-type": "2",
      "encoding-type": "url",
      ...(token !== undefined && { "start-after": token }),
    };
    const { text } = await connection.expect({ method: "GET", query, signal }, 200);
    const page = elements(text, "Key").map(keyOf);
    keys.push(...page);
    token = page.length === 1000 ? page.at(-1) : undefined;
  }
  const found = new Map<string, StoredFile>();
  for (const key of keys.filter((each) => !each.startsWith(".lakehouse/probe/")).sort()) {
    const answer = await connection.expect({ method: "GET", key, streamed: true, signal }, 200);
    const bytes = Buffer.from(await new Response(answer.body).arrayBuffer());
    const kept = [...answer.headers].filter(
      ([name]) => name.startsWith("x-amz-meta-") || name === "content-type",
    );
    found.set(prefix + key, { bytes, headers: Object.fromEntries(kept) });
  }
  return found;
}
