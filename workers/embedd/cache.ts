/** Vectors that were asked for before: the least recently used go first when the bytes are used up. */

export interface VectorCache {
  /** The vector, which nobody may change; it counts as used now. */
  get: (key: string) => Float32Array | undefined;
  put: (key: string, vector: Float32Array) => void;
  /** Drops every vector whose key begins so. */
  forget: (prefix: string) => void;
  /** What it takes of memory, by the account below. */
  bytes: () => number;
  entries: () => number;
}

/**
 * Memory of one entry beside its numbers: map slot, key, typed array. Measured in Bun 1.4.5 with 60,000 entries of
 * 16 to 1536 numbers; its allocator rounds the numbers up, 768 of them (3072 bytes) to 4100.
 */
const entryBytes = 320;
const roundedUp = 4 / 3;
const bytesOf = (key: string, vector: Float32Array): number =>
  entryBytes + key.length + Math.ceil(vector.byteLength * roundedUp);

/** The key of a text: `prefix` tells the model, SHA-256 the text. */
export const cacheKey = (prefix: string, text: string): string =>
  `${prefix}\n${new Bun.CryptoHasher("sha256").update(text).digest("base64")}`;

export function createVectorCache(bytesMax: number): VectorCache {
  // A Map lists its keys in the order of insertion: what is used is inserted anew, so the first is the oldest.
  const vectors = new Map<string, Float32Array>();
  let bytes = 0;

  const remove = (key: string, vector: Float32Array) => {
    vectors.delete(key);
    bytes -= bytesOf(key, vector);
  };

  return {
    get: (key) => {
      const vector = vectors.get(key);
      if (vector === undefined) return undefined;
      vectors.delete(key);
      vectors.set(key, vector);
      return vector;
    },
    put: (key, vector) => {
      const before = vectors.get(key);
      if (before !== undefined) remove(key, before);
      const size = bytesOf(key, vector);
      if (size > bytesMax) return;
      for (const [oldest, dropped] of vectors) {
        if (bytes + size <= bytesMax) break;
        remove(oldest, dropped);
      }
      vectors.set(key, vector);
      bytes += size;
    },
    forget: (prefix) => {
      for (const [key, vector] of vectors) if (key.startsWith(prefix)) remove(key, vector);
    },
    bytes: () => bytes,
    entries: () => vectors.size,
  };
}
