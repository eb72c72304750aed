/** ingestd's verbs and streams. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Running, VerbsOf } from "../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../runtime/errors/errors.ts";
import { jobEvents } from "../../runtime/jobs/jobs.ts";
import { memoryBytes } from "../../runtime/memory/memory.ts";
import { pageOf } from "../../runtime/pages/pages.ts";
import { createLimiter } from "../../runtime/scheduling/scheduling.ts";
import { changeRows, deletion, retyping, rowDifference, update } from "./changes/changes.ts";
import type { Ingestd } from "./contract.ts";
import { readSources } from "./databases/databases.ts";
import { openDocuments } from "./documents/documents.ts";
import { openEngines } from "./engine/engine.ts";
import { eraseSubject } from "./erasure/erasure.ts";
import { openExtraction } from "./extraction/extraction.ts";
import { createJobs, type IngestDeps, type IngestParts, isOver, measureIngests } from "./jobs/jobs.ts";
import { stagingFolders } from "./loading/loading.ts";
import { openMaintenance } from "./maintenance/maintenance.ts";
import { answerIngest, preview, upsertRows } from "./requests/requests.ts";
import { openWatches, readWatches } from "./watching/watching.ts";

/** Seconds after which a refused client may try again: about the time of one large ingest. */
const retryAfterSeconds = 2;

/** Rows that a difference shows where nothing else is asked for. */
const sampleDefault = 20;

/** What the plan of memory gives to files of strangers, beside what DuckDB has: `memory-plan.ts`. */
const extractionPart = 1 / 5;

const extractionOf = (deps: IngestDeps, workDirectory: string) => {
  const { memory_limit, max_document_bytes, document_timeout_ms, max_timeout_ms } = deps.config.ingestd;
  return {
    ...deps,
    workDirectory,
    directory: join(workDirectory, "extraction"),
    memoryBytesMax: memoryBytes(memory_limit) * extractionPart,
    fileBytesMax: max_document_bytes,
    timeoutMs: document_timeout_ms,
    longestMs: max_timeout_ms,
  };
};

const refusal = (running: number, waiting: number) =>
  fail("overloaded", `${running} ingests run and ${waiting} wait: try again later`, { retryAfterSeconds });

