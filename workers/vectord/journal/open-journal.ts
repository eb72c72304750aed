/** One index that is open for appending: its segments, checkpoints and snapshots. */
import { Mutex } from "async-mutex";
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { checkpointKey, engineKey, type KeptSnapshot, segmentKey } from "../lhv1/lhv1.ts";
import {
  type Contents,
  createObjectSizes,
  eraseAll,
  type IndexMarks,
  type ManifestFile,
  neededBy,
  type ObjectSizes,
  type ObjectStore,
  type SegmentRef,
  saveCheckpoint,
  saveEngine,
  writeSegment,
} from "../objects/objects.ts";
import type { Batch } from "../rows/rows.ts";
import { type Appends, checkBatch, createAppends } from "./appends.ts";
import { endHolding } from "./ending.ts";
import { type Journal, type JournalView, momentOf, neededOf } from "./interface.ts";
import { addSnapshot, listSnapshots, objectsOf, removeSnapshot } from "./snapshots.ts";

export interface JournalOptions {
  store: ObjectStore;
  log: Log;
  clock: Clock;
  newId: () => string;
  marks: IndexMarks;
}

/** What was found of the index when it was opened. */
interface Found {
  file: ManifestFile;
  /** Sizes by key of all its objects but the manifest. */
  objects: ReadonlyMap<string, number>;
  /** Those after the checkpoint, ascending. */
  segments: SegmentRef[];
}

export interface OpenJournal {
  journal: Journal;
  file: ManifestFile;
  /** Does what ends this journal, such as a drop, while nothing is written; if that fails, the journal goes on. */
  end: (why: ServiceError, work: () => Promise<void>) => Promise<void>;
  /** What the snapshot needs stays until it is released. */
  keep: (snapshot: KeptSnapshot) => () => void;
  /** What is there at this moment. Its objects stay until it is released. */
  view: () => JournalView;
  /** These objects turned out to be damaged. */
  foundDamaged: (keys: Iterable<string>) => void;
}

interface State extends Omit<Found, "objects"> {
  objects: ObjectSizes;
  options: JournalOptions;
  appends: Appends;
  /** Since the checkpoint; `last` is the position of the last batch, 0 for those that were found. */
  tail: (SegmentRef & { last: number })[];
  /** Those being read by a restore or an inspection. */
  kept: Set<KeptSnapshot>;
  damaged: Set<string>;
  /** Why nothing is taken any more. */
  ended: ServiceError | undefined;
  closing: boolean;
  /** The mark of the last checkpoint; 0 for the one that was found. */
  mark: number;
  /** Whether no segment is in that checkpoint in part: a restart numbers the rows after it as they are numbered now. */
  isAtSegment: boolean;
}

/** Opens it; `closed` is called once. Removes in the background what the manifest does not need. */
export function openJournal(options: JournalOptions, found: Found, closed: () => Promise<void>): OpenJournal {
  const mutex = new Mutex();
  const state = createState(options, found);
  const { appends, file } = state;
  const refuseEnded = () => {
    if (state.ended) throw state.ended;
  };
  const exclusively = <T>(work: () => Promise<T>) =>
    mutex.runExclusive(() => {
      refuseEnded();
      return work();
    });
  const sweepExclusively = () => mutex.runExclusive(() => sweep(state));
  void mutex.runExclusive(() => claimAndSweep(state));
  const journal: Journal = {
    append: async (batch, apply) => {
      refuseEnded();
      checkBatch(batch, file.current().config.dimension);
      await appends.append(batch, apply);
    },
    position: appends.position,
    segment: appends.acknowledged,
    incarnation: () => file.current().incarnation,
    sinceCheckpoint: () => ({ segments: state.tail.length, bytes: tailBytes(state) }),
    storedBytes: state.objects.total,
    damaged: () => neededOf(file.current(), state.damaged),
    checkpoint: (contents, mark) => {
      if (mark > appends.position()) throw new RangeError(`mark ${mark} is beyond ${appends.position()}`);
      return exclusively(() => checkpoint(state, contents, mark));
    },
    keepEngine: (save) => exclusively(() => keepEngine(state, save)),
    snapshot: async (count) => {
      refuseEnded();
      return addSnapshot(file, { id: options.newId(), created_at: timestamp(options.clock) }, () => ({
        count: count(),
        last: appends.acknowledged(),
        segmentBytes: tailBytes(state),
      }));
    },
    snapshots: async () => listSnapshots(file),
    dropSnapshot: async (id) => {
      refuseEnded();
      await removeSnapshot(file, id);
      await sweepExclusively();
    },
    objectsOf: (id) => objectsOf(file.current(), state.objects.keys(), id),
    orphans: () => orphansOf(state),
    close: async () => {
      state.ended ??= fail("unavailable", `the index '${file.current().name}' is closed`);
      state.closing = true;
      await appends.drained();
      await mutex.waitForUnlock();
      await closed();
    },
  };
  const end: OpenJournal["end"] = async (why, work) => {
    state.ended ??= why;
    await mutex.runExclusive(() => endHolding(state, why, work));
  };
  const keep = keepIn(state);
  return {
    journal,
    file,
    end,
    keep,
    view: () => viewOf(state, { isQuiet: !mutex.isLocked(), keep, sweep: sweepExclusively }),
    foundDamaged: (keys) => {
      state.damaged = new Set([...state.damaged, ...keys]);
    },
  };
}

