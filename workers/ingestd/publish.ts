/** The second half of an ingest: the stored file becomes objects, and these a version of the dataset. */
import { ServiceError } from "../../runtime/errors.ts";
import { describe } from "../../runtime/log.ts";
import { createEarly, type Early } from "./early.ts";
import type { Session } from "./engine.ts";
import type { Stored } from "./format.ts";
import { type Loaded, load } from "./load.ts";
import { type Committed, type Draft, openDraft } from "./objects.ts";
import { vectorRows } from "./part-rule.ts";
import { noRejects, rejectsQuery } from "./rejects.ts";
import type { NewTarget, Piece } from "./run.ts";
import {
  type DatasetManifest,
  type IngestAnswer,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "./task.ts";
import { type Written, writeQuery } from "./write-parquet.ts";
import { createWriters, type Writers } from "./writers.ts";

/** Who a version was made by, in its manifest. */
const madeBy = "ingestd";

/** Rejected rows hold a row of text each: this only sizes their row groups. */
const rejectRowBytes = 1024;

export interface Publication {
  /** What may be written while the file is received. */
  early: Early;
  /**
   * Loads, stores and registers. Whatever it throws, no version of the dataset was made, as far as is known. Objects
   * whose registration was refused are erased when we made them; when its outcome is not known, maintenance collects
   * them.
   */
  finish: (stored: Stored) => Promise<IngestAnswer>;
  /** To be called in every case. */
  close: () => Promise<void>;
}

interface Work {
  task: Task;
  parts: IngestParts;
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
  const early = createEarly({ engines, signal: job.signal, registered: before, writers });
  return {
    early,
    finish: async (stored) => {
      const session = await engines.open(job.signal, { measured: true });
      try {
        return await finish(session, stored, { task, parts, before, newTarget, writers, early });
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
  const { task, parts, newTarget, writers, early } = work;
  const { input, job, name } = task;
  const mode = input.mode ?? "replace";
  job.enter("inferring");
  const before = await work.before();
  job.enter("writing");
  job.measure(session.progress);
  const loaded = await load(session, stored, {
    registered: before,
    newTarget,
    writers,
    early,
    onRetry: (reason) =>
      parts.deps.log.info("the file is read again, row by row", { request_id: task.requestId, reason }),
  });
  const objects = await commitAll(loaded.pieces, name);
  const rejects = await storeRejects(session, loaded, work);
  job.signal.throwIfAborted();
  job.enter("registering");
  await rejects?.();
  const unchanged = before !== undefined && mode === "replace" && isContentOf(before, objects);
  const manifest = unchanged ? before : await register(name, mode, { objects, before }, work);
  return {
    job_id: job.id,
    manifest,
    rows_in: loaded.rowsIn,
    rows_loaded: loaded.rows,
    rows_rejected: loaded.rowsRejected,
    ...(loaded.rowsRejected > 0 && { rejects: name + rejectsSuffix }),
    unchanged,
    bytes_in: job.bytesIn(),
    bytes_out: objects.reduce((sum, { object }) => sum + object.bytes, 0),
    elapsed_ms: job.elapsedMs(),
    warnings: loaded.warnings.slice(0, warningsMax),
  };
}

/** An object with what stands in it. */
interface Laid extends Committed {
  written: Written;
}

/** All at once, since each waits for the disk. Returns when each has ended: a draft under way cannot be discarded. */
async function commitAll(pieces: readonly Piece[], name: string): Promise<Laid[]> {
  const laid = pieces.map(async (piece) => ({ ...(await piece.commit(name)), written: piece }));
  await Promise.allSettled(laid);
  return Promise.all(laid);
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

const isContentOf = ({ objects }: DatasetManifest, committed: readonly Committed[]): boolean =>
  objects.length === committed.length &&
  objects.every(({ key }, index) => key === committed[index]?.object.key);

/** Rejects appended before: the same bad rows of the same file. */
const holdsAny = ({ objects }: DatasetManifest, committed: readonly Committed[]): boolean =>
  committed.some(({ object }) => objects.some(({ key }) => key === object.key));

async function register(
  name: string,
  operation: "replace" | "append",
  { objects, before }: { objects: readonly Laid[]; before: DatasetManifest | undefined },
  { task, parts }: Work,
): Promise<DatasetManifest> {
  // A column registered as never NULL stays so as long as that is true.
  const strict = new Set(before?.columns.filter(({ nullable }) => !nullable).map((column) => column.name));
  const hasNulls = (column: string) =>
    objects.some(({ written: { statistics, rows } }) => {
      const found = statistics.find((each) => each.column === column);
      return (found?.null_count ?? rows) > 0;
    });
  const registration = {
    name,
    operation,
    made_by: madeBy,
    columns: (objects[0]?.written.columns ?? []).map((column) => ({
      ...column,
      nullable: !(strict.has(column.name) && !hasNulls(column.name)),
    })),
    objects: objects.map(({ object, written: { rows, statistics } }) => ({
      ...object,
      row_count: rows,
      statistics,
    })),
  };
  try {
    return await parts.deps.peers.catalogd.verbs.register(registration, { requestId: task.requestId });
  } catch (error) {
    if (isRefusal(error)) await takeBack(objects, task, parts);
    throw error;
  }
}

/** True when no version was made for certain; after other failures it may have been. */
const isRefusal = (error: unknown): boolean =>
  error instanceof ServiceError &&
  error.status < 500 &&
  error.type !== "timeout" &&
  error.type !== "client_closed";

/** Erases the objects that we made just now, in our turn of their name, and that no version has. */
async function takeBack(
  objects: readonly Committed[],
  { requestId }: Task,
  { deps }: IngestParts,
): Promise<void> {
  for (const { object, created } of objects) {
    try {
      if (created) await deps.peers.storaged.verbs.erase({ key: object.key }, { requestId });
    } catch (error) {
      // The refusal is what the caller must hear; the object is left to maintenance.
      const fields = { request_id: requestId, key: object.key, ...describe(error) };
      deps.log.warn("an object without a version could not be erased", fields);
    }
  }
}

/**
 * Stores the rejected rows; gives what registers them. With on_error=reject a file without any also empties the
 * rejects of the file that it replaces, so that they are not taken for its own.
 */
async function storeRejects(
  session: Session,
  loaded: Loaded,
  work: Work,
): Promise<(() => Promise<unknown>) | undefined> {
  const { task, parts, newTarget } = work;
  if (!task.place.rejectRules.allowed) return undefined;
  const name = task.name + rejectsSuffix;
  const mode = task.input.mode ?? "replace";
  const before = await manifestOf(name, task, parts);
  const stale = before !== undefined && before.row_count > 0 && mode === "replace";
  if (loaded.rejects === undefined && !stale) return undefined;
  const target = await newTarget();
  const query = loaded.rejects === undefined ? noRejects : rejectsQuery(loaded.rejects);
  const extent = { rowBytes: rejectRowBytes, rows: loaded.rowsRejected, partRows: vectorRows };
  const written = await writeQuery(session, query, { ...target, ...extent });
  const objects = [{ ...(await target.commit(name)), written }];
  const known = before && (mode === "append" ? holdsAny(before, objects) : isContentOf(before, objects));
  return known ? undefined : () => register(name, mode, { objects, before }, work);
}
