/** The cache of vectors: the least recently used are evicted when the bytes are used up. */
import { LRUCache } from "lru-cache";

/** Vectors by `cacheKey`. Nobody may change one. */
type VectorCache = LRUCache<string, Float32Array>;

/**
 * Memory of one entry beside its numbers: map slot, key, typed array. Measured in Bun 1.4.5 with 60,000 entries of
 * 16 to 1536 numbers; its allocator rounds the numbers up, 768 of them (3072 bytes) to 4100.
 */
const entryBytes = 320;
const roundedUp = 4 / 3;
const bytesOf = (vector: Float32Array, key: string): number =>
  entryBytes + key.length + Math.ceil(vector.byteLength * roundedUp);

/** The key of a text: `prefix` tells the model, SHA-256 the text. */
export const cacheKey = (prefix: string, text: string): string =>
  `${prefix}\n${new Bun.CryptoHasher("sha256").update(text).digest("base64")}`;

/** A vector that is larger than `bytesMax` is not kept: with 0 bytes, none is. */
export const createVectorCache = (bytesMax: number): VectorCache =>
  new LRUCache({ maxSize: Math.max(1, bytesMax), sizeCalculation: bytesOf });

/** Drops every vector whose key begins so. */
export function forget(cache: VectorCache, prefix: string): void {
  for (const key of cache.keys()) if (key.startsWith(prefix)) cache.delete(key);
}
