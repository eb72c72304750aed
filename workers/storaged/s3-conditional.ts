/**
 * Whether a server honours conditional writes, found out by trying: some ignore the headers without a word, some
 * accept an `If-Match` on a missing key, and Ceph RGW 16 knows an etag only without its quotes.
 */
import { reservedPrefix } from "./keys.ts";
import type { S3Connection } from "./s3-connection.ts";
import { refusal } from "./s3-error.ts";

/** `locked`: storaged looks first and writes then, under a lock of its own. */
export type ConditionalWrites = { mode: "native"; header: (etag: string) => string } | { mode: "locked" };

const quoted = (etag: string): string => `"${etag}"`;
const bare = (etag: string): string => etag;

/** Writes, overwrites and deletes one small object under `.lakehouse/`. Throws when the server refuses that. */
export async function probeConditionalWrites(
  { place, expect, send }: S3Connection,
  newId: () => string,
  signal: AbortSignal,
): Promise<ConditionalWrites> {
  const key = `${reservedPrefix}probe/${newId()}`;
  const absent = `${key}-absent`;
  const body = new TextEncoder().encode("Is If-Match honoured here? This object may be deleted.\n");
  const put = async (target: string, headers: Record<string, string>) => {
    const answer = await send({ method: "PUT", key: target, headers, body, signal });
    // 501 is how some say that they do not know the header.
    if (answer.status >= 500 && answer.status !== 501) throw refusal(place, answer);
    return answer.status;
  };
  const wrong = "00000000000000000000000000000000";
  try {
    const first = await expect({ method: "PUT", key, body, signal }, 200);
    const etag = (first.headers.get("etag") ?? "").replaceAll('"', "");
    const refusals = [
      await put(key, { "if-none-match": "*" }),
      await put(key, { "if-match": quoted(wrong) }),
      await put(key, { "if-match": bare(wrong) }),
      await put(absent, { "if-match": quoted(etag) }),
    ];
    if (!refusals.every((status) => status === 412 || status === 404)) return { mode: "locked" };
    for (const header of [quoted, bare]) {
      if ((await put(key, { "if-match": header(etag) })) === 200) return { mode: "native", header };
    }
    return { mode: "locked" };
  } finally {
    for (const target of [key, absent]) {
      await send({ method: "DELETE", key: target, signal }).catch(() => undefined);
    }
  }
}
