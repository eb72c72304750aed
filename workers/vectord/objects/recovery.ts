/**
 * Reads segments again, in order, and decides which of them count.
 *
 * Each names the one that was acknowledged before it. A segment that the next one passes over was written with an
 * unknown outcome and reported as failed: it does not count, whole or damaged. The last one counts: it may have been
 * acknowledged. So does a damaged one that another names or that is the last: it is an error, and so is a gap.
 */
import { corrupt, decodeSegment, segmentKey } from "../lhv1/lhv1.ts";
import type { Batch } from "../rows/rows.ts";
import { acceptance } from "./marks.ts";
import { isFailure, type ObjectStore } from "./store.ts";

export interface SegmentRef {
  sequence: number;
  key: string;
  bytes: number;
}

interface Chain {
  name: string;
  incarnation: string;
  dimension: number;
  /** The segment that the first one follows. */
  base: number;
  /** Those after it, ascending. */
  segments: readonly SegmentRef[];
  /** The segment it must end with, where that is known. */
  last?: number;
  /** The last segment that is known to have been acknowledged. */
  atLeast?: number;
}

interface Intact {
  sequence: number;
  batches: Batch[];
}
interface Damaged {
  sequence: number;
  damage: unknown;
}

/**
 * The batches of each segment that counts. Throws `corrupt` naming the object; what was passed over is added to
 * `problems`.
 */
export async function* replay(store: ObjectStore, chain: Chain, problems: string[]): AsyncGenerator<Intact> {
  let { base } = chain;
  let intact: Intact | undefined;
  let damaged: Damaged[] = [];
  const missing = (sequence: number, why = "and later segments follow it") =>
    corrupt(segmentKey(chain.name, chain.incarnation, sequence), `it is missing, ${why}`);
  const passOver = (sequences: number[]) => {
    for (const sequence of sequences) {
      problems.push(
        `${segmentKey(chain.name, chain.incarnation, sequence)}: passed over, it was never acknowledged`,
      );
    }
  };

  for (const segment of chain.segments) {
    const found = await loadSegment(store, chain, segment);
    if ("damage" in found) {
      damaged.push(found);
      continue;
    }
    const { previous } = found;
    const named = damaged.find(({ sequence }) => sequence === previous);
    if (named) throw named.damage;
    if (intact !== undefined && previous === intact.sequence) {
      yield intact;
      base = intact.sequence;
    } else if (previous === base) {
      if (intact) passOver([intact.sequence]);
    } else throw missing(previous);
    passOver(damaged.map(({ sequence }) => sequence));
    damaged = [];
    intact = found;
  }
  if (damaged[0]) throw damaged[0].damage;
  if (intact) {
    yield intact;
    base = intact.sequence;
  }
  if (chain.last !== undefined && base !== chain.last) throw missing(chain.last);
  const { atLeast = 0 } = chain;
  if (base < atLeast)
    throw missing(
      atLeast,
      `and it was acknowledged; put it back from a backup, or ${acceptance(chain.name)}`,
    );
}

/** One segment of the chain, or what is wrong with it. */
export async function loadSegment(
  store: ObjectStore,
  chain: Pick<Chain, "incarnation" | "dimension">,
  { key, bytes, sequence }: SegmentRef,
): Promise<(Intact & { previous: number }) | Damaged> {
  try {
    const { source, release } = await store.source(key, bytes);
    try {
      const { head, batches } = await decodeSegment(source);
      const { incarnation, dimension } = chain;
      if (head.incarnation !== incarnation || head.sequence !== sequence || head.dimension !== dimension) {
        throw corrupt(key, `it is segment ${head.sequence} of '${head.incarnation}', copied here`);
      }
      return { sequence, previous: head.previous, batches };
    } finally {
      await release();
    }
  } catch (damage) {
    if (isFailure(damage, "corrupt")) return { sequence, damage };
    throw damage;
  }
}
