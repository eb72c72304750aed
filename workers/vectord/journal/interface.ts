/** What makes an index durable, as the rest of vectord sees it. LHV1 is behind it. */
import type { Static } from "@sinclair/typebox";
import type { KeptSnapshot, Manifest } from "../lhv1/lhv1.ts";
import { type Contents, neededBy } from "../objects/objects.ts";
import type { Batch, Upserts } from "../rows/rows.ts";
import type { IndexConfig, Snapshot } from "../schemas/schemas.ts";

/**
 * What was found at the start. To be read once, in order, to the end and before the first append: the checkpoint's
 * rows, then the batches after it. Reading throws `corrupt` naming the object when one is damaged or missing.
 */
export interface Recovered {
  config: IndexConfig;
  rows: AsyncIterable<Upserts>;
  batches: AsyncIterable<SegmentBatch>;
  /** The segment up to which all is in `rows`. */
  base: number;
  incarnation: string;
  /** What will be read: bytes, and rows at most. */
  stored: { bytes: number; rows: number };
  /** A local file of the engine's structure over the first of all these rows, there until the next checkpoint; absent when none was kept or it is damaged. */
  engine?: { path: string };
  /** What was found damaged and how that was dealt with. */
  problems: string[];
}

/** A batch with the number of its segment. */
export type SegmentBatch = Batch & { segment: number };

/** The durable side of one index. Appends are applied in the order of the calls. */
export interface Journal {
  /**
   * Resolves when the batch is durable; batches that wait together are written together. `apply` is called at that
   * very moment, in the order of the calls and in step with `position`: take the batch into memory there, so that
   * memory, `position` and what a restart finds agree. After an error the batch is not in memory; a restart may find
   * it when its outcome was unknown and nothing was appended since. The batch may not change before.
   */
  append: (batch: Batch, apply: () => void) => Promise<void>;
  /** Bytes and segments since the checkpoint: what recovery would read again. */
  sinceCheckpoint: () => { segments: number; bytes: number };
  /**
   * Replaces everything appended before the call by these contents, atomically, while appends go on. `mark` is taken
   * by `position()` at the very moment the contents describe.
   */
  checkpoint: (contents: Contents, mark: number) => Promise<void>;
  /**
   * Keeps what the engine built beside the checkpoint there is, instead of what was kept with it: `save` writes it, over
   * the checkpoint's rows and those of the batches since. False: there is no checkpoint it could be over.
   */
  keepEngine: (save: (path: string) => Promise<boolean>) => Promise<boolean>;
  /** The number of batches that are durable, in the order of the calls. */
  position: () => number;
  /** The last segment that is durable; while a batch is taken into memory, its own. */
  segment: () => number;
  /** Chosen anew where an index is made or restored: segments are numbered within it. */
  incarnation: () => string;
  storedBytes: () => number;
  /** Keys of the contents' objects that were found damaged or missing: a checkpoint puts whole ones in their place. */
  damaged: () => string[];
  /** Keeps what is durable at a moment during the call, at which `count` is asked for the number of items. */
  snapshot: (count: () => number) => Promise<Static<typeof Snapshot>>;
  snapshots: () => Promise<Static<typeof Snapshot>[]>;
  dropSnapshot: (id: string) => Promise<void>;
  /** Keys of all its objects but the manifest, or of those that a snapshot needs. */
  objectsOf: (snapshot?: string) => string[];
  /** Of these those that nothing needs, and that are still there. */
  orphans: () => string[];
  /** Finishes the appends that wait and the checkpoint under way; then the journal takes nothing more. */
  close: () => Promise<void>;
}

// A view of an open journal: what its index is made of at one moment, which stays in storage until it is released.

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

/** Those that the contents need; what snapshots need does not count, as it is never written anew. */
export function neededOf(manifest: Manifest, keys: ReadonlySet<string>): string[] {
  if (keys.size === 0) return [];
  const isNeeded = neededBy(manifest.name, [{ ...manifest, snapshots: [] }]);
  return [...keys].filter(isNeeded);
}
