/** The second half of an ingest: the stored file becomes objects, and these a version of the dataset. */
import { ServiceError } from "../../runtime/errors.ts";
import { describe } from "../../runtime/log.ts";
import type { Session } from "./engine.ts";
import type { Stored } from "./format.ts";
import { type Loaded, load } from "./load.ts";
import { type Committed, type Draft, openDraft, type StoredObject } from "./objects.ts";
import { noRejects, rejectsQuery } from "./rejects.ts";
import {
  type DatasetManifest,
  type IngestAnswer,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "./task.ts";
import { type Written, writeQuery } from "./write-parquet.ts";

/** Who a version was made by, in its manifest. */
const madeBy = "ingestd";

/** Rejected rows hold a row of text each: this only sizes their row groups. */
const rejectRowBytes = 1024;

/**
 * Loads, stores and registers. Whatever it throws, no version of the dataset was made, as far as is known. An object
 * whose registration was refused is erased when we made it; when its outcome is not known, maintenance collects it.
 */
export async function publish(task: Task, stored: Stored, parts: IngestParts): Promise<IngestAnswer> {
  const session = await parts.engine.open(task.job.signal);
  const drafts: Draft[] = [];
  const draft = async () => {
    const { deps } = parts;
    const options = {
      storaged: deps.peers.storaged,
      newId: deps.newId,
      directory: task.place.directory,
      requestId: task.requestId,
    };
    const made = await openDraft(options);
    drafts.push(made);
    return made;
  };
  try {
    return await publishWith({ task, stored, parts, session, draft });
  } finally {
    session.close();
    await Promise.all(drafts.map((made) => made.discard()));
  }
}

interface Work {
  task: Task;
  stored: Stored;
  parts: IngestParts;
  session: Session;
  draft: () => Promise<Draft>;
}

async function publishWith(work: Work): Promise<IngestAnswer> {
  const { task, stored, parts, session, draft } = work;
  const { deps } = parts;
  const { input, job, name } = task;
  job.enter("inferring");
  const before = await manifestOf(name, work);
  const target = await draft();
  job.enter("writing");
  job.measure(session.progress);
  const loaded = await load(session, stored, {
    registered: before,
    target: { path: target.path, ...parquetSettings(parts) },
    onRetry: (reason) =>
      deps.log.info("the file is read again, row by row", { request_id: task.requestId, reason }),
  });
  const committed = await target.commit(name);
  const { object } = committed;
  const rejects = await storeRejects(loaded, work);
  job.signal.throwIfAborted();
  job.enter("registering");
  await rejects?.register();
  const unchanged = before !== undefined && input.mode !== "append" && isContentOf(before, object);
  const manifest = unchanged
    ? before
    : await register(name, input.mode ?? "replace", { ...committed, written: loaded }, before, work);
  return {
    job_id: job.id,
    manifest,
    rows_in: loaded.rowsIn,
    rows_loaded: loaded.rows,
    rows_rejected: loaded.rowsRejected,
    ...(loaded.rowsRejected > 0 && { rejects: name + rejectsSuffix }),
    unchanged,
    bytes_in: job.bytesIn(),
    bytes_out: object.bytes,
    elapsed_ms: job.elapsedMs(),
    warnings: loaded.warnings.slice(0, warningsMax),
  };
}

const warningsMax = 100;

const parquetSettings = ({ deps }: IngestParts) => ({
  compressionLevel: deps.config.ingestd.compression_level,
  rowGroupRows: deps.config.ingestd.row_group_rows,
});

/** The latest version, or undefined when there is no such dataset. */
async function manifestOf(name: string, { task, parts }: Work): Promise<DatasetManifest | undefined> {
  try {
    return await parts.deps.peers.catalogd.verbs.manifest({ name }, { requestId: task.requestId });
  } catch (error) {
    if (error instanceof ServiceError && error.type === "not_found") return undefined;
    throw error;
  }
}

const isContentOf = ({ objects }: DatasetManifest, { key }: StoredObject): boolean =>
  objects.length === 1 && objects[0]?.key === key;

/** Rejects appended before: the same bad rows of the same file. */
const holds = (before: DatasetManifest | undefined, { key }: StoredObject): boolean =>
  before?.objects.some((object) => object.key === key) ?? false;

async function register(
  name: string,
  operation: "replace" | "append",
  { object, created, written }: Committed & { written: Written },
  before: DatasetManifest | undefined,
  { task, parts }: Work,
): Promise<DatasetManifest> {
  const { rows, columns, statistics } = written;
  const nulls = new Map(statistics.map((column) => [column.column, column.null_count ?? rows]));
  // A column registered as never NULL stays so as long as that is true.
  const strict = new Set(before?.columns.filter(({ nullable }) => !nullable).map((column) => column.name));
  const registration = {
    name,
    operation,
    made_by: madeBy,
    columns: columns.map((column) => ({
      ...column,
      nullable: !(strict.has(column.name) && nulls.get(column.name) === 0),
    })),
    objects: [{ ...object, row_count: rows, statistics }],
  };
  try {
    return await parts.deps.peers.catalogd.verbs.register(registration, { requestId: task.requestId });
  } catch (error) {
    if (created && isRefusal(error)) await takeBack(object, task, parts);
    throw error;
  }
}

/** True when no version was made for certain; after other failures it may have been. */
const isRefusal = (error: unknown): boolean =>
  error instanceof ServiceError &&
  error.status < 500 &&
  error.type !== "timeout" &&
  error.type !== "client_closed";

/** Erases an object that we made just now, in our turn of its name, and that no version has. */
async function takeBack({ key }: StoredObject, { requestId }: Task, { deps }: IngestParts): Promise<void> {
  try {
    await deps.peers.storaged.verbs.erase({ key }, { requestId });
  } catch (error) {
    // The refusal is what the caller must hear; the object is left to maintenance.
    deps.log.warn("an object without a version could not be erased", {
      request_id: requestId,
      key,
      ...describe(error),
    });
  }
}

/**
 * Stores the rejected rows. With on_error=reject a file without any also empties the rejects of the file that it
 * replaces, so that they are not taken for its own.
 */
async function storeRejects(
  loaded: Loaded,
  work: Work,
): Promise<{ register: () => Promise<unknown> } | undefined> {
  const { task, parts, session, draft } = work;
  if (!task.place.rejectRules.allowed) return undefined;
  const name = task.name + rejectsSuffix;
  const before = await manifestOf(name, work);
  const stale = before !== undefined && before.row_count > 0 && task.input.mode !== "append";
  if (loaded.rejects === undefined && !stale) return undefined;
  const target = await draft();
  const query = loaded.rejects === undefined ? noRejects : rejectsQuery(loaded.rejects);
  const written = await writeQuery(session, query, {
    path: target.path,
    rowBytes: rejectRowBytes,
    rows: loaded.rowsRejected,
    ...parquetSettings(parts),
  });
  const committed = await target.commit(name);
  const mode = task.input.mode ?? "replace";
  const known =
    mode === "append" ? holds(before, committed.object) : before && isContentOf(before, committed.object);
  if (known) return undefined;
  return { register: () => register(name, mode, { ...committed, written }, before, work) };
}
