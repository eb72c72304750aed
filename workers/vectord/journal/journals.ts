/** The durable side of all indexes, in the primary bucket under `vectors/`. */
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Clock, createKeyedMutex, type KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../../storaged/contract.ts";
import {
  indexesPrefix,
  indexPrefix,
  type KeptSnapshot,
  type Manifest,
  manifestKey,
  segmentOf,
} from "../lhv1/lhv1.ts";
import {
  createManifest,
  eraseAll,
  type IndexMarks,
  isFailure,
  loadCheckpoint,
  loadEngine,
  lost,
  manifestFile,
  type ObjectStore,
  objectsFolder,
  openObjectStore,
  readManifest,
  replay,
  type SegmentRef,
} from "../objects/objects.ts";
import { type Batch, rowsWithin, type Upserts } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import type { Journal, Recovered, SegmentBatch } from "./interface.ts";
import { type JournalOptions, type OpenJournal, openJournal } from "./open-journal.ts";
import { copySnapshot } from "./restore.ts";

/** All indexes in the bucket, under `vectors/<name>/`. */
export interface Journals {
  list: () => Promise<string[]>;
  /** Makes an empty index, durably. Throws `conflict`. */
  create: (config: IndexConfig) => Promise<Journal>;
  /** Opens what is there. Throws `not_found`, or `corrupt` naming the object when nothing sound is left. */
  open: (name: string) => Promise<{ journal: Journal; recovered: Recovered }>;
  /** Makes a snapshot of `name` the contents of `as`, which replaces an index of that name atomically: a journal of `as` that is open takes nothing more, and the index is opened again. Snapshots of `as` stay. With `engine` it lies in that one, or in none for null. */
  restore: (name: string, snapshot: string, as: string, engine?: string | null) => Promise<void>;
  /** Also drops what is damaged. Throws `not_found`. */
  drop: (name: string) => Promise<void>;
  inspectable: Inspectable;
}

/** What an inspection reads: the objects of all indexes, and the journals that are open. */
export interface Inspectable {
  store: ObjectStore;
  storaged: { verbs: Pick<Peer<Storaged>["verbs"], "head"> };
  clock: Pick<Clock, "now">;
  open: ReadonlyMap<string, OpenJournal>;
  marks: Pick<IndexMarks, "names" | "has" | "expected">;
}

interface JournalsOptions {
  storaged: Peer<Storaged>;
  log: Log;
  clock: Clock;
  newId: () => string;
  /** Absolute; for copies of objects that are not on this machine, in a folder of its own. */
  directory: string;
  marks: IndexMarks;
  /** Whether the operator has said that the index is to be taken as it is. */
  adopted: (name: string) => boolean;
}

/** Indexes that are looked at at once. */
const looksAtOnce = 16;

interface State extends JournalOptions, Pick<JournalsOptions, "adopted"> {
  storaged: Peer<Storaged>;
  /** Journals that are open, by name. */
  open: Map<string, OpenJournal>;
  /** Whatever makes, opens or ends an index of a name goes on one after the other. */
  exclusively: KeyedMutex;
}

/** Opens the durable side; asks nothing of storaged yet. One process owns the bucket's indexes at a time. */
export async function openJournals(options: JournalsOptions): Promise<Journals> {
  const { storaged, newId, directory } = options;
  const store = await openObjectStore({ storaged, newId, directory: objectsFolder(directory) });
  const state: State = { ...options, store, open: new Map(), exclusively: createKeyedMutex() };
  return {
    list: () => list(state),
    create: ({ ...config }) =>
      state.exclusively(config.name, async () => {
        const first = { name: config.name, write: "", config, incarnation: newId(), base: 0, snapshots: [] };
        const file = await createManifest(state, first);
        return remember(state, config.name, { file, objects: new Map(), segments: [] }, async () => {});
      }),
    open: (name) => state.exclusively(name, () => open(state, name)),
    restore: (name, snapshot, as, engine) =>
      state.exclusively(as, () => restore(state, name, snapshot, { as, engine })),
    drop: (name) => state.exclusively(name, () => drop(state, name)),
    inspectable: state,
  };
}

/**
 * Names with a manifest, and those that must have one. Other folders are what a drop or a restore that was cut off has
 * left: removed.
 */
async function list(state: State): Promise<string[]> {
  const { store, log, exclusively, marks } = state;
  const names = [...new Set([...(await store.folders(indexesPrefix)), ...marks.names()])].sort();
  const present = await pMap(
    names,
    (name) =>
      exclusively(name, async () => {
        const objects = await store.list(indexPrefix(name));
        if (objects.has(manifestKey(name)) || marks.has(name)) return true;
        await eraseAll(store, log, objects.keys());
        return false;
      }),
    { concurrency: looksAtOnce },
  );
  return names.filter((_, at) => present[at]);
}

function remember(
  state: State,
  name: string,
  found: Parameters<typeof openJournal>[1],
  closed: () => Promise<void>,
): Journal {
  const opened = openJournal(state, found, async () => {
    if (state.open.get(name) === opened) state.open.delete(name);
    await closed();
  });
  state.open.set(name, opened);
  return opened.journal;
}

/** The last segment that must be there. Throws `corrupt` for a manifest that is not the last one. */
function expectedOf({ marks, adopted, log }: State, manifest: Manifest): number {
  try {
    const { last = 0 } = marks.expected(manifest) ?? {};
    if (!adopted(manifest.name)) return last;
  } catch (error) {
    if (!adopted(manifest.name)) throw error;
  }
  log.warn("an index is taken as it is", { index: manifest.name });
  return 0;
}

