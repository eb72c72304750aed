/** Copies what a snapshot needs into a new incarnation, which nobody sees before a manifest names it. */
import {
  type Checkpoint,
  checkpointKey,
  engineKey,
  type KeptSnapshot,
  type Manifest,
  segmentKey,
  segmentOf,
  segmentsPrefix,
} from "../lhv1/lhv1.ts";
import { isFailure, type ObjectStore, replay, writeSegment } from "../objects/objects.ts";

/**
 * The manifest of the index `to`, without snapshots, and the last of its segments. Segments are numbered from 1 again. Throws `corrupt` when
 * something of the snapshot is damaged or missing.
 */
export async function copySnapshot(
  store: ObjectStore,
  name: string,
  snapshot: KeptSnapshot,
  to: { name: string; incarnation: string },
): Promise<{ contents: Manifest; last: number }> {
  const { incarnation } = to;
  const config = { ...snapshot.config, name: to.name };
  const { dimension } = config;
  const checkpoint = snapshot.checkpoint && (await copyCheckpoint(store, snapshot.checkpoint, to));
  const { base, last } = snapshot;
  const segments = [];
  for (const [key, bytes] of await store.list(segmentsPrefix(name, snapshot.incarnation))) {
    const sequence = segmentOf(name, key)?.sequence ?? 0;
    if (base < sequence && sequence <= last) segments.push({ sequence, key, bytes });
  }
  const chain = { name, incarnation: snapshot.incarnation, dimension, base, segments, last };
  let sequence = 0;
  for await (const { batches } of replay(store, chain, [])) {
    sequence += 1;
    const key = segmentKey(to.name, incarnation, sequence);
    const id = `${incarnation}-${sequence}`;
    await writeSegment(store, key, { id, incarnation, sequence, previous: sequence - 1, dimension }, batches);
  }
  const contents = { name: to.name, write: "", config, incarnation, base: 0, snapshots: [] };
  return { contents: { ...contents, ...(checkpoint && { checkpoint }) }, last: sequence };
}

async function copyCheckpoint(
  store: ObjectStore,
  { engine, ...rows }: Checkpoint,
  { name, incarnation }: { name: string; incarnation: string },
): Promise<Checkpoint> {
  const key = checkpointKey(name, incarnation, rows.id);
  await store.copy(rows.key, key);
  if (!engine) return { ...rows, key };
  const engineCopy = { ...engine, key: engineKey(name, incarnation, rows.id) };
  try {
    await store.copy(engine.key, engineCopy.key);
  } catch (error) {
    if (!isFailure(error, "corrupt")) throw error;
    return { ...rows, key }; // It is built again from the rows.
  }
  return { ...rows, key, engine: engineCopy };
}
