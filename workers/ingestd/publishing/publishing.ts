/** The second half of an ingest: the stored file becomes objects, and these a version of the dataset. */
import { latestOf } from "../changes/changes.ts";
import type { Session } from "../engine/engine.ts";
import {
  type Arrival,
  type DatasetManifest,
  type IngestAnswer,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "../jobs/jobs.ts";
import {
  createSpeculativeWrites,
  createWriters,
  load,
  lost,
  type NewTarget,
  placeOf,
  type SpeculativeWrites,
  type StagedObject,
  stageObject,
  type Writers,
} from "../loading/loading.ts";
import type { Stored } from "../tables/tables.ts";
import { registeredOf } from "../typing/typing.ts";
import { register } from "./register.ts";

export interface Publication {
  /** The dataset as it is, asked for once. */
  registered: () => Promise<DatasetManifest | undefined>;
  /** The rows of it that were rejected until now. */
  rejectsBefore: () => Promise<DatasetManifest | undefined>;
  /** What may be written while the file is received. */
  speculative: SpeculativeWrites;
  /**
   * Loads, stores and registers. Whatever it throws, no version of the dataset was made, as far as is known. Objects
   * whose registration was refused are erased when we made them; when its outcome is not known, maintenance collects
   * them.
   */
  finish: (stored: Stored, arrival: Arrival) => Promise<IngestAnswer>;
  /** To be called in every case. */
  close: () => Promise<void>;
}

interface Work {
  task: Task;
  parts: IngestParts;
  arrival: Arrival;
  /** The dataset as it was when it was first asked for; ingests of one name run one after the other. */
  before: () => Promise<DatasetManifest | undefined>;
  newTarget: NewTarget;
  newRejects: NewTarget;
  writers: Writers;
  speculative: SpeculativeWrites;
}

export function openPublication(task: Task, parts: IngestParts): Publication {
  const { deps, engines } = parts;
  const { requestId, job } = task;
  const staged: StagedObject[] = [];
  const targetIn = async (bucket: string | undefined): ReturnType<NewTarget> => {
    const { peers, newId } = deps;
    const { directory } = task.fileContext;
    const object = await stageObject({ storaged: peers.storaged, newId, directory, requestId, bucket });
    staged.push(object);
    const { compression_level: compressionLevel, row_group_rows: rowGroupRows } = deps.config.ingestd;
    const { path, seal, commit } = object;
    return { path, seal, commit, compressionLevel, rowGroupRows };
  };
  const newTarget: NewTarget = () => targetIn(placeOf(task.place?.folder ?? "").bucket);
  const newRejects: NewTarget = () => targetIn(undefined);
  let asked: Promise<DatasetManifest | undefined> | undefined;
  const before = () => {
    asked ??= latestOf(task.name, parts.deps, task.requestId);
    return asked;
  };
  const writers = createWriters({ engines, signal: job.signal, newTarget });
  const registered = async () => {
    const version = await before();
    return version && registeredOf(version, task.input);
  };
  const speculative = createSpeculativeWrites({ engines, signal: job.signal, registered, writers });
  return {
    registered: before,
    rejectsBefore: () => latestOf(task.name + rejectsSuffix, parts.deps, task.requestId),
    speculative,
    finish: async (stored, arrival) => {
      const session = await engines.open(job.signal, { measured: true });
      try {
        return await finish(session, stored, {
          task,
          parts,
          arrival,
          before,
          newTarget,
          newRejects,
          writers,
          speculative,
        });
      } catch (error) {
        // When a staging folder is gone, the file is not to blame, whatever DuckDB says of it.
        const areLost = await Promise.all(staged.map((object) => object.isLost()));
        throw areLost.includes(true) && !job.hasCommitted() ? lost(error) : error;
      } finally {
        session.close();
      }
    },
    close: async () => {
      await writers.cancel();
      await Promise.all(staged.map((object) => object.discard()));
    },
  };
}

async function finish(session: Session, stored: Stored, work: Work): Promise<IngestAnswer> {
  const { task, parts, arrival, newTarget, newRejects, writers, speculative } = work;
  const { job, name } = task;
  job.enter("inferring");
  const before = await work.before();
  job.enter("writing");
  job.measure(session.progress);
  const loaded = await load(session, stored, {
    registered: before && registeredOf(before, task.input),
    newTarget,
    writers,
    speculative,
    phase: task.fileContext.phase,
    onRetry: (reason) =>
      parts.deps.log.info("the file is read again, row by row", { request_id: task.requestId, reason }),
  });
  job.signal.throwIfAborted();
  job.enter("registering");
  task.fileContext.phase("registering");
  const rejectsBefore = task.fileContext.rejectRules.allowed
    ? await latestOf(name + rejectsSuffix, parts.deps, task.requestId)
    : undefined;
  const { manifest, unchanged, bytesOut, warnings, rowsReplaced } = await register(
    session,
    { loaded, before, rejectsBefore },
    { task, parts, arrival, newTarget, newRejects },
  );
  return {
    job_id: job.id,
    manifest,
    rows_in: loaded.rowsIn,
    rows_loaded: loaded.rows,
    rows_rejected: loaded.rowsRejected,
    ...(loaded.rowsRejected > 0 && { rejects: name + rejectsSuffix }),
    unchanged,
    ...(rowsReplaced !== undefined && { rows_replaced: rowsReplaced }),
    bytes_in: job.bytesIn(),
    bytes_out: bytesOut,
    elapsed_ms: job.elapsedMs(),
    warnings: [...warnings, ...arrival.warnings, ...loaded.warnings].slice(0, warningsMax),
  };
}

const warningsMax = 100;
