/** Maps and sets list their keys in the order of insertion: bounds one that remembers what came last. */

/** Removes what was inserted first until at most `keptMax` are left. What is used is inserted anew to stay. */
export function dropOldest(kept: Map<string, unknown> | Set<string>, keptMax: number): void {
  for (const oldest of kept.keys()) {
    if (kept.size <= keptMax) return;
    kept.delete(oldest);
  }
}
