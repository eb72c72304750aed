/**
 * Segments from the last one back to a checkpoint, each naming the one before it: what a start reads forwards, in the
 * order that needs the least memory to tell which ids are there in the end.
 */
import { corrupt, segmentKey } from "../lhv1/lhv1.ts";
import { loadSegment, type ObjectStore, type SegmentRef } from "../objects/objects.ts";
import type { Batch } from "../rows/rows.ts";

export interface Walk {
  name: string;
  incarnation: string;
  dimension: number;
  /** The walk ends when it has come here. */
  base: number;
  /** It begins with this one. */
  last: number;
}

/** What is known of a segment once it was read. */
export type Known = { previous: number } | { damage: unknown };

type Step = { key: string } & ({ batches: Batch[] } | { damage: unknown });

/**
 * Each segment that counts, newest first; `known` is filled, and what is in it already is not read again (its batches
 * are left out then). Behind a damaged one the walk goes on with the next that is there.
 */
export async function* walkBack(
  store: ObjectStore,
  walk: Walk,
  { present, known }: { present: ReadonlyMap<number, SegmentRef>; known: Map<string, Known> },
): AsyncGenerator<Step> {
  const { name, incarnation, base } = walk;
  for (let sequence = walk.last; sequence > base; ) {
    const key = segmentKey(name, incarnation, sequence);
    const { link, batches } = await read(store, walk, { key, ref: present.get(sequence), known });
    if ("damage" in link) {
      yield { key, damage: link.damage };
      sequence = below(present, sequence);
      continue;
    }
    yield { key, batches };
    if (link.previous < base || link.previous >= sequence) {
      const why = `it follows segment ${link.previous}, and the checkpoint before it goes up to ${base}`;
      yield { key, damage: corrupt(key, why) };
    }
    sequence = Math.min(link.previous, sequence - 1);
  }
}

async function read(
  store: ObjectStore,
  walk: Walk,
  { key, ref, known }: { key: string; ref: SegmentRef | undefined; known: Map<string, Known> },
): Promise<{ link: Known; batches: Batch[] }> {
  const before = known.get(key);
  if (before) return { link: before, batches: [] };
  const found = ref ? await loadSegment(store, walk, ref) : { damage: corrupt(key, "it is missing") };
  const link = "damage" in found ? { damage: found.damage } : { previous: found.previous };
  known.set(key, link);
  return { link, batches: "batches" in found ? found.batches : [] };
}

const below = (present: ReadonlyMap<number, SegmentRef>, sequence: number): number =>
  Math.max(0, ...[...present.keys()].filter((other) => other < sequence));

/** Whether each id that the batches name is there after them; fed with the newest first. */
export function takeBack(there: Map<string, boolean>, batches: readonly Batch[]): void {
  for (const { deletes, upserts } of batches.toReversed()) {
    for (const id of upserts.ids) if (!there.has(id)) there.set(id, true);
    for (const id of deletes) if (!there.has(id)) there.set(id, false);
  }
}