/** Starts ingestd. What an earlier run left in its work directory is removed. Throws for a watch that is wrong in the settings. */
export async function createIngestd(deps: IngestDeps): Promise<Running<Ingestd>> {
  const { config, clock, directory } = deps;
  const workDirectory = await emptied(join(directory, "work"));
  const { max_concurrent_ingests: atOnce, max_waiting_ingests: waitingMax } = config.ingestd;
  const engines = openEngines({
    ...deps,
    threads: config.ingestd.threads,
    memoryBytes: memoryBytes(config.ingestd.memory_limit),
    directory: join(workDirectory, "duckdb"),
    folders: async () => [workDirectory, ...(await stagingFolders(deps))],
  });
  const jobs = createJobs(clock, config.ingestd.jobs_kept);
  const limiter = createLimiter(atOnce, { waitingMax, refusal });
  const extraction = openExtraction(extractionOf(deps, workDirectory));
  const sources = readSources(config, deps.secrets);
  const parts: IngestParts = { deps, engines, extraction, sources, jobs, limiter, workDirectory };
  const measured = measureIngests(deps.metrics, limiter, clock);
  const [following, ending] = [new AbortController(), new AbortController()];
  const lifetime = ending.signal;
  const documents = openDocuments(parts, lifetime);
  const changes = new Set<Promise<unknown>>();
  const changing = async <T>(work: () => Promise<T>): Promise<T> => {
    refuseWhenStopping();
    const change = work();
    changes.add(change);
    return change.finally(() => changes.delete(change));
  };
  const refuseWhenStopping = () => {
    if (lifetime.aborted) throw fail("unavailable", "ingestd is stopping", { retryAfterSeconds: 1 });
  };
  const ingesting = <T>(work: () => Promise<T>): Promise<T> => {
    refuseWhenStopping();
    // While the file arrives: before the first one, no process is kept for it.
    engines.warm();
    return measured(work);
  };
  const watching = openWatches(readWatches(config), { parts, lifetime, within: ingesting });
  const maintenance = openMaintenance(parts);

  return {
    verbs: {
      ...maintenance.verbs,
      ...jobVerbs(jobs),
      ...watching.verbs,
      ...rowChanges(changing, { parts, lifetime }),
      ...documents.verbs(changing),
    },
    raw: {
      ingest: (input, context) => answerIngest(input, context, parts, ingesting),
      upsertRows: (input, context) => ingesting(() => upsertRows(input, context, parts)),
      loadDocuments: (input, context) => ingesting(() => documents.raw.loadDocuments(input, context)),
      document: documents.raw.document,
      preview: (input, context) => {
        refuseWhenStopping();
        return preview(input, context, parts);
      },
      events: async ({ id }, { signal }) =>
        jobEvents(jobs, id, { isOver, signal: AbortSignal.any([signal, following.signal]) }),
    },
    notReady: () => [...engines.problems(), ...extraction.problems(), ...documents.problems()],
    durable: documents.durable,
    erase: (erasing) => changing(() => eraseSubject(erasing, parts, { documents, lifetime })),
    giveUp: () => following.abort(),
    stop: async () => {
      ending.abort(fail("unavailable", "ingestd is stopping", { retryAfterSeconds: 1 }));
      await Promise.allSettled([maintenance.stop(), ...changes, jobs.stop(), watching.ended]);
      await extraction.stop();
      await documents.stop();
      await engines.stop();
      await rm(workDirectory, { recursive: true, force: true });
    },
  };
}

async function emptied(directory: string): Promise<string> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  return directory;
}

const jobVerbs = (jobs: IngestParts["jobs"]): Pick<VerbsOf<Ingestd>, "jobs" | "job" | "cancel"> => ({
  jobs: async (asked) => {
    const { page, next } = pageOf(jobs.list(), asked, ({ job_id }) => job_id);
    return { jobs: page, ...next };
  },
  job: async ({ id }) => jobs.get(id),
  cancel: async ({ id }) => jobs.cancel(id),
});

type RowChange = "deleteRows" | "updateRows" | "retype" | "diffRows";

/** The verbs that change rows. `changing` runs a change and is waited for at a stop. */
const rowChanges = (
  changing: <T>(work: () => Promise<T>) => Promise<T>,
  given: { parts: IngestParts; lifetime: AbortSignal },
): Pick<VerbsOf<Ingestd>, RowChange> => ({
  deleteRows: ({ where, ...asked }, context) =>
    changing(() => changeRows(asked, (base) => deletion(base, where), { ...given, context })),
  updateRows: ({ set, where, ...asked }, context) => {
    const change = { set, ...(where !== undefined && { where }) };
    return changing(() => changeRows(asked, (base) => update(base, change), { ...given, context }));
  },
  diffRows: ({ name, from, to, key, sample = sampleDefault }, { requestId, signal }) =>
    changing(async () => {
      const { deps } = given.parts;
      const version = (number?: number) =>
        deps.peers.catalogd.verbs.manifest(
          { name, ...(number !== undefined && { version: number }) },
          { requestId },
        );
      const reading = { deps, requestId, signal: AbortSignal.any([signal, given.lifetime]) };
      return rowDifference(reading, [await version(from), await version(to)], { key, sample });
    }),
  retype: ({ column, type, on_error: onError = "fail", ...asked }, context) => {
    if (asked.max_rejects !== undefined && onError !== "reject")
      throw invalidField("max_rejects", "no meaning without on_error=reject; leave it out");
    return changing(() =>
      changeRows(asked, (base) => retyping(base, { column, type, onError }), { ...given, context }),
    );
  },
});
