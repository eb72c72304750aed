/** What is added and deleted at once: all of it or nothing becomes durable and visible. */

/** Any JSON object that came with an item. */
export type Metadata = Readonly<Record<string, unknown>>;

export interface Upserts {
  /** Unique within the batch. */
  ids: readonly string[];
  /** One row a vector, `ids.length × dimension` finite values. */
  vectors: Float32Array;
  /** One entry an id; undefined where the item has none. */
  metadata: readonly (Metadata | undefined)[];
}

export interface Batch {
  /** Deletions come first: an id that is also upserted is there afterwards. */
  deletes: readonly string[];
  upserts: Upserts;
}
