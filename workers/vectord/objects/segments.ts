/** Stores a segment; of an answer that says another is there, finds out whether it is this one. */
import { fail } from "../../../runtime/errors/errors.ts";
import { decodeSegment, encodeSegment, type SegmentPlace } from "../lhv1/lhv1.ts";
import type { Batch } from "../rows/rows.ts";
import { isFailure, type ObjectStore } from "./store.ts";

/** Resolves to its size when it is durable. Throws `conflict` when another writer's is there. */
export async function writeSegment(
  store: ObjectStore,
  key: string,
  place: SegmentPlace,
  batches: readonly Batch[],
): Promise<number> {
  try {
    return await store.create(key, encodeSegment(place, batches));
  } catch (error) {
    if (!isFailure(error, "precondition_failed")) throw error;
    const opened = await store.open(key);
    try {
      const { head } = await decodeSegment(opened.source);
      if (head.id === place.id) return opened.source.bytes;
    } finally {
      await opened.release();
    }
    throw fail("conflict", `'${key}' was written by another process; open the index again`, { cause: error });
  }
}
