/** The object in an S3 bucket that says who may write there. */

import { seal, unseal } from "../../../runtime/durable/durable.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { reservedPrefix } from "../bucket/bucket.ts";
import { bareEtag, type ConditionalWrites, type S3Connection } from "../s3-client/s3-client.ts";

export interface LeaseRecord {
  format: 1;
  store_id: string;
  /** New at every write: an observer that sees the same token for long enough knows that nobody renews it. */
  token: string;
  /** How long it holds when it is not renewed, in milliseconds. */
  lease_ms: number;
  /** Host and process, for people. */
  holder: string;
  /** Given back: anyone may take it. */
  released?: true;
}

export interface Read {
  record: LeaseRecord | "damaged";
  etag: string;
}

export interface LeaseObject {
  read: (signal: AbortSignal) => Promise<Read | undefined>;
  /**
   * Writes it where it still has this etag, or is not there (`undefined`). The new etag; undefined when it is another's
   * now. Where the server does not honour conditions, it is looked at before, and again a while after.
   */
  write: (record: LeaseRecord, etag: string | undefined, signal: AbortSignal) => Promise<string | undefined>;
}

const key = `${reservedPrefix}lease.json`;
/** Of two concurrent unconditional writes the later one stays; after this time both have arrived. */
const settleMs = 1000;

export function leaseObject(
  { expect }: S3Connection,
  writes: () => ConditionalWrites,
  clock: Pick<Clock, "sleep">,
): LeaseObject {
  const read: LeaseObject["read"] = async (signal) => {
    const answer = await expect({ method: "GET", key, signal }, 200, 404);
    if (answer.status === 404) return undefined;
    const record = unseal(new TextEncoder().encode(answer.text)) as LeaseRecord | undefined;
    return { record: record ?? "damaged", etag: bareEtag(answer.headers.get("etag")) };
  };
  const put = async (record: LeaseRecord, headers: Record<string, string>, signal: AbortSignal) => {
    const body = new TextEncoder().encode(seal(record));
    const answer = await expect({ method: "PUT", key, headers, body, signal }, 200, 412, 404);
    return answer.status === 200 ? bareEtag(answer.headers.get("etag")) : undefined;
  };
  const isMine = (found: Read | undefined, { token }: LeaseRecord): boolean =>
    typeof found?.record === "object" && found.record.token === token;
  return {
    read,
    write: async (record, etag, signal) => {
      const conditions = writes();
      if (conditions.mode === "native") {
        const headers =
          etag === undefined ? { "if-none-match": "*" } : { "if-match": conditions.header(etag) };
        const written = await put(record, headers as Record<string, string>, signal);
        if (written !== undefined) return written;
        // Refused, or carried out by an attempt whose answer was lost.
        const found = await read(signal);
        return isMine(found, record) ? found?.etag : undefined;
      }
      if ((await read(signal))?.etag !== etag) return undefined;
      await put(record, {}, signal);
      await clock.sleep(settleMs, signal);
      const found = await read(signal);
      return isMine(found, record) ? found?.etag : undefined;
    },
  };
}
