/** The corpora there are: searched, built, refreshed and dropped by name. */
import { join } from "node:path";
import { Mutex } from "async-mutex";
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { findSource, type Jobs } from "../jobs/jobs.ts";
import type { Corpus, CorpusSpec } from "../schemas/schemas.ts";
import { holdBuild } from "./build.ts";
import { canRefresh, changeRecord, corpusInfo, type Entry, noteDamage, unsearchable } from "./entry.ts";
import { eraseFromCorpora } from "./erasure.ts";
import { refuseNewer, type Tools, workOn } from "./job.ts";
import type { Corpora } from "./live-corpus.ts";
import { markCorpus } from "./marks.ts";
import { clearCorpus, openCorpora } from "./opening.ts";
import { writeRecord } from "./record.ts";

export interface OpenCorpora extends Corpora {
  /** Throws `not_found`. */
  get: (name: string) => Corpus;
  /** Begins a job. Throws when the source or its columns are not there, or the corpus has a job already. */
  submit: (
    spec: CorpusSpec,
    signal: AbortSignal,
    jobId?: string,
  ) => Promise<{ job_id: string; corpus: string; refresh: boolean }>;
  /** Gone when it resolves; its job is cancelled. Throws `not_found`. */
  drop: (name: string) => Promise<void>;
  entries: () => Entry[];
  /** Takes out what names a subject, when no job works on the corpus. */
  erase: (erasing: Erasing) => Promise<ErasureReport>;
  /** Why the service is not whole. */
  damages: () => string[];
}

/** Most corpora there may be: each has files and an index open. */
const corporaMax = 1000;

/** Opens what there is in `<directory>/corpora`. */
export async function createCorpora(
  directory: string,
  tools: Tools,
  { jobs, log }: { jobs: Jobs; log: Log },
): Promise<OpenCorpora> {
  const home = join(directory, "corpora");
  const entries = await openCorpora(home, tools, log);
  // Two requests may be about the same name.
  const mutex = new Mutex();
  const entryOf = (name: string): Entry => {
    const entry = entries.get(name);
    if (!entry)
      throw fail("not_found", `there is no corpus '${name}'; GET /matrix/corpora lists those there are`);
    return entry;
  };
  const infoOf = (entry: Entry) => corpusInfo(entry, jobs.of(entry.record.name)?.job_id);
  const sorted = () => [...entries.values()].sort((a, b) => (a.record.name < b.record.name ? -1 : 1));

  const makeEntry = async (spec: CorpusSpec): Promise<Entry> => {
    if (entries.size >= corporaMax)
      throw fail("resource_exhausted", `there are ${corporaMax} corpora already; drop one first`);
    const place = join(home, `${spec.name}.${tools.newId().slice(0, 8)}`);
    const record = { name: spec.name, revision: 1, spec, builds: [] };
    await writeRecord(place, record);
    const entry = { directory: place, record, mutex: new Mutex(), kept: tools.kept };
    markCorpus(entry);
    entries.set(spec.name, entry);
    return entry;
  };

  const submit: OpenCorpora["submit"] = async (spec, signal, jobId) => {
    const source = await findSource(spec, tools.peers, signal);
    return mutex.runExclusive(async () => {
      const known = entries.get(spec.name);
      if (known?.damage?.isNewer) throw refuseNewer(known);
      const entry = known ?? (await makeEntry(spec));
      const refresh = canRefresh(spec, entry);
      const job = await jobs
        .submit(spec.name, refresh, (running) => workOn(entry, { spec, source }, tools, running), jobId)
        .catch((cause) => {
          if (!known) forget(entries, entry, tools);
          throw cause;
        });
      return { job_id: job.job_id, corpus: spec.name, refresh };
    });
  };

  return {
    hold: (name) => {
      const entry = entryOf(name);
      const { live, damage } = entry;
      if (!live || damage) throw unsearchable(entry, jobs.of(name)?.job_id);
      return holdBuild(live, infoOf(entry), tools.lexicon, (cause) => noteDamage(entry, live, cause));
    },
    list: () => sorted().map(infoOf),
    get: (name) => infoOf(entryOf(name)),
    submit,
    drop: (name) =>
      mutex.runExclusive(async () => {
        const entry = entryOf(name);
        const job = jobs.of(name);
        if (job) await jobs.cancel(job.job_id);
        await changeRecord(entry, (record) => ({ ...record, dropped: true }));
        forget(entries, entry, tools);
      }),
    entries: sorted,
    erase: (erasing) =>
      eraseFromCorpora(sorted(), erasing, {
        ...{ tools, jobs },
        refresh: ({ record }, signal) => submit(record.spec, signal),
      }),
    damages: () =>
      sorted().flatMap(({ record, damage }) =>
        damage ? [`corpus '${record.name}' is damaged: ${damage.reason}`] : [],
      ),
  };
}

/** Takes a corpus away; its files and indexes go when nobody reads them any more. */
function forget(entries: Map<string, Entry>, entry: Entry, tools: Tools): void {
  const { live } = entry;
  entries.delete(entry.record.name);
  for (const { index } of entry.record.builds) tools.droppedIndexes.add(index);
  const clear = () => {
    if (!live || live.holds.size === 0) clearCorpus(entry, tools);
  };
  if (live) live.isGone = true;
  if (live) live.released = clear;
  clear();
}
