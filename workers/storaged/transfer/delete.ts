/** DELETE: the object is gone, or an error says why not. */
import type { RawContext } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Bucket } from "../bucket/bucket.ts";
import { removeOnce } from "./idempotent.ts";
import { writeConditions } from "./preconditions.ts";

/** 204 when it was deleted, `not_found` when there is none; If-Match is honoured. */
export async function removeObject(
  { idempotency }: Pick<Deps, "idempotency">,
  bucket: Bucket,
  key: string,
  { request, signal, idempotencyKey }: RawContext,
): Promise<Response> {
  const { name } = bucket.describe();
  const remove = async () => {
    const removed = await bucket.remove(key, writeConditions(request.headers), signal);
    if (!removed)
      throw fail("not_found", `no object '${key}' in bucket '${name}'`, { details: { bucket: name, key } });
  };
  if (!idempotencyKey) await remove();
  else await removeOnce({ idempotency, idempotencyKey, bucket, key, signal }, remove);
  return new Response(null, { status: 204 });
}
