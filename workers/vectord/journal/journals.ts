/** The durable side of all indexes, in the primary bucket under `vectors/`. */
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, createKeyedMutex, type KeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { indexesPrefix, indexPrefix, type Manifest, manifestKey } from "../lhv1/lhv1.ts";
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
} from "../objects/objects.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { type ConfigChange, changedConfig, withConfig } from "./config.ts";
import type { Journal, Recovered } from "./interface.ts";
import { type JournalOptions, type OpenJournal, openJournal } from "./open-journal.ts";
import { flat, noRows, segmentsOf, storedOf } from "./recovered.ts";
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
  /** What the manifest says of the index, which need not be open. */
  configOf: (name: string) => Promise<IndexConfig>;
  /** Gives the index other settings, atomically: a journal of it that is open takes nothing more, and it is opened again. */
  change: (name: string, change: ConfigChange) => Promise<void>;
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
    configOf: async (name) =>
      state.open.get(name)?.file.current().config ?? (await present(state, name)).manifest.config,
    change: (name, to) => state.exclusively(name, () => change(state, name, to)),
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

/** The manifest as it must be, and the last segment that must be there. Throws `not_found`, or `corrupt`. */
async function present(state: State, name: string) {
  const read = await readManifest(state.store, name);
  if (read) return { ...read, atLeast: expectedOf(state, read.manifest) };
  if (state.marks.has(name)) throw lost(name, "is missing, and there was such an index");
  throw fail("not_found", `there is no index '${name}'`);
}

async function open(state: State, name: string): Promise<{ journal: Journal; recovered: Recovered }> {
  const { store, marks } = state;
  if (state.open.has(name)) throw fail("conflict", `the index '${name}' is open already`);
  const { manifest, etag, atLeast } = await present(state, name);
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
  const snapshot =
    kept && engine !== undefined ? withConfig(kept, changedConfig(kept.config, { engine })) : kept;
  if (!snapshot) throw fail("not_found", `'${name}' has no snapshot '${snapshotId}'`);
  const release = source?.keep(snapshot);
  try {
    const to = { name: as, incarnation: newId() };
    const { contents, last } = await copySnapshot(store, name, snapshot, to);
    const replace = (manifest: Manifest): Manifest => ({ ...contents, snapshots: manifest.snapshots });
    const why = fail("conflict", `the index '${as}' was replaced by a snapshot; open it again`);
    if (!(await swap(state, as, { why, edit: replace, last }))) await createManifest(state, contents, last);
  } finally {
    release?.();
  }
}

/** Swaps the manifest of an index; a journal of it that is open ends by that. False: there is none. */
async function swap(
  state: State,
  name: string,
  { why, edit, last }: { why: ServiceError; edit: (manifest: Manifest) => Manifest; last?: number },
): Promise<boolean> {
  const opened = state.open.get(name);
  const present = opened ? undefined : await readManifest(state.store, name);
  if (opened)
    await opened.end(why, async () => {
      await opened.file.change(edit, last);
    });
  else if (present) await manifestFile(state, present.manifest, present.etag).change(edit, last);
  state.open.delete(name);
  return opened !== undefined || present !== undefined;
}

/** Nothing but the manifest is written: a kill leaves the index as it was, or as it is to be. */
async function change(state: State, name: string, to: ConfigChange): Promise<void> {
  const why = fail("unavailable", `the index '${name}' is being opened with other settings; ask again`, {
    retryAfterSeconds: 1,
  });
  const edit = (manifest: Manifest) => withConfig(manifest, changedConfig(manifest.config, to));
  if (!(await swap(state, name, { why, edit }))) throw fail("not_found", `there is no index '${name}'`);
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
