/** The objects of an index and their bytes, with the total at hand: it is asked at every add. */
export interface ObjectSizes {
  set: (key: string, bytes: number) => void;
  get: (key: string) => number;
  delete: (key: string) => void;
  keys: () => string[];
  total: () => number;
}

export function createObjectSizes(found: ReadonlyMap<string, number>): ObjectSizes {
  const sizes = new Map(found);
  let total = 0;
  for (const bytes of sizes.values()) total += bytes;
  const get = (key: string): number => sizes.get(key) ?? 0;
  return {
    get,
    set: (key, bytes) => {
      total += bytes - get(key);
      sizes.set(key, bytes);
    },
    delete: (key) => {
      total -= get(key);
      sizes.delete(key);
    },
    keys: () => [...sizes.keys()],
    total: () => total,
  };
}
