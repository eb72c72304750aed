/** Rejected rows as a version of the dataset that stands beside the one they were meant for, `<name>__rejects`. */
import { fail } from "../../../runtime/errors/errors.ts";
import { TableName } from "../../catalogd/contract.ts";
import type { Session } from "../engine/engine.ts";
import { type DatasetManifest, type IngestDeps, rejectsSuffix } from "../jobs/jobs.ts";
import { type Origin, rejectsQuery, vectorRows } from "../tables/tables.ts";
import { hold, type Laid } from "./laying.ts";
import { keyOf } from "./object-keys.ts";
import { type Registration, registrationOf } from "./registration.ts";
import type { NewTarget } from "./run.ts";
import { type Written, writeQuery } from "./write-parquet.ts";

/** Rejected rows hold a row of text each: this only sizes their row groups. */
const besideRowBytes = 1024;
const nameCharactersMax = 128;
/** Of the name of an open table in its namespace. */
const tableCharactersMax = 100;
const isTableName = new RegExp(TableName.pattern ?? "");

/** Throws `invalid_name` for a name that has no dataset of rejected rows beside it. */
export function checkRejectsName(name: string): void {
  if (name.endsWith(rejectsSuffix))
    throw fail(
      "invalid_name",
      `names that end with ${rejectsSuffix} are kept for the rejected rows of other datasets`,
    );
  if (isTableName.test(name + rejectsSuffix)) return;
  const most = (name.includes(".") ? tableCharactersMax : nameCharactersMax) - rejectsSuffix.length;
  throw fail(
    "invalid_name",
    `with on_error=reject a name has at most ${most} characters, for ${rejectsSuffix}`,
  );
}

/** Rejected rows are a dataset: engines write to an open table of that name. */
export function refuseOpenRejects(name: string, rejects: DatasetManifest | undefined): void {
  if (rejects?.metadata_location !== undefined)
    throw fail(
      "unprocessable",
      `the rows that on_error=reject sets aside go to the dataset '${name}${rejectsSuffix}', and an open table has this name: rename or drop it first`,
    );
}

export interface Rejected {
  registration?: Registration;
  objects: Laid[];
  warnings: string[];
}

export interface RejectedRows {
  /** As `Rejects` of a file gives it; without it the dataset gets no rows. */
  relation: string | undefined;
  count: number;
  /** Of the rows alone, by which the object is named. */
  digest: string;
  origin: Origin;
}

/** Writes and stores them; gives what registers them beside those of before, or in their place. */
export async function storeRejectedRows(
  session: Session,
  { relation, count, digest, origin }: RejectedRows,
  to: BesidePlace & { mode: "replace" | "append" },
): Promise<Rejected> {
  const { name, mode, before } = to;
  const { objects, written } = await storeBeside(session, rejectsQuery(relation, origin), {
    ...to,
    count,
    digest,
  });
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

interface BesidePlace {
  name: string;
  before: DatasetManifest | undefined;
  deps: IngestDeps;
  requestId: string;
  newTarget: NewTarget;
}

/** Stores rows of a dataset that stands beside another one; `digest` names them. */
export async function storeBeside(
  session: Session,
  query: string,
  {
    name,
    before,
    deps,
    requestId,
    newTarget,
    count,
    digest,
  }: BesidePlace & { count: number; digest: string },
): Promise<{ objects: Laid[]; written: Written }> {
  const target = await newTarget();
  const extent = { rowBytes: besideRowBytes, rows: count, partRows: vectorRows };
  const written = await writeQuery(session, query, { ...target, ...extent, known: before });
  const key = `${keyOf(name, digest)}-${(await target.seal()).slice(0, 16)}.parquet`;
  await hold(deps, [key], requestId);
  return { objects: [{ ...(await target.commit(key)), written }], written };
}

const sameColumns = ({ columns }: DatasetManifest, written: Written): boolean =>
  columns.length === written.columns.length &&
  columns.every(({ name, type }, at) => {
    const column = written.columns[at];
    return name === column?.name && type === column.type;
  });
