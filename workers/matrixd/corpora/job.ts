/** The work of a job: a refresh where the corpus allows it, else a new build beside the old one, and the change over. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import { needsRebuild, type RefreshTask, type RunningJob, refresh, type Source } from "../jobs/jobs.ts";
import type { LexiconState } from "../lexicon/lexicon.ts";
import type { CorpusSpec } from "../schemas/schemas.ts";
import type { Build } from "./build.ts";
import { canRefresh, changeRecord, type Entry } from "./entry.ts";
import { discardBuild, type Maintenance, sweepBuild } from "./maintenance.ts";
import { databaseFile } from "./record.ts";

export interface Tools
  extends Pick<RefreshTask, "peers" | "clock" | "lexicon" | "readMs" | "metadataBytesMax"> {
  maintenance: Maintenance;
  /** Indexes of dropped corpora: they go when nobody reads them any more. */
  droppedIndexes: Set<string>;
  kept: MarkKeeping;
  newId: () => string;
}

/** Throws what went wrong; the corpus is as it was then. */
export async function workOn(
  entry: Entry,
  { spec, source }: { spec: CorpusSpec; source: Source },
  tools: Tools,
  job: RunningJob,
): Promise<void> {
  const { live } = entry;
  try {
    if (!live || !canRefresh(spec, entry) || !(await hasIndex(live, tools, job.signal)))
      await rebuild(entry, { spec, source }, tools, job);
    else await refreshLive(entry, live, { spec: keepModel(spec, live.state), source }, tools, job);
  } catch (cause) {
    // An end that somebody asked for says nothing about the corpus.
    if (!job.signal.aborted) await noteFailure(entry, cause);
    throw cause;
  }
}

/** A refresh that names no model keeps the corpus's. */
const keepModel = (spec: CorpusSpec, { spec: old, model }: LexiconState): CorpusSpec => {
  const kept = spec.model ?? old.model ?? model;
  return { ...spec, ...(kept !== undefined && { model: kept }) };
};

/** An index that is gone, damaged or lacks vectors has to be filled anew. */
async function hasIndex(
  { state, index, file }: Build,
  { peers, lexicon }: Tools,
  signal: AbortSignal,
): Promise<boolean> {
  const { dimension, generation } = state;
  if (dimension === undefined) return false;
  try {
    const { count } = await peers.vectord.verbs.info({ name: index }, { signal });
    // It may hold more: those of dead rows go after a while.
    return count >= (await lexicon.ask(file, "countTexts", { generation }, { signal }));
  } catch (cause) {
    if (cause instanceof ServiceError && (cause.type === "not_found" || cause.type === "corrupt"))
      return false;
    throw cause;
  }
}

async function noteFailure(entry: Entry, cause: unknown): Promise<void> {
  const message = cause instanceof ServiceError ? cause.message : "internal error";
  await changeRecord(entry, (record) => ({ ...record, last_error: message }));
}

async function refreshLive(
  entry: Entry,
  live: Build,
  { spec, source }: { spec: CorpusSpec; source: Source },
  tools: Tools,
  job: RunningJob,
): Promise<void> {
  const { lexicon, maintenance, peers } = tools;
  const clear = () => maintenance.schedule(live.id, () => sweepBuild(live, lexicon, peers));
  try {
    live.state = await refresh({ ...tools, job, spec, source, build: live });
  } catch (cause) {
    await lexicon.ask(live.file, "undo", {});
    clear();
    if (!needsRebuild(cause) || job.signal.aborted) throw cause;
    return rebuild(entry, { spec, source }, tools, job);
  }
  clear();
  const { last_error: _, ...record } = entry.record;
  await changeRecord(entry, () => ({ ...record, spec }));
}

async function rebuild(
  entry: Entry,
  { spec, source }: { spec: CorpusSpec; source: Source },
  tools: Tools,
  job: RunningJob,
): Promise<void> {
  const { lexicon } = tools;
  if (entry.damage?.isNewer) throw refuseNewer(entry);
  job.count({ rows_read: 0, embedded: 0, unchanged: 0, removed: 0, without_text: 0 });
  const id = tools.newId().slice(0, 8);
  const index = `matrix-${spec.name}-${id}`;
  const file = databaseFile(entry.directory, id);
  // Named before it is made: whatever happens, a start finds it.
  await changeRecord(entry, (record) => ({ ...record, builds: [...record.builds, { id, index }] }));
  const generation = entry.live?.state.generation ?? 0;
  const state: LexiconState = { spec, generation, rows: 0, last: 0, index };
  try {
    await lexicon.ask(file, "create", { state });
    const filled = await refresh({ ...tools, job, spec, source, build: { file, index, state } });
    await changeOver(entry, { id, index, file, state: filled }, tools);
  } catch (cause) {
    discard(entry, { id, index, file }, tools);
    throw cause;
  }
}

/** The new build becomes the one there is, by the record; the old one goes when nobody reads it any more. */
async function changeOver(
  entry: Entry,
  made: Pick<Build, "id" | "index" | "file" | "state">,
  tools: Tools,
): Promise<void> {
  const build: Build = { ...made, holds: new Map(), released: () => {} };
  build.released = () =>
    tools.maintenance.schedule(build.id, () => sweepBuild(build, tools.lexicon, tools.peers));
  const old = entry.live;
  await changeRecord(
    entry,
    ({ last_error: _, ...record }) => ({ ...record, spec: made.state.spec, live: made.id }),
    () => {
      entry.live = build;
      delete entry.damage;
      delete entry.isSuspect;
    },
  );
  const others = entry.record.builds.filter(({ id }) => id !== made.id);
  for (const other of others) {
    const gone = { ...other, file: databaseFile(entry.directory, other.id) };
    if (old?.id === other.id) discardWhenFree(entry, old, tools);
    else discard(entry, gone, tools);
  }
}

function discardWhenFree(entry: Entry, build: Build, tools: Tools): void {
  build.isGone = true;
  build.released = () => {
    if (build.holds.size === 0) discard(entry, build, tools);
  };
  build.released();
}

/** Deletes a build in the background, and then its name from the record. */
export function discard(entry: Entry, build: Pick<Build, "id" | "index" | "file">, tools: Tools): void {
  const { lexicon, peers, maintenance } = tools;
  maintenance.schedule(build.id, async () => {
    await discardBuild(build, lexicon, peers);
    if (entry.record.dropped) return;
    await changeRecord(entry, (record) => ({
      ...record,
      builds: record.builds.filter(({ id }) => id !== build.id),
    }));
  });
}

/** What a newer version wrote is not built over. */
export const refuseNewer = ({ record, damage }: Entry): ServiceError =>
  fail(
    "conflict",
    `corpus '${record.name}' was ${damage?.reason}: run that version, or drop the corpus and build it again`,
  );
