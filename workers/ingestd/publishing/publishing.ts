/** The second half of an ingest: the stored file becomes objects, and these a version of the dataset. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { createEarly, type Early } from "../early.ts";
import type { Session } from "../engine.ts";
import type { Stored } from "../format.ts";
import { load } from "../load.ts";
import { type Draft, lost, openDraft } from "../objects.ts";
import type { NewTarget } from "../run.ts";
import {
  type Arrival,
  type DatasetManifest,
  type IngestAnswer,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "../task.ts";
import { registeredOf } from "../typing.ts";
import { createWriters, type Writers } from "../writers.ts";
import { register } from "./register.ts";

export interface Publication {
  /** The dataset as it is, asked for once. */
  registered: () => Promise<DatasetManifest | undefined>;
  /** What may be written while the file is received. */
  early: Early;
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
  /** The dataset as it was when it was first asked for; our turn of its name keeps others from changing it. */
  before: () => Promise<DatasetManifest | undefined>;
  newTarget: NewTarget;
  writers: Writers;
  early: Early;
}

export function openPublication(task: Task, parts: IngestParts): Publication {
  const { deps, engines } = parts;
  const { requestId, job } = task;
  const drafts: Draft[] = [];
  const newTarget: NewTarget = async () => {
    const { peers, newId } = deps;
    const { directory } = task.place;
    const draft = await openDraft({ storaged: peers.storaged, newId, directory, requestId });
    drafts.push(draft);
    const { compression_level: compressionLevel, row_group_rows: rowGroupRows } = deps.config.ingestd;
    const { path, seal, commit } = draft;
    return { path, seal, commit, compressionLevel, rowGroupRows };
  };
  let asked: Promise<DatasetManifest | undefined> | undefined;
  const before = () => {
    asked ??= manifestOf(task.name, task, parts);
    return asked;
  };
  const writers = createWriters({ engines, signal: job.signal, newTarget });
  const registered = async () => {
    const version = await before();
    return version && registeredOf(version);
  };
  const early = createEarly({ engines, signal: job.signal, registered, writers });
  return {
    registered: before,
    early,
    finish: async (stored, arrival) => {
      const session = await engines.open(job.signal, { measured: true });
      try {
        return await finish(session, stored, { task, parts, arrival, before, newTarget, writers, early });
      } catch (error) {
        // Whatever DuckDB makes of a folder that is gone, the file is not to blame.
        const areLost = await Promise.all(drafts.map((draft) => draft.isLost()));
        throw areLost.includes(true) && !job.hasCommitted() ? lost(error) : error;
      } finally {
        session.close();
      }
    },
    close: async () => {
      await writers.giveUp();
      await Promise.all(drafts.map((draft) => draft.discard()));
    },
  };
}

async function finish(session: Session, stored: Stored, work: Work): Promise<IngestAnswer> {
  const { task, parts, arrival, newTarget, writers, early } = work;
  const { job, name } = task;
  job.enter("inferring");
  const before = await work.before();
  job.enter("writing");
  job.measure(session.progress);
  const loaded = await load(session, stored, {
    registered: before && registeredOf(before),
    newTarget,
    writers,
    early,
    doing: task.place.doing,
    onRetry: (reason) =>
      parts.deps.log.info("the file is read again, row by row", { request_id: task.requestId, reason }),
  });
  job.signal.throwIfAborted();
  job.enter("registering");
  task.place.doing("registering");
  const rejectsBefore = task.place.rejectRules.allowed
    ? await manifestOf(name + rejectsSuffix, task, parts)
    : undefined;
  const { manifest, unchanged, bytesOut, warnings } = await register(
    session,
    { loaded, before, rejectsBefore },
    { task, parts, arrival, newTarget },
  );
  return {
    job_id: job.id,
    manifest,
    rows_in: loaded.rowsIn,
    rows_loaded: loaded.rows,
    rows_rejected: loaded.rowsRejected,
    ...(loaded.rowsRejected > 0 && { rejects: name + rejectsSuffix }),
    unchanged,
    bytes_in: job.bytesIn(),
    bytes_out: bytesOut,
    elapsed_ms: job.elapsedMs(),
    warnings: [...warnings, ...loaded.warnings].slice(0, warningsMax),
  };
}

const warningsMax = 100;

/** The latest version, or undefined when there is no such dataset. */
async function manifestOf(
  name: string,
  { requestId }: Task,
  { deps }: IngestParts,
): Promise<DatasetManifest | undefined> {
  try {
    return await deps.peers.catalogd.verbs.manifest({ name }, { requestId });
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found") return undefined;
    throw error;
  }
}
