/** Rows and rejected rows become versions of their datasets: both, or neither. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
import { upsert } from "../changes/changes.ts";
import type { Session } from "../engine/engine.ts";
import {
  type Arrival,
  type DatasetManifest,
  type IngestInput,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "../jobs/jobs.ts";
import {
  type Committed,
  freshKeys,
  holdMs,
  keyOf,
  type Loaded,
  type NewTarget,
  type Piece,
  type StagedObject,
  type Written,
  writeQuery,
} from "../loading/loading.ts";
import { type Origin, rejectsQuery, vectorRows } from "../tables/tables.ts";

/** Who a version was made by, in its manifest. */
const madeBy = "ingestd";
/** Rejected rows hold a row of text each: this only sizes their row groups. */
const rejectRowBytes = 1024;
/** How often a version's number is asked for again when other writers of the name take it before the commit. */
const attemptsMax = 5;

type Registration = InputOf<Catalogd["endpoints"]["commit"]>["registrations"][number];

interface Content {
  loaded: Loaded;
  before: DatasetManifest | undefined;
  rejectsBefore: DatasetManifest | undefined;
}

interface Work {
  task: Task;
  parts: IngestParts;
  arrival: Arrival;
  newTarget: NewTarget;
}

/** An object with what stands in it. */
interface Laid extends Committed {
  written: Written;
}

interface Registered {
  manifest: DatasetManifest;
  /** True when no version of the dataset was made, because it has this content already. */
  unchanged: boolean;
  bytesOut: number;
  warnings: string[];
  /** Of an upsert. */
  rowsReplaced?: number;
}

/**
 * Stores what was written and registers it by one commit. Objects of a commit that was refused are erased when we made
 * them; when its outcome is not known, maintenance collects them.
 */
export async function register(session: Session, content: Content, work: Work): Promise<Registered> {
  const { task, parts, arrival } = work;
  const { loaded, before } = content;
  const { name, job } = task;
  const mode = modeOf(task.input);
  const made = await committedBefore(work);
  if (made) return { manifest: made, unchanged: false, bytesOut: 0, warnings: [] };
  if (task.input.mode === "upsert" && before !== undefined)
    return upserted(session, { loaded, before }, work);
  const held = mode === "append" ? (before?.objects ?? []) : [];
  const objects = await storeAll(loaded.pieces, { name, held: held.map(({ key }) => key), work });
  const bytesOut = objects.reduce((sum, { object }) => sum + object.bytes, 0);
  const unchanged = before !== undefined && mode === "replace" && isContentOf(before, objects);
  const evolves = task.input.evolve === true && before !== undefined && { evolve: true };
  const main = unchanged ? [] : [{ ...registrationOf(name, mode, objects, before), ...evolves }];
  for (let attempt = 1; ; attempt++) {
    const version = unchanged ? before.version : await nextVersion(work);
    const rejects = await storeRejects(session, content, { ...work, version });
    const registrations = [
      ...main.map((registration) => ({ ...registration, ...(rejects.registration && { version }) })),
      ...(rejects.registration ? [rejects.registration] : []),
    ];
    const { warnings } = rejects;
    if (registrations.length === 0)
      return { manifest: before as DatasetManifest, unchanged, bytesOut, warnings };
    try {
      job.commits();
      const { manifests } = await parts.deps.peers.catalogd.verbs.commit(
        { registrations, ...(arrival.operation && { operation_id: arrival.operation.id }) },
        { requestId: task.requestId },
      );
      return {
        manifest: unchanged ? before : (manifests[0] as DatasetManifest),
        unchanged,
        bytesOut,
        warnings,
      };
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await rollBack(rejects.objects, work);
      if (isOvertaken(error) && attempt < attemptsMax) continue;
      await rollBack(objects, work);
      throw error;
    }
  }
}

/** Rows with a key come to a dataset that is new as all others do. */
const modeOf = ({ mode = "replace" }: IngestInput): "replace" | "append" =>
  mode === "upsert" ? "append" : mode;

/** The file's rows in place of those with the same keys. */
async function upserted(
  session: Session,
  { loaded, before }: { loaded: Loaded; before: DatasetManifest },
  { task, parts, arrival }: Work,
): Promise<Registered> {
  const { fileContext, job, requestId, input } = task;
  const staged: StagedObject[] = [];
  const rewriting = { ...{ deps: parts.deps, session, requestId, staged }, directory: fileContext.directory };
  try {
    const { manifest, rowsMatched } = await upsert(
      { ...rewriting, signal: job.signal },
      {
        base: before,
        key: input.key ?? [],
        pieces: loaded.pieces,
        operationId: arrival.operation?.id,
        commits: job.commits,
      },
    );
    const known = new Set(before.objects.map(({ key }) => key));
    const fresh = manifest.objects.filter(({ key }) => !known.has(key));
    const bytesOut = fresh.reduce((sum, { bytes }) => sum + bytes, 0);
    const unchanged = manifest.version === before.version;
    return { manifest, unchanged, bytesOut, warnings: [], rowsReplaced: rowsMatched ?? 0 };
  } finally {
    await Promise.all(staged.map((object) => object.discard()));
  }
}

