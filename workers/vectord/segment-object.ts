/** Stores a segment; of an answer that says another is there, finds out whether it is this one. */
import { fail } from "../../runtime/errors/errors.ts";
import type { Batch } from "./batch.ts";
import { isFailure, type ObjectStore } from "./object-store.ts";
import { decodeSegment, encodeSegment, type SegmentPlace } from "./segment.ts";

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