const keepIn =
  ({ kept }: State): OpenJournal["keep"] =>
  (snapshot) => {
    kept.add(snapshot);
    return () => kept.delete(snapshot);
  };

function viewOf(
  state: State,
  parts: { isQuiet: boolean; keep: OpenJournal["keep"]; sweep: () => Promise<void> },
): JournalView {
  const manifest = state.file.current();
  const last = state.appends.acknowledged();
  const isQuiet = parts.isQuiet && state.kept.size === 0;
  const releases = [momentOf(manifest, last), ...manifest.snapshots].map(parts.keep);
  const release = () => {
    for (const each of releases) each();
    // What a checkpoint could not remove meanwhile.
    if (!state.ended && orphansOf(state).length > 0) void parts.sweep();
  };
  return { manifest, last, isQuiet, release };
}

function createState(options: JournalOptions, found: Found): State {
  const last = found.segments.at(-1)?.sequence ?? found.file.current().base;
  const state: State = {
    ...found,
    objects: createObjectSizes(found.objects),
    options,
    tail: found.segments.map((segment) => ({ ...segment, last: 0 })),
    kept: new Set(),
    damaged: new Set(),
    ended: undefined,
    closing: false,
    mark: 0,
    isAtSegment: true,
    appends: createAppends({
      sequence: last,
      acknowledged: last,
      write: (batches, place) => write(state, batches, place),
      written: ({ sequence }, last) => {
        const key = keyOf(state, sequence);
        state.tail.push({ sequence, key, bytes: state.objects.get(key), last });
        const { name, incarnation } = state.file.current();
        options.marks.appended(name, incarnation, sequence);
      },
    }),
  };
  return state;
}

const tailBytes = ({ tail }: State): number => tail.reduce((sum, { bytes }) => sum + bytes, 0);

const keyOf = ({ file }: State, sequence: number): string =>
  segmentKey(file.current().name, file.current().incarnation, sequence);

async function write(
  state: State,
  batches: readonly Batch[],
  place: { sequence: number; previous: number },
): Promise<void> {
  const { incarnation, config } = state.file.current();
  const key = keyOf(state, place.sequence);
  const id = state.options.newId();
  // Until it is acknowledged its size is not known, and it may be there all the same.
  state.objects.set(key, 0);
  const head = { ...place, id, incarnation, dimension: config.dimension };
  state.objects.set(key, await writeSegment(state.options.store, key, head, batches));
}

async function checkpoint(state: State, contents: Contents, mark: number): Promise<void> {
  const { file, options, objects } = state;
  const { name, incarnation, config } = file.current();
  const place = { name, incarnation, id: options.newId(), dimension: config.dimension };
  // Should anything fail from here on, they may be there all the same, and the next sweep removes them.
  objects.set(checkpointKey(name, incarnation, place.id), 0);
  if (contents.saveEngine) objects.set(engineKey(name, incarnation, place.id), 0);
  const saved = await saveCheckpoint(options, place, contents, () => {
    if (state.ended && !state.closing) throw state.ended;
  });
  objects.set(saved.key, saved.bytes);
  if (saved.engine) objects.set(saved.engine.key, saved.engine.bytes);
  await file.change((manifest) => ({ ...manifest, checkpoint: saved, base: baseAt(state, mark) }));
  const { base } = file.current();
  state.isAtSegment = mark === (state.tail.find(({ sequence }) => sequence === base)?.last ?? state.mark);
  state.mark = mark;
  state.tail = state.tail.filter(({ sequence }) => sequence > base);
  await sweep(state);
}

async function keepEngine(state: State, save: (path: string) => Promise<boolean>): Promise<boolean> {
  const { file, options, objects } = state;
  const { name, incarnation, checkpoint } = file.current();
  if (!checkpoint || !state.isAtSegment) return false;
  const key = engineKey(name, incarnation, options.newId());
  objects.set(key, 0);
  const engine = await saveEngine(options.store, key, { saveEngine: save });
  if (engine) {
    objects.set(key, engine.bytes);
    await file.change((manifest) => ({ ...manifest, checkpoint: { ...checkpoint, engine } }));
  }
  await sweep(state);
  return engine !== undefined;
}

/** The last segment whose batches are all within the mark. A segment in part is read again: that changes nothing. */
function baseAt({ tail, file }: State, mark: number): number {
  let { base } = file.current();
  for (const { sequence, last } of tail) {
    if (last > mark) break;
    base = sequence;
  }
  return base;
}

const orphansOf = ({ file, kept, objects }: State): string[] => {
  const manifests = file.possible();
  const [current] = manifests;
  const reading = current ? [{ ...current, snapshots: [...kept] }] : [];
  const needed = neededBy(file.current().name, [...manifests, ...reading]);
  return objects.keys().filter((key) => !needed(key));
};

async function sweep(state: State): Promise<void> {
  const { store, log } = state.options;
  for (const key of await eraseAll(store, log, orphansOf(state))) state.objects.delete(key);
}

/** Before the first removal the manifest is written anew: a write of an earlier process that is still under way fails then. */
async function claimAndSweep(state: State): Promise<void> {
  if (orphansOf(state).length === 0) return;
  try {
    await state.file.change((manifest) => manifest);
    await sweep(state);
  } catch (error) {
    state.options.log.warn("what an earlier run has left could not be removed", describe(error));
  }
}
