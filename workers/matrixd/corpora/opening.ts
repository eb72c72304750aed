/** What a start finds of corpora on the disk. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Mutex } from "async-mutex";
import { makeDirectory, syncDirectory } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { MarkKeeping } from "../../../runtime/line-log/line-log.ts";
import { recordedModel } from "../../../runtime/models/models.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { damaged, type LexiconState } from "../lexicon/lexicon.ts";
import { rowField } from "../schemas/schemas.ts";
import type { Build } from "./build.ts";
import { type Entry, isNewer, noteDamage } from "./entry.ts";
import { discard, type Tools } from "./job.ts";
import { discardBuild, sweepBuild } from "./maintenance.ts";
import { databaseFault, forgetCorpus, markedDirectories, markOpened, recordFault } from "./marks.ts";
import { type CorpusRecord, databaseFile, nameOfDirectory, readRecord } from "./record.ts";

/** Opens all corpora. What crashes left is cleared away in the background; so are databases looked through. */
export async function openCorpora(directory: string, tools: Tools, log: Log): Promise<Map<string, Entry>> {
  await makeDirectory(directory);
  const entries = new Map<string, Entry>();
  const there = (await readdir(directory)).sort();
  for (const name of new Set([...there, ...markedDirectories(tools.kept)])) {
    // One that is gone was dropped, when another has its name.
    if (!there.includes(name) && entries.has(nameOfDirectory(name)))
      clearDirectory(join(directory, name), tools);
    const entry = await openCorpus(join(directory, name), name, tools, log);
    if (!entry) continue;
    entries.set(entry.record.name, entry);
    if (entry.damage)
      log.error("a corpus is damaged", { corpus: entry.record.name, reason: entry.damage.reason });
  }
  return entries;
}

async function openCorpus(
  directory: string,
  directoryName: string,
  tools: Tools,
  log: Log,
): Promise<Entry | undefined> {
  const { kept } = tools;
  const record = await readRecord(directory);
  const name = nameOfDirectory(directoryName);
  if (record !== null && "reason" in record) return unusable(directory, name, record, kept);
  const fault = recordFault(directory, record, kept);
  if (fault !== undefined) return unusable(directory, name, { reason: fault, isNewer: false }, kept);
  if (record === null) {
    // Its making was never answered, or its loss was accepted.
    clearDirectory(directory, tools);
    return undefined;
  }
  const entry: Entry = { directory, record, mutex: new Mutex(), kept };
  if (record.dropped) {
    clearCorpus(entry, tools);
    return undefined;
  }
  for (const build of record.builds)
    if (build.id !== record.live)
      discard(entry, { ...build, file: databaseFile(directory, build.id) }, tools);
  await openLive(entry, record, tools, log);
  if (!entry.damage) markOpened(entry);
  return entry;
}

const unusable = (
  directory: string,
  name: string,
  damage: NonNullable<Entry["damage"]>,
  kept: MarkKeeping,
): Entry => {
  const spec = { name, id_column: "?", text_columns: ["?"] };
  return { directory, record: { name, spec, builds: [] }, damage, mutex: new Mutex(), kept };
};

async function openLive(entry: Entry, record: CorpusRecord, tools: Tools, log: Log): Promise<void> {
  const { lexicon, peers, maintenance } = tools;
  const found = record.builds.find(({ id }) => id === record.live);
  if (!found) return;
  const file = databaseFile(entry.directory, found.id);
  try {
    const state = withModels(await lexicon.ask(file, "open", {}));
    const fault = databaseFault(file, { live: found.id, generation: state.generation }, tools.kept);
    if (fault !== undefined) throw damaged(fault);
    const build: Build = { ...found, file, state, holds: new Map(), released: () => {} };
    build.released = () => maintenance.schedule(build.id, () => sweepBuild(build, lexicon, peers));
    entry.live = build;
    maintenance.schedule(`${build.id} restored`, () => clearSkipped(build, record.name, tools, log));
    maintenance.schedule(build.id, () => sweepBuild(build, lexicon, peers));
    maintenance.schedule(`${build.id} check`, async () => {
      await lexicon.ask(file, "check", {}).catch((cause) => {
        noteDamage(entry, build, cause);
        if (!entry.damage) throw cause;
        log.error("a corpus is damaged", { corpus: record.name, reason: entry.damage.reason });
      });
    });
  } catch (cause) {
    // What another process has open is no damage: the start is refused, as where the whole directory is in use.
    if (!(cause instanceof ServiceError) || cause.type === "unavailable") throw cause;
    entry.damage = { reason: cause.message, isNewer: isNewer(cause) };
  }
}

/** A corpus goes on with the model that it was built with, by the name that embedd has for it now. */
function withModels(state: LexiconState): LexiconState {
  const { model, dimension, spec } = state;
  if (model === undefined) return state;
  const asked = spec.model === undefined ? {} : { model: recordedModel(spec.model, dimension) };
  return { ...state, model: recordedModel(model, dimension), spec: { ...spec, ...asked } };
}

/** What a database that came from a backup never heard of: vectors that were added before vectord's part of it was. */
async function clearSkipped(
  { file, index }: Build,
  corpus: string,
  { lexicon, peers }: Tools,
  log: Log,
): Promise<void> {
  const skipped = await lexicon.ask(file, "skipped", {});
  if (skipped === null) return;
  const filter = { [rowField]: { gt: skipped.after, lte: skipped.upTo } };
  const { deleted } = await peers.vectord.verbs.remove({ name: index, filter }).catch((cause) => {
    if (cause instanceof ServiceError && cause.type === "not_found") return { deleted: 0 };
    throw cause;
  });
  await lexicon.ask(file, "forgetSkipped", {});
  log.info("a corpus came from a backup; vectors younger than it are cleared away", {
    corpus,
    vectors: deleted,
  });
}

/** Deletes all of a dropped corpus in the background. */
export function clearCorpus({ directory, record }: Entry, tools: Tools): void {
  const { lexicon, peers, droppedIndexes } = tools;
  for (const { index } of record.builds) droppedIndexes.add(index);
  clearDirectory(directory, tools, async () => {
    for (const build of record.builds)
      await discardBuild({ ...build, file: databaseFile(directory, build.id) }, lexicon, peers);
  });
}

/** In the background, and again until it is done: on a full disk it cannot be, and a start must not fail for that. */
function clearDirectory(directory: string, { maintenance, kept }: Tools, before = async () => {}): void {
  maintenance.schedule(directory, async () => {
    await before();
    await forgetCorpus(directory, kept);
    await rm(directory, { recursive: true, force: true });
    await syncDirectory(join(directory, ".."));
  });
}
