/** Corpora without a subject: rows and vectors that name it, and what SQLite still has of rows that are gone. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { findSource, isOver, type Jobs } from "../jobs/jobs.ts";
import { changeRecord, type Entry } from "./entry.ts";
import type { Tools } from "./job.ts";
import { discardBuild, sweepBuild } from "./maintenance.ts";
import { databaseFile } from "./record.ts";

/** How long a wait for a job lasts before it is looked at again, in milliseconds. */
const waitMs = 1000;

interface Parts {
  tools: Tools;
  jobs: Jobs;
  /** Begins a job that refreshes it. */
  refresh: (entry: Entry, signal: AbortSignal) => Promise<{ job_id: string }>;
}

export async function eraseFromCorpora(
  entries: readonly Entry[],
  erasing: Erasing,
  parts: Parts,
): Promise<ErasureReport> {
  const reports: ErasureReport[] = [];
  for (const entry of entries) {
    if (!erasing.dryRun) await idle(entry.record.name, parts.jobs, erasing.signal);
    const stale = erasing.dryRun ? reportOf() : await followRows(entry, erasing, parts);
    reports.push(stale, await eraseFromCorpus(entry, erasing, parts));
  }
  return reportOf(...reports);
}

/**
 * A row that its dataset lost goes, whatever of it the corpus took: the subject may stand in a column that it did not. A
 * statement may read any dataset, and is read again in any case.
 */
async function followRows(
  entry: Entry,
  { signal }: Erasing,
  { tools, jobs, refresh }: Parts,
): Promise<ErasureReport> {
  const { live, damage, record } = entry;
  if (!live || damage) return reportOf();
  try {
    const { version } = await findSource(record.spec, tools.peers, signal);
    if (version !== undefined && version === live.state.dataset_version) return reportOf();
    const { job_id: id } = await refresh(entry, signal);
    await idle(record.name, jobs, signal);
    const { state, error } = jobs.get(id);
    if (state === "done") return reportOf();
    throw fail("unavailable", `its refresh is ${state}: ${error?.message ?? "it tells no reason"}`);
  } catch (cause) {
    signal.throwIfAborted();
    if (!(cause instanceof ServiceError)) throw cause;
    const why = `it cannot follow its source, whose rows may be gone: ${cause.message}`;
    return { removed: [], left: [leftAt(`matrixd/${record.name}`, why, "refresh or drop the corpus")] };
  }
}

async function eraseFromCorpus(
  entry: Entry,
  { subject, dryRun }: Erasing,
  { tools }: Parts,
): Promise<ErasureReport> {
  const { name, spec, last_error: lastError } = entry.record;
  const place = `matrixd/${name}`;
  const { live, damage } = entry;
  const { lexicon, peers } = tools;
  const left = [
    ...(damage ? [leftAt(place, `it is damaged: ${damage.reason}`, "build it again, or drop it")] : []),
    ...(subject.isMentioned([name, spec])
      ? [leftAt("matrixd", "a corpus, or the statement it is made of, names it", "drop the corpus")]
      : []),
  ];
  if (!live || damage) return { removed: [], left };
  const erased = await lexicon.ask(live.file, "erase", {
    ...(subject.pattern !== undefined && { pattern: subject.pattern }),
    ...{ cells: subject.cells, idColumn: spec.id_column, dryRun },
  });
  const removed = removedAt(place, "rows", erased.live);
  if (dryRun) return reportOf(removed, { removed: [], left });
  live.state = erased.state;
  if (lastError !== undefined && subject.isIn(lastError))
    await changeRecord(entry, ({ last_error: _, ...record }) => record);
  for (const other of entry.record.builds.filter(({ id }) => id !== live.id)) {
    await discardBuild({ ...other, file: databaseFile(entry.directory, other.id) }, lexicon, peers);
    await changeRecord(entry, (record) => ({
      ...record,
      builds: record.builds.filter(({ id }) => id !== other.id),
    }));
  }
  await sweepBuild(live, lexicon, peers);
  await lexicon.ask(live.file, "scrub", {});
  const { deleted } = await peers.vectord.verbs.info({ name: live.index });
  // What was embedded can be guessed from its vector: the journal has it until then.
  if (deleted > 0) await peers.vectord.verbs.compact({ name: live.index });
  // It follows its source by now: what it still had is in no row of any dataset, but in what the statement makes of them.
  if (erased.live > 0)
    left.push(
      leftAt(
        place,
        "its statement gives such rows still, and a refresh brings them back",
        "change the statement, or drop the corpus",
      ),
    );
  return reportOf(removed, { removed: [], left });
}

/** Resolves when no job works on the corpus. */
async function idle(name: string, jobs: Jobs, signal: AbortSignal): Promise<void> {
  for (let job = jobs.of(name); job && !isOver(job); job = jobs.of(name)) {
    signal.throwIfAborted();
    await jobs.changed(job.job_id, waitMs);
  }
}

const leftAt = (place: string, why: string, remedy: string): ErasureReport["left"][number] => ({
  place,
  why,
  remedy: `${remedy}, then erase again`,
});
