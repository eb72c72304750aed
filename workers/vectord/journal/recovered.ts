/** What a start reads of an index: which objects, how much, and as which batches. */
import { type Manifest, segmentOf } from "../lhv1/lhv1.ts";
import type { SegmentRef } from "../objects/objects.ts";
import { type Batch, rowsWithin, type Upserts } from "../rows/rows.ts";
import type { Recovered, SegmentBatch } from "./interface.ts";

export function storedOf(
  { checkpoint, config }: Manifest,
  segments: readonly SegmentRef[],
): Recovered["stored"] {
  const appended = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    bytes: (checkpoint?.bytes ?? 0) + appended,
    rows: (checkpoint?.rows ?? 0) + rowsWithin(appended, config.dimension),
  };
}

export async function* noRows(): AsyncGenerator<Upserts> {}

/** Each batch with the number of its segment; `ended` is called behind the last. */
export async function* flat(
  groups: AsyncIterable<{ sequence: number; batches: Batch[] }>,
  ended: () => void,
): AsyncGenerator<SegmentBatch> {
  for await (const { sequence, batches } of groups)
    for (const batch of batches) yield { ...batch, segment: sequence };
  ended();
}

/** The segments after the checkpoint, ascending. */
export function segmentsOf(
  { name, incarnation, base }: Pick<Manifest, "name" | "incarnation" | "base">,
  objects: ReadonlyMap<string, number>,
): SegmentRef[] {
  const found: SegmentRef[] = [];
  for (const [key, bytes] of objects) {
    const segment = segmentOf(name, key);
    if (segment?.incarnation !== incarnation || segment.sequence <= base) continue;
    found.push({ sequence: segment.sequence, key, bytes });
  }
  return found.sort((a, b) => a.sequence - b.sequence);
}
