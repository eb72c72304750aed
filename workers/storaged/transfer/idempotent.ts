/**
 * Writes with an Idempotency-Key. What the object was before is kept with the key; after a kill the object itself shows
 * whether the write was done: it holds the bytes, it is as it was, or somebody else has written since.
 */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import type { Bucket, Conditions, Upload, Written } from "../bucket/bucket.ts";

interface Keyed {
  idempotency: Pick<Idempotency, "once">;
  idempotencyKey: string;
  bucket: Bucket;
  key: string;
  signal: AbortSignal;
}

/** What a request is, for the Idempotency-Key: the same object with the same bytes. */
const fingerprint = (...parts: string[]): string => Bun.SHA256.hash(parts.join("\n"), "hex");

/** Makes the upload the object, once; gives it up when an earlier answer is repeated or the key is another request's. */
export async function putOnce(keyed: Keyed, upload: Upload, conditions: Conditions): Promise<Written> {
  const { idempotency, idempotencyKey, bucket, key, signal } = keyed;
  let committed = false;
  const commit = () => {
    committed = true;
    return upload.commit(conditions);
  };
  try {
    return await idempotency.once<Written>(
      idempotencyKey,
      fingerprint("PUT", bucket.describe().name, key, upload.sha256),
      async ({ again, before }) => {
        if (!again) return commit();
        const info = await bucket.head(key, signal).catch(missing);
        if (info && bucket.hashOf?.(info) === upload.sha256) return { info, created: before === absent };
        if ((await stateOf(keyed)) === before) return commit();
        throw changedSince(key);
      },
      { resumable: true, before: () => stateOf(keyed) },
    );
  } finally {
    if (!committed) await upload.discard();
  }
}

/** Deletes the object, once. `remove` throws when there is none. */
export async function removeOnce(keyed: Keyed, remove: () => Promise<void>): Promise<void> {
  const { idempotency, idempotencyKey, bucket, key } = keyed;
  await idempotency.once<void>(
    idempotencyKey,
    fingerprint("DELETE", bucket.describe().name, key),
    async ({ again, before }) => {
      const now = again ? await stateOf(keyed) : before;
      if (now === absent && before !== absent) return;
      if (now !== before) throw changedSince(key);
      await remove();
    },
    { resumable: true, before: () => stateOf(keyed) },
  );
}

const absent = "absent";

/** Two states of an object are never alike, unless nothing was written between them. */
async function stateOf({ bucket, key, signal }: Keyed): Promise<string> {
  try {
    const { etag, last_modified } = await bucket.head(key, signal);
    return `${etag} ${last_modified}`;
  } catch (error) {
    if (!(error instanceof ServiceError)) throw error;
    if (error.type === "not_found") return absent;
    // One that is damaged can be written over.
    if (error.type === "corrupt") return "corrupt";
    throw error;
  }
}

function missing(error: unknown): undefined {
  if (error instanceof ServiceError && (error.type === "not_found" || error.type === "corrupt"))
    return undefined;
  throw error;
}

const changedSince = (key: string) =>
  fail(
    "outcome_unknown",
    `whether an earlier request with this Idempotency-Key was carried out is not known: '${key}' was written since. GET it, and send the request with another key if it is still wanted`,
  );
