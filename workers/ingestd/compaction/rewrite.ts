/** Many Parquet files become one with the same rows in the same order, which is looked at before anything is committed. */
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import type { DatasetManifest } from "../jobs/jobs.ts";
import { numberFields, type Written, writeQuery } from "../loading/loading.ts";
import { vectorRows } from "../tables/tables.ts";
import { type FileFields, listOf } from "./parquet-fields.ts";

/** Files that are left as they are: the first so many of those that were asked for, and why. */
export class NotCompactable extends Error {
  override name = "NotCompactable";
  readonly count: number;
  constructor(message: string, count: number) {
    super(message);
    this.count = count;
  }
}

export interface Rewrite {
  /** In order. */
  files: readonly string[];
  /** Rows of all of them, as the catalog has it. */
  rows: number;
  /** Of each of them. */
  fields: FileFields;
  /** The columns under which they were written, as the catalog has them. */
  known: Pick<DatasetManifest, "columns" | "last_column_id">;
  /** Columns by which the rows are put in order; as they are when empty. */
  sortBy: readonly string[];
  target: { path: string; compressionLevel: number; rowGroupRows: number };
}

/**
 * Writes the file. Throws `NotCompactable` for files of other columns than the catalog's, and an `Error` where what was
 * written is not what was read.
 */
export async function rewrite(session: Session, asked: Rewrite): Promise<Written> {
  const { files, rows, fields, known, sortBy, target } = asked;
  const { columns, last_column_id = 0 } = known;
  const source = `read_parquet(${listOf(files)}, hive_partitioning = false)`;
  const described = await session.describe(`FROM ${source}`);
  // Columns go by their names, in whatever order they stand in the file.
  const types = new Map(described.map(({ name, type }) => [name, type]));
  const isAsRegistered =
    described.length === columns.length && columns.every(({ name, type }) => types.get(name) === type);
  if (!isAsRegistered)
    throw new NotCompactable("its objects have other columns than the catalog says", files.length);
  const { byPath } = numberFields(described, { columns, last_column_id });
  const hasIds = [...byPath].every(([path, { id }]) => fields.ids.get(path) === id);
  if (!hasIds)
    throw new NotCompactable("its objects have no field ids, or others than its columns", files.length);
  const [size] = await session.run(
    `SELECT sum(total_uncompressed_size)::DOUBLE AS bytes FROM parquet_metadata(${listOf(files)})`,
  );
  const order = sortBy.length === 0 ? "" : ` ORDER BY ${sortBy.map(quoteName).join(", ")}`;
  const rowBytes = Math.ceil(Number(size?.bytes ?? 0) / Math.max(1, rows));
  const extent = { rows, rowBytes, partRows: vectorRows };
  const written = await writeQuery(
    session,
    `SELECT * FROM ${source}${order}`,
    { ...target, ...extent, known: { columns, last_column_id } },
    Promise.resolve(described),
  );
  const isOrdered = sortBy.length === 0;
  const before = await contentOf(session, source, columns, isOrdered);
  const after = await contentOf(session, `read_parquet(${listOf([target.path])})`, columns, isOrdered);
  if (before !== after || written.rows !== rows)
    throw new Error(`a compaction of ${rows} rows wrote others: ${before} became ${after}`);
  return written;
}

/** Stands for the rows, and for their order where that is to be kept. */
async function contentOf(
  session: Session,
  source: string,
  columns: Rewrite["known"]["columns"],
  isOrdered: boolean,
): Promise<string> {
  const names = columns.map(({ name }) => quoteName(name));
  const parts = [...(isOrdered ? ["row_number() OVER ()"] : []), ...names].join(", ");
  const [found] = await session.run(
    `SELECT count(*) AS n, sum(h::HUGEINT)::VARCHAR AS total, bit_xor(h)::VARCHAR AS mixed FROM (SELECT hash(${parts}) AS h FROM ${source})`,
  );
  return `${found?.n} rows, ${found?.total}, ${found?.mixed}`;
}