async function open(state: State, name: string): Promise<{ journal: Journal; recovered: Recovered }> {
  const { store, marks } = state;
  if (state.open.has(name)) throw fail("conflict", `the index '${name}' is open already`);
  const read = await readManifest(store, name);
  if (!read && marks.has(name)) throw lost(name, "is missing, and there was such an index");
  if (!read) throw fail("not_found", `there is no index '${name}'`);
  const { manifest, etag } = read;
  const atLeast = expectedOf(state, manifest);
  marks.opened(manifest, atLeast);
  const objects = await store.list(indexPrefix(name));
  objects.delete(manifestKey(name));
  const segments = segmentsOf(manifest, objects);
  const problems: string[] = [];
  const engine = await engineOf(store, manifest, problems);
  const file = manifestFile(state, manifest, etag);
  const { config, checkpoint, incarnation, base } = manifest;
  const journal = remember(state, name, { file, objects, segments }, async () => {
    await engine?.release();
  });
  if (checkpoint?.engine && !engine) state.open.get(name)?.foundDamaged([checkpoint.engine.key]);
  const { dimension } = config;
  const recovered: Recovered = {
    config,
    rows: checkpoint ? loadCheckpoint(store, dimension, checkpoint) : noRows(),
    stored: storedOf(manifest, segments),
    batches: flat(replay(store, { name, incarnation, dimension, base, segments, atLeast }, problems), () =>
      marks.appended(name, incarnation, segments.at(-1)?.sequence ?? base),
    ),
    ...{ base, incarnation },
    ...(engine && { engine: { path: engine.path } }),
    problems,
  };
  return { journal, recovered };
}

function storedOf({ checkpoint, config }: Manifest, segments: readonly SegmentRef[]): Recovered["stored"] {
  const appended = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    bytes: (checkpoint?.bytes ?? 0) + appended,
    rows: (checkpoint?.rows ?? 0) + rowsWithin(appended, config.dimension),
  };
}

async function* noRows(): AsyncGenerator<Upserts> {}

async function* flat(
  groups: AsyncIterable<{ sequence: number; batches: Batch[] }>,
  ended: () => void,
): AsyncGenerator<SegmentBatch> {
  for await (const { sequence, batches } of groups)
    for (const batch of batches) yield { ...batch, segment: sequence };
  ended();
}

/** The segments after the checkpoint, ascending. */
function segmentsOf(
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

/** The engine's file; without it the engine is built again from the rows. */
async function engineOf(store: ObjectStore, { checkpoint }: Manifest, problems: string[]) {
  if (!checkpoint?.engine) return undefined;
  try {
    return await loadEngine(store, checkpoint.engine);
  } catch (error) {
    if (!isFailure(error, "corrupt")) throw error;
    problems.push(`'${checkpoint.engine.key}' is damaged: the engine is built again from the rows`);
    return undefined;
  }
}

async function restore(
  state: State,
  name: string,
  snapshotId: string,
  { as, engine }: { as: string; engine: string | null | undefined },
): Promise<void> {
  const { store, newId } = state;
  const source = state.open.get(name);
  const from = source?.file.current() ?? (await readManifest(store, name))?.manifest;
  if (!from) throw fail("not_found", `there is no index '${name}'`);
  const kept = from.snapshots.find(({ id }) => id === snapshotId);
  const snapshot = kept && movedTo(kept, engine);
  if (!snapshot) throw fail("not_found", `'${name}' has no snapshot '${snapshotId}'`);
  const release = source?.keep(snapshot);
  try {
    const to = { name: as, incarnation: newId() };
    const { contents, last } = await copySnapshot(store, name, snapshot, to);
    const replace = (manifest: Manifest): Manifest => ({ ...contents, snapshots: manifest.snapshots });
    const opened = state.open.get(as);
    if (opened) {
      const why = fail("conflict", `the index '${as}' was replaced by a snapshot; open it again`);
      await opened.end(why, async () => {
        await opened.file.change(replace, last);
      });
      state.open.delete(as);
      return;
    }
    const present = await readManifest(store, as);
    if (present) await manifestFile(state, present.manifest, present.etag).change(replace, last);
    else await createManifest(state, contents, last);
  } finally {
    release?.();
  }
}

/** The same in another engine: a graph of this process's own is not copied for one of others, and the other way round. */
function movedTo(snapshot: KeptSnapshot, engine: string | null | undefined): KeptSnapshot {
  const { engine: before, ...config } = snapshot.config;
  if (engine === undefined || engine === (before ?? null)) return snapshot;
  const moved = {
    ...snapshot,
    config: { ...config, ...(engine !== null && { engine, memory: "graph" as const }) },
  };
  if (!snapshot.checkpoint) return moved;
  const { engine: _, ...checkpoint } = snapshot.checkpoint;
  return { ...moved, checkpoint };
}

/** The manifest goes first: from then on there is no such index, and the rest are orphans. */
async function drop(state: State, name: string): Promise<void> {
  const { store, log, marks } = state;
  const isKnown = marks.has(name);
  const eraseManifest = () =>
    marks.ending(name, async () => {
      if ((await store.erase(manifestKey(name))) || isKnown) return;
      throw fail("not_found", `there is no index '${name}'`);
    });
  const opened = state.open.get(name);
  if (opened) await opened.end(fail("not_found", `the index '${name}' was dropped`), eraseManifest);
  else await eraseManifest();
  state.open.delete(name);
  const left = await store.list(indexPrefix(name)).catch((error) => {
    log.warn("a dropped index left objects, removed at the next start", { name, ...describe(error) });
    return new Map<string, number>();
  });
  await eraseAll(store, log, left.keys());
}