/** The version that an earlier run of this very request made before it was cut off. */
async function committedBefore({ task, parts, arrival }: Work): Promise<DatasetManifest | undefined> {
  const { operation } = arrival;
  if (!operation?.again) return undefined;
  const { name, requestId } = task;
  const asked = { name, operation_id: operation.id };
  return (await parts.deps.peers.catalogd.verbs.made(asked, { requestId })).manifest;
}

const nextVersion = async ({ task, parts }: Work): Promise<number> => {
  const { name, requestId } = task;
  return (await parts.deps.peers.catalogd.verbs.admit({ name }, { requestId })).next_version;
};

/** All at once, since each waits for the disk. Returns when all have ended: an object that is being stored cannot be discarded. */
async function storeAll(
  pieces: readonly Piece[],
  { name, held, work }: { name: string; held: readonly string[]; work: Work },
): Promise<Laid[]> {
  const sealed = pieces.map((piece) => piece.seal());
  await Promise.allSettled(sealed);
  const keys = freshKeys(name, await Promise.all(sealed), held);
  await hold(keys, work);
  const laid = pieces.map(async (piece, at) => ({ ...(await piece.commit(keys[at] ?? "")), written: piece }));
  await Promise.allSettled(laid);
  return Promise.all(laid);
}

/** An object that is there already may be one that maintenance is about to remove. */
const hold = (keys: string[], { task, parts }: Work) =>
  parts.deps.peers.catalogd.verbs.hold({ keys, ms: holdMs }, { requestId: task.requestId });

const isContentOf = (
  { objects, schema_id: current = 0 }: DatasetManifest,
  committed: readonly Committed[],
): boolean =>
  objects.length === committed.length &&
  // Of an older schema the same file has other columns in the dataset.
  objects.every(
    ({ key, schema_id = 0 }, index) => key === committed[index]?.object.key && schema_id === current,
  );

function registrationOf(
  name: string,
  operation: "replace" | "append",
  objects: readonly Laid[],
  before: DatasetManifest | undefined,
): Registration {
  // A column registered as NOT NULL stays so until a NULL comes.
  const strict = new Set(before?.columns.filter(({ nullable }) => !nullable).map((column) => column.name));
  const hasNulls = (column: string) =>
    objects.some(({ written: { statistics, rows } }) => {
      const found = statistics.find((each) => each.column === column);
      return (found?.null_count ?? rows) > 0;
    });
  return {
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
}

interface Rejected {
  registration?: Registration;
  objects: Laid[];
  warnings: string[];
}

/**
 * Stores the rejected rows, and says how to register them. With on_error=reject a file without any also empties the
 * rejects of the file that it replaces, so that they are not taken for its own.
 */
async function storeRejects(
  session: Session,
  { loaded, rejectsBefore: before }: Content,
  { task, parts, arrival, newTarget, version }: Work & { version: number },
): Promise<Rejected> {
  const mode = modeOf(task.input);
  const none: Rejected = { objects: [], warnings: [] };
  if (!task.fileContext.rejectRules.allowed) return none;
  const stale = before !== undefined && before.row_count > 0 && mode === "replace";
  if (loaded.rejects === undefined && !stale) return none;
  const name = task.name + rejectsSuffix;
  const [known] = before?.objects ?? [];
  // The rows alone name the object, not the job that rejected them: the same file again changes nothing.
  const folder = keyOf(name, loaded.rejects?.digest ?? "none");
  if (mode === "replace" && before?.objects.length === 1 && known?.key.startsWith(folder)) return none;
  const target = await newTarget();
  const origin: Origin = { file: arrival.filename, job: task.job.id, version };
  const extent = { rowBytes: rejectRowBytes, rows: loaded.rowsRejected, partRows: vectorRows };
  const query = rejectsQuery(loaded.rejects?.relation, origin);
  const written = await writeQuery(session, query, { ...target, ...extent, known: before });
  const key = `${folder}-${(await target.seal()).slice(0, 16)}.parquet`;
  await hold([key], { task, parts, arrival, newTarget });
  const objects = [{ ...(await target.commit(key)), written }];
  const drifts = before !== undefined && !sameColumns(before, written);
  const registration = registrationOf(name, drifts ? "replace" : mode, objects, before);
  if (!drifts) return { registration, objects, warnings: [] };
  const warning = `${name} has other columns than before: rows rejected by earlier versions of the program stay in its version ${before.version}`;
  return {
    registration: { ...registration, new_columns: true },
    objects,
    warnings: mode === "append" ? [warning] : [],
  };
}

const sameColumns = ({ columns }: DatasetManifest, written: Written): boolean =>
  columns.length === written.columns.length &&
  columns.every(({ name, type }, at) => {
    const column = written.columns[at];
    return name === column?.name && type === column.type;
  });

/** True when no version was made for certain; after other failures it may have been. */
const isRefusal = (error: unknown): error is ServiceError =>
  error instanceof ServiceError &&
  error.status < 500 &&
  error.type !== "timeout" &&
  error.type !== "client_closed";

/** Another writer took the version's number that the rejects name. */
const isOvertaken = ({ type, details }: ServiceError): boolean =>
  type === "conflict" && typeof details === "object" && details !== null && "next_version" in details;

/** Erases the objects that this ingest made and no version has. No other ingest of the name runs. */
async function rollBack(objects: readonly Committed[], { task, parts }: Work): Promise<void> {
  const { deps } = parts;
  const { requestId } = task;
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
