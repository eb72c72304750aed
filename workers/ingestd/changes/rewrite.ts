/** Copy on write: of an object of which some rows change, one object with all its rows as they are after. */
import { join } from "node:path";
import { discard } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import {
  type Piece,
  placeOf,
  type StagedObject,
  stageObject,
  type Written,
  writeQuery,
} from "../loading/loading.ts";
import { vectorRows } from "../tables/tables.ts";
import type { Base, RowFile } from "./base.ts";
import { readRows } from "./reading.ts";

export interface Rewriting {
  deps: IngestDeps;
  session: Session;
  /** For files on their way. */
  directory: string;
  requestId: string;
  signal: AbortSignal;
  /** What is to be removed in the end, stored or not. */
  staged: StagedObject[];
}

export type Rewritten = Written & Pick<StagedObject, "seal" | "commit">;

/** How much larger values are in memory than in a compressed file, about. */
const inflation = 5;

/**
 * Writes what a statement gives of an object, with the dataset's columns and field ids. `only` is a condition on these rows,
 * over what the session can read. Throws `unprocessable` for a NULL where the dataset takes none.
 */
export async function rewrite(
  rewriting: Rewriting,
  base: Base,
  asked: {
    sql: string;
    version: string;
    object: RowFile;
    columns: DatasetManifest["columns"];
    only?: string;
  },
): Promise<Rewritten[]> {
  const { deps, directory } = rewriting;
  const { object, columns, only } = asked;
  const path = join(directory, `${deps.newId()}.rows.parquet`);
  try {
    const rowIds = base.place?.layout.row_ids === true;
    await readRows(rewriting, { sql: asked.sql, version: asked.version, keys: [object.key], rowIds }, path);
    const list = [...columns, ...(rowIds ? rowIdColumns : [])].map(
      ({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`,
    );
    const query = `SELECT ${list.join(", ")} FROM read_parquet(${quoteText(path)}, hive_partitioning = false) AS kept`;
    const written = await laidOut(rewriting, only === undefined ? query : `${query} WHERE ${only}`, {
      ...{ base, rows: object.row_count },
      rowBytes: (object.bytes / Math.max(1, object.row_count)) * inflation,
    });
    for (const each of written) checkNulls(columns, each);
    return written;
  } finally {
    await discard(path);
  }
}

/** In a table of format 3: what a row keeps in a file that is written anew (Iceberg's specification, "Row Lineage"). */
const rowIdColumns = [
  { name: "_row_id", type: "BIGINT", field_id: 2_147_483_540 },
  { name: "_last_updated_sequence_number", type: "BIGINT", field_id: 2_147_483_539 },
];
const isRowId = (name: string): boolean => rowIdColumns.some((column) => column.name === name);

/** Partitions that rows of one file may go to: each is a file, and a pass over the rows. */
const partitionsMax = 1000;

/**
 * Writes what a query gives: to one file, in an open table to one for each partition and in its order; to none where it gives
 * no rows. Throws `unprocessable` for more partitions than one change makes.
 */
export async function laidOut(
  rewriting: Rewriting,
  query: string,
  { base, rows, rowBytes }: { base: Pick<Base, "manifest" | "place">; rows: number; rowBytes: number },
): Promise<Rewritten[]> {
  const { deps, session, directory, requestId } = rewriting;
  const { manifest, place } = base;
  const { partition = [], order } = place?.layout ?? {};
  const { compression_level: compressionLevel, row_group_rows: rowGroupRows } = deps.config.ingestd;
  const made: Rewritten[] = [];
  for (const values of await partitionsOf(session, query, { name: manifest.name, partition })) {
    const target = await stageObject({
      ...{ storaged: deps.peers.storaged, newId: deps.newId, directory, requestId },
      bucket: placeOf(place?.folder ?? "").bucket,
    });
    rewriting.staged.push(target);
    const same = values.map((value, at) => {
      const text = value === null ? "NULL" : quoteText(value);
      return `${partition[at]} IS NOT DISTINCT FROM ${text}`;
    });
    const where = same.length > 0 ? ` WHERE ${same.join(" AND ")}` : "";
    const ordered = order === undefined ? "" : ` ORDER BY ${order}`;
    const isPlain = where === "" && ordered === "";
    const all = isPlain ? query : `SELECT * FROM (${query}) AS laid${where}${ordered}`;
    const written = await writeQuery(session, all, {
      ...{ path: target.path, compressionLevel, rowGroupRows },
      known: place?.layout.row_ids ? withRowIds(manifest) : manifest,
      ...{ rows, rowBytes, partRows: vectorRows },
    });
    const { seal, commit } = target;
    if (written.rows > 0)
      made.push({
        ...withoutRowIds(written),
        seal,
        commit,
        ...(partition.length > 0 && { partition: values }),
      });
  }
  return made;
}

const withRowIds = ({ columns, last_column_id: last = 0 }: DatasetManifest) => ({
  columns: [...columns, ...rowIdColumns],
  last_column_id: last,
});

/** They are no columns of the table. */
const withoutRowIds = ({ columns, statistics, ...written }: Written): Written => ({
  ...written,
  columns: columns.filter(({ name }) => !isRowId(name)),
  statistics: statistics.filter(({ column }) => !isRowId(column)),
});

/** Files of a request that lie elsewhere, as they lie in an open table with partitions or an order; others as they are. */
export async function laidAnew(
  rewriting: Rewriting,
  pieces: readonly Piece[],
  base: Pick<Base, "manifest" | "place">,
): Promise<readonly (Rewritten | Piece)[]> {
  const { partition = [], order } = base.place?.layout ?? {};
  if ((partition.length === 0 && order === undefined) || pieces.length === 0) return pieces;
  const paths = pieces.map(({ path }) => quoteText(path)).join(", ");
  const list = base.manifest.columns.map(
    ({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`,
  );
  const query = `SELECT ${list.join(", ")} FROM read_parquet([${paths}], hive_partitioning = false)`;
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  return laidOut(rewriting, query, { base, rows, rowBytes: 0 });
}

/** The partitions of the rows; one without values where there are none. */
async function partitionsOf(
  session: Session,
  query: string,
  { name, partition }: { name: string; partition: readonly string[] },
): Promise<(string | null)[][]> {
  if (partition.length === 0) return [[]];
  const list = partition.map((sql, at) => `${sql} AS p${at}`).join(", ");
  const found = await session.run(
    `SELECT DISTINCT ${list} FROM (${query}) AS laid ORDER BY ALL LIMIT ${partitionsMax + 1}`,
  );
  if (found.length > partitionsMax)
    throw fail(
      "unprocessable",
      `'${name}': the rows go to more than ${partitionsMax} partitions: change them in parts`,
    );
  return found.map((row) => partition.map((_, at) => (row[`p${at}`] ?? null) as string | null));
}

/** Throws `unprocessable` for a NULL in a column that takes none. */
export function checkNulls(columns: DatasetManifest["columns"], { statistics }: Written): void {
  for (const { name, nullable } of columns) {
    const nulls = statistics.find(({ column }) => column === name)?.null_count ?? 0;
    if (!nullable && nulls > 0)
      throw fail("unprocessable", `column '${name}' takes no NULL, and ${nulls} rows would have one`, {
        details: { column: name, nulls },
      });
  }
}
