/**
 * Where objects are: `datasets/<name>/<sha256 of the bytes>.parquet`, so that the same file gives the same object. An object
 * is in a version once; rows that are appended a second time get a key of their own.
 */

/** The key without its ending. */
export const keyOf = (name: string, hash: string): string => `datasets/${name}/${hash}`;

/** A key for each hash that is not held, the shortest that is free: `<hash>`, `<hash>-2`, … */
export function freshKeys(name: string, hashes: readonly string[], held: readonly string[]): string[] {
  const taken = new Set(held);
  return hashes.map((hash) => {
    const stem = keyOf(name, hash);
    let key = `${stem}.parquet`;
    for (let copy = 2; taken.has(key); copy++) key = `${stem}-${copy}.parquet`;
    taken.add(key);
    return key;
  });
}
