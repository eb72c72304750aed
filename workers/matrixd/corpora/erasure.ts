/** Corpora without a subject: rows and vectors that name it, and what SQLite still has of rows that are gone. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import { isOver, type Jobs } from "../jobs/jobs.ts";
import { changeRecord, type Entry } from "./entry.ts";
import type { Tools } from "./job.ts";
import { discardBuild, sweepBuild } from "./maintenance.ts";
import { databaseFile } from "./record.ts";

/** How long a wait for a job lasts before it is looked at again, in milliseconds. */
const waitMs = 1000;

export async function eraseFromCorpora(
  entries: readonly Entry[],
  erasing: Erasing,
  { tools, jobs }: { tools: Tools; jobs: Jobs },
): Promise<ErasureReport> {
  const reports: ErasureReport[] = [];
  for (const entry of entries) reports.push(await eraseFromCorpus(entry, erasing, { tools, jobs }));
  return reportOf(...reports);
}

async function eraseFromCorpus(
  entry: Entry,
  { subject, dryRun, signal }: Erasing,
  { tools, jobs }: { tools: Tools; jobs: Jobs },
): Promise<ErasureReport> {
  const { name, spec, last_error: lastError } = entry.record;
  const place = `matrixd/${name}`;
  if (!dryRun) await idle(name, jobs, signal);
  const { live, damage } = entry;
  const { lexicon, peers } = tools;
  const left = [
    ...(damage ? [leftAt(place, `it is damaged: ${damage.reason}`, "build it again, or drop it")] : []),
    ...(subject.isMentioned([name, spec])
      ? [leftAt("matrixd", "a corpus, or the statement it is made of, names it", "drop the corpus")]
      : []),
  ];
  if (!live || damage) return { removed: [], left };
  const erased = await lexicon.ask(live.file, "erase", { pattern: subject.pattern, dryRun });
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
