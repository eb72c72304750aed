/** Reads every object again that one index needs, piece by piece, without loading it into an engine. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { type Checkpoint, type Manifest, segmentOf } from "../lhv1/lhv1.ts";
import {
  checkEngine,
  isFailure,
  loadCheckpoint,
  type ObjectStore,
  type SegmentRef,
} from "../objects/objects.ts";
import { type Known, takeBack, type Walk, walkBack } from "./segment-walk.ts";

/** An object that is damaged or missing, and what needs it. */
export interface Needed {
  key: string;
  why: string;
  contents: boolean;
  /** Ids. */
  snapshots: string[];
}

export interface Inspection {
  damaged: Needed[];
  /** Live rows that the journal gives; undefined where something of it is damaged. */
  rows?: number;
}

interface Inspected {
  manifest: Manifest;
  /** The last acknowledged segment where the index is open; else all that are there count. */
  last?: number;
  /** The last segment that is known to have been acknowledged, where the index is not open. */
  atLeast?: number | undefined;
  /** Sizes of the index's objects by key. */
  objects: ReadonlyMap<string, number>;
  signal: AbortSignal;
}

interface State extends Inspected {
  store: ObjectStore;
  known: Map<string, Known>;
  /** Checkpoints and engines that were read, with what is wrong with them. */
  read: Map<string, unknown>;
  damaged: Map<string, Needed>;
}

/** Yields the key of what it reads, at every piece of it. Throws when storage cannot be asked. */
export async function* inspectIndex(
  store: ObjectStore,
  looked: Inspected,
): AsyncGenerator<string, Inspection> {
  const state: State = { ...looked, store, known: new Map(), read: new Map(), damaged: new Map() };
  const { manifest } = looked;
  const rows = yield* inspectContents(state);
  for (const snapshot of manifest.snapshots) {
    const walk = { ...chainOf(manifest.name, snapshot), last: snapshot.last };
    for await (const step of walkOf(state, walk)) {
      yield step.key;
      if ("damage" in step) note(state, step.key, step.damage).snapshots.push(snapshot.id);
    }
    const { checkpoint } = snapshot;
    if (!checkpoint) continue;
    const hurt = yield* readCheckpoint(state, checkpoint, snapshot.config.dimension, () => {});
    for (const key of hurt) noteRead(state, key).snapshots.push(snapshot.id);
  }
  return { damaged: [...state.damaged.values()], ...(rows !== undefined && { rows }) };
}

const chainOf = (
  name: string,
  { incarnation, config, base }: Pick<Manifest, "incarnation" | "config" | "base">,
) => ({
  name,
  incarnation,
  dimension: config.dimension,
  base,
});

async function* inspectContents(state: State): AsyncGenerator<string, number | undefined> {
  const { manifest, last, atLeast = 0 } = state;
  const chain = chainOf(manifest.name, manifest);
  const end = last ?? Math.max(chain.base, atLeast, ...presentIn(state, chain.incarnation).keys());
  const there = new Map<string, boolean>();
  let whole = true;
  for await (const step of walkOf(state, { ...chain, last: end })) {
    yield step.key;
    if ("batches" in step) takeBack(there, step.batches);
    else {
      note(state, step.key, step.damage).contents = true;
      whole = false;
    }
  }
  let rows = [...there.values()].filter(Boolean).length;
  const { checkpoint } = manifest;
  if (checkpoint) {
    const hurt = yield* readCheckpoint(state, checkpoint, chain.dimension, (ids) => {
      for (const id of ids) if (!there.has(id)) rows += 1;
    });
    for (const key of hurt) noteRead(state, key).contents = true;
    if (hurt.includes(checkpoint.key)) whole = false;
  }
  return whole ? rows : undefined;
}

function walkOf(state: State, walk: Walk) {
  state.signal.throwIfAborted();
  return walkBack(state.store, walk, { present: presentIn(state, walk.incarnation), known: state.known });
}

function presentIn({ manifest, objects }: State, incarnation: string): Map<number, SegmentRef> {
  const present = new Map<number, SegmentRef>();
  for (const [key, bytes] of objects) {
    const segment = segmentOf(manifest.name, key);
    if (segment?.incarnation === incarnation)
      present.set(segment.sequence, { key, bytes, sequence: segment.sequence });
  }
  return present;
}

/** Reads rows and engine, unless they were read; the keys of those that are damaged. */
async function* readCheckpoint(
  state: State,
  checkpoint: Checkpoint,
  dimension: number,
  take: (ids: readonly string[]) => void,
): AsyncGenerator<string, string[]> {
  const { store, read, signal } = state;
  const { key, engine } = checkpoint;
  if (!read.has(key)) {
    read.set(key, undefined);
    try {
      for await (const { ids } of loadCheckpoint(store, dimension, checkpoint)) {
        signal.throwIfAborted();
        take(ids);
        yield key;
      }
    } catch (error) {
      read.set(key, damageOf(error));
    }
  }
  if (engine && !read.has(engine.key)) {
    read.set(engine.key, await checkEngine(store, engine).then(() => undefined, damageOf));
    yield engine.key;
  }
  return [key, ...(engine ? [engine.key] : [])].filter((each) => read.get(each) !== undefined);
}

/** Damage of an object; whatever else goes wrong is not about the index. */
function damageOf(error: unknown): unknown {
  if (isFailure(error, "corrupt")) return error;
  throw error;
}

const noteRead = (state: State, key: string): Needed => note(state, key, state.read.get(key));

function note({ damaged }: State, key: string, damage: unknown): Needed {
  const why = damage instanceof ServiceError ? damage.message : String(damage);
  const needed = damaged.get(key) ?? { key, why, contents: false, snapshots: [] };
  damaged.set(key, needed);
  return needed;
}
