/** What is added and deleted at once: all of it or nothing becomes durable and visible. */
import type { RowPlace } from "./row-files.ts";

/** Any JSON object that came with an item. */
export type Metadata = Readonly<Record<string, unknown>>;

/** The field of a row's metadata that keeps the text which its vector was made of. */
export const textField = "@text";

/** And the one that keeps its named vectors: by name, the base64 of what `named-vectors.ts` packs. */
export const vectorsField = "@vectors";

export interface Upserts {
  /** Unique within the batch. */
  ids: readonly string[];
  /** One row a vector, `ids.length × dimension` finite values. */
  vectors: Float32Array;
  /** One entry an id; undefined where the item has none. */
  metadata: readonly (Metadata | undefined)[];
  /** Where the vectors stand in a file, if they do. */
  place?: RowPlace;
}

export interface Batch {
  /** Deletions come first: an id that is also upserted is there afterwards. */
  deletes: readonly string[];
  upserts: Upserts;
  /** Of the request with an Idempotency-Key that it came with. */
  operation?: string;
}

const under = (operation: string | undefined) => (operation === undefined ? {} : { operation });

export const upsertBatch = ({ ids, vectors, metadata }: Upserts, operation?: string): Batch => ({
  deletes: [],
  upserts: { ids, vectors, metadata },
  ...under(operation),
});

export const deleteBatch = (ids: readonly string[], operation?: string): Batch => ({
  deletes: ids,
  upserts: { ids: [], vectors: new Float32Array(), metadata: [] },
  ...under(operation),
});
