/** Rejected rows as a version of their own dataset, which one commit makes with that of the rows that were loaded. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import type { Catalogd } from "../../catalogd/contract.ts";
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
  hold,
  keyOf,
  type Laid,
  type Loaded,
  type NewTarget,
  registeredObject,
  type Written,
  writeQuery,
} from "../loading/loading.ts";
import { type Origin, rejectsQuery, vectorRows } from "../tables/tables.ts";

/** Who a version was made by, in its manifest. */
const madeBy = "ingestd";
/** Rejected rows hold a row of text each: this only sizes their row groups. */
const rejectRowBytes = 1024;

export type Registration = InputOf<Catalogd["endpoints"]["commit"]>["registrations"][number];

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

export function registrationOf(
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
    objects: objects.map(registeredObject),
  };
}

export interface Rejected {
  registration?: Registration;
  objects: Laid[];
  warnings: string[];
}

/**
 * Stores the rejected rows, and says how to register them. With on_error=reject a file without any also empties the
 * rejects of the file that it replaces, so that they are not taken for its own.
 */
export async function storeRejects(
  session: Session,
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
  const folder = keyOf(name, loaded.rejects?.digest ?? "none");
  if (mode === "replace" && before?.objects.length === 1 && known?.key.startsWith(folder)) return none;
  const target = await newRejects();
  const origin: Origin = { file: arrival.filename, job: task.job.id, version };
  const extent = { rowBytes: rejectRowBytes, rows: loaded.rowsRejected, partRows: vectorRows };
  const query = rejectsQuery(loaded.rejects?.relation, origin);
  const written = await writeQuery(session, query, { ...target, ...extent, known: before });
  const key = `${folder}-${(await target.seal()).slice(0, 16)}.parquet`;
  await hold(parts.deps, [key], task.requestId);
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
