/** A view of an open journal: what its index is made of at one moment, which stays in storage until it is released. */
import type { KeptSnapshot, Manifest } from "../lhv1/lhv1.ts";
import { neededBy } from "../objects/objects.ts";

export interface JournalView {
  manifest: Manifest;
  /** The last segment that is acknowledged. */
  last: number;
  /** Whether nothing is being written or removed that the manifest does not name. */
  isQuiet: boolean;
  release: () => void;
}

/** What is there now, in the form of a snapshot that nobody asked for. */
export const momentOf = (
  { config, incarnation, checkpoint, base }: Manifest,
  last: number,
): KeptSnapshot => ({
  ...{ id: "", created_at: "", count: 0, bytes: 0, config, incarnation, base, last },
  ...(checkpoint && { checkpoint }),
});

/** Whether the contents need one of these; what snapshots need does not count, as it is never written anew. */
export function isAnyNeeded(manifest: Manifest, keys: ReadonlySet<string>): boolean {
  const isNeeded = neededBy(manifest.name, [{ ...manifest, snapshots: [] }]);
  return [...keys].some(isNeeded);
}
