/** Makes a checkpoint durable: one object with the rows and, where the engine has something to keep, one with that. */

import { open, stat } from "node:fs/promises";
import { sha256Of } from "../../../runtime/durable/durable.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import {
  type Checkpoint,
  checkpointKey,
  corrupt,
  engineKey,
  readCheckpoint,
  type VectorsAt,
  writeCheckpoint,
} from "../lhv1/lhv1.ts";
import type { Upserts } from "../rows/rows.ts";
import { isFailure, type ObjectStore } from "./store.ts";

/** The live rows at some moment, for a checkpoint: in row order, in pieces of any size. */
export interface Contents {
  count: number;
  pieces: AsyncIterable<Upserts> | Iterable<Upserts>;
  /** The file that becomes the checkpoint, and where its vectors are; its path ends with the call. */
  written?: (path: string, vectors: readonly VectorsAt[]) => void;
  /** Writes the engine's structure over these rows, or the first of them and of those after them, to the path, or returns false. */
  saveEngine?: (path: string) => Promise<boolean>;
}

interface CheckpointPlace {
  name: string;
  incarnation: string;
  id: string;
  dimension: number;
}

/** Writes the objects, which the manifest does not name yet; `guard` throws when that is in vain by now. */
export async function saveCheckpoint(
  { store, log }: { store: ObjectStore; log: Log },
  place: CheckpointPlace,
  contents: Contents,
  guard: () => void,
): Promise<Checkpoint> {
  const { name, incarnation, id, dimension } = place;
  const key = checkpointKey(name, incarnation, id);
  const draft = await store.draft();
  try {
    const file = await open(draft.path, "w");
    const facts = { id, dimension, rows: contents.count };
    const { chain, vectors } = await writeCheckpoint(facts, contents.pieces, async (bytes) => {
      guard();
      await file.writeFile(bytes);
    }).finally(() => file.close());
    contents.written?.(draft.path, vectors);
    const bytes = await draft.commit(key);
    const engine = await saveEngine(store, engineKey(name, incarnation, id), contents).catch((error) => {
      log.warn("the engine's structure was not kept; it is built again at the next start", describe(error));
      return undefined;
    });
    return { id, key, bytes, rows: contents.count, chain, ...(engine && { engine }) };
  } finally {
    await draft.discard();
  }
}

/** Makes what the engine built durable; undefined when there is nothing to keep. */
export async function saveEngine(
  store: ObjectStore,
  key: string,
  { saveEngine }: Pick<Contents, "saveEngine">,
): Promise<Checkpoint["engine"]> {
  if (!saveEngine) return undefined;
  const draft = await store.draft();
  try {
    if (!(await saveEngine(draft.path))) return undefined;
    const sha256 = await sha256Of(draft.path);
    return { key, sha256, bytes: await draft.commit(key) };
  } finally {
    await draft.discard();
  }
}

/** Throws `corrupt` unless the engine's file is what was written; all of it is read. */
export async function checkEngine(
  store: ObjectStore,
  { key, bytes, sha256 }: NonNullable<Checkpoint["engine"]>,
): Promise<void> {
  const { path, release } = await store.open(key);
  try {
    if ((await stat(path)).size !== bytes || (await sha256Of(path)) !== sha256)
      throw corrupt(key, "it is not what was written");
  } finally {
    await release();
  }
}

/** The rows of a checkpoint, piece by piece. Throws `corrupt` naming the object. */
export async function* loadCheckpoint(
  store: ObjectStore,
  dimension: number,
  checkpoint: Checkpoint,
): AsyncGenerator<Upserts> {
  // Its own checksums and their chain are compared while it is read: storaged need not read it before.
  const { path, source, release } = await store.open(checkpoint.key, false);
  try {
    if (source.bytes !== checkpoint.bytes) {
      throw corrupt(checkpoint.key, `it has ${source.bytes} bytes, ${checkpoint.bytes} were written`);
    }
    for await (const { offset, ...upserts } of readCheckpoint(source, { ...checkpoint, dimension }))
      yield { ...upserts, place: { path, offset, rows: upserts.ids.length } };
  } catch (error) {
    // storaged looks at it itself, so that it names what is damaged too.
    if (isFailure(error, "corrupt")) await (await store.open(checkpoint.key)).release();
    throw error;
  } finally {
    await release();
  }
}

/** The engine's file, whole as it was written, there until it is released. Throws `corrupt` when it is not. */
export async function loadEngine(
  store: ObjectStore,
  { key, bytes, sha256 }: NonNullable<Checkpoint["engine"]>,
): Promise<{ path: string; release: () => Promise<void> }> {
  const { path, etag, close, release } = await store.open(key);
  // On a local bucket the etag is the SHA-256 of bytes that storaged has just verified.
  const whole = etag === sha256 || ((await stat(path)).size === bytes && (await sha256Of(path)) === sha256);
  if (whole) {
    await close();
    return { path, release };
  }
  await release();
  throw corrupt(key, "it is not what was written");
}
