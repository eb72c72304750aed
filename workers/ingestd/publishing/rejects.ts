/** Rejected rows of a file, which one commit registers with those that were loaded. */
import {
  type Arrival,
  type DatasetManifest,
  type IngestInput,
  type IngestParts,
  rejectsSuffix,
  type Task,
} from "../jobs/jobs.ts";
import { keyOf, type Loaded, type NewTarget, type Rejected, storeRejectedRows } from "../loading/loading.ts";

export interface Content {
  loaded: Loaded;
  before: DatasetManifest | undefined;
  rejectsBefore: DatasetManifest | undefined;
}

export interface Work {
  task: Task;
  parts: IngestParts;
  arrival: Arrival;
  newTarget: NewTarget;
  /** For rejected rows, which are a dataset, those of an open table as well. */
  newRejects: NewTarget;
}

/** Rows with a key come to a dataset that is new as all others do. */
export const modeOf = ({ mode = "replace" }: IngestInput): "replace" | "append" =>
  mode === "upsert" ? "append" : mode;

/**
 * Stores the rejected rows, and says how to register them. With on_error=reject a file without any also empties the
 * rejects of the file that it replaces, so that they are not taken for its own.
 */
export async function storeRejects(
  session: Parameters<typeof storeRejectedRows>[0],
  { loaded, rejectsBefore: before }: Pick<Content, "loaded" | "rejectsBefore">,
  { task, parts, arrival, newRejects, version }: Work & { version: number },
): Promise<Rejected> {
  const mode = modeOf(task.input);
  const none: Rejected = { objects: [], warnings: [] };
  if (!task.fileContext.rejectRules.allowed) return none;
  const stale = before !== undefined && before.row_count > 0 && mode === "replace";
  if (loaded.rejects === undefined && !stale) return none;
  const name = task.name + rejectsSuffix;
  const [known] = before?.objects ?? [];
  // The rows alone name the object, not the job that rejected them: the same file again changes nothing.
  const digest = loaded.rejects?.digest ?? "none";
  if (mode === "replace" && before?.objects.length === 1 && known?.key.startsWith(keyOf(name, digest)))
    return none;
  const origin = { file: arrival.filename, job: task.job.id, version };
  return storeRejectedRows(
    session,
    { relation: loaded.rejects?.relation, count: loaded.rowsRejected, digest, origin },
    { name, mode, before, deps: parts.deps, requestId: task.requestId, newTarget: newRejects },
  );
}
