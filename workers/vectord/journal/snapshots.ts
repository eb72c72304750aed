/** Snapshots of an index: entries of its manifest that name what they need. Nothing is copied to take one. */
import type { Static } from "@sinclair/typebox";
import { fail } from "../../../runtime/errors/errors.ts";
import type { KeptSnapshot, Manifest } from "../lhv1/lhv1.ts";
import { type ManifestFile, neededBy } from "../objects/objects.ts";
import type { Snapshot } from "../schemas/schemas.ts";

/** The manifest holds them all, and every change writes it whole. */
const snapshotsMax = 1000;

interface Moment {
  count: number;
  /** The last segment that is acknowledged. */
  last: number;
  /** Bytes of the segments since the checkpoint. */
  segmentBytes: number;
}

const shown = ({ id, created_at, count, bytes }: KeptSnapshot): Static<typeof Snapshot> => ({
  id,
  created_at,
  count,
  bytes,
});

/** Newest first. */
export const listSnapshots = (file: ManifestFile): Static<typeof Snapshot>[] =>
  file.current().snapshots.map(shown).reverse();

/** Adds one of the moment at which the manifest is changed. Throws `conflict` when there are too many. */
export async function addSnapshot(
  file: ManifestFile,
  named: Pick<KeptSnapshot, "id" | "created_at">,
  now: () => Moment,
): Promise<Static<typeof Snapshot>> {
  const { snapshots } = await file.change((manifest) => {
    const { name, config, incarnation, checkpoint, base, snapshots } = manifest;
    if (snapshots.length >= snapshotsMax) {
      throw fail(
        "conflict",
        `'${name}' has ${snapshots.length} snapshots, the most there can be; delete some`,
      );
    }
    const { count, last, segmentBytes } = now();
    const bytes = segmentBytes + (checkpoint?.bytes ?? 0) + (checkpoint?.engine?.bytes ?? 0);
    const contents = { config, incarnation, base, last, ...(checkpoint && { checkpoint }) };
    return { ...manifest, snapshots: [...snapshots, { ...named, count, bytes, ...contents }] };
  });
  const made = snapshots.find(({ id }) => id === named.id);
  if (!made) throw new Error(`the manifest that was written does not hold the snapshot ${named.id}`);
  return shown(made);
}

/** Throws `not_found` when there is no such snapshot. */
export async function removeSnapshot(file: ManifestFile, id: string): Promise<void> {
  await file.change((manifest) => {
    const left = manifest.snapshots.filter((snapshot) => snapshot.id !== id);
    if (left.length < manifest.snapshots.length) return { ...manifest, snapshots: left };
    throw fail("not_found", `'${manifest.name}' has no snapshot '${id}'`);
  });
}

/** Of these keys those that the snapshot needs; all of them where none is named. */
export function objectsOf(manifest: Manifest, keys: string[], id: string | undefined): string[] {
  if (id === undefined) return keys;
  const { checkpoint: _, ...rest } = manifest;
  const snapshots = manifest.snapshots.filter((snapshot) => snapshot.id === id);
  // As if the snapshot were all there is.
  const alone = { ...rest, incarnation: "", base: Number.POSITIVE_INFINITY, snapshots };
  return snapshots.length === 0 ? [] : keys.filter(neededBy(manifest.name, [alone]));
}
