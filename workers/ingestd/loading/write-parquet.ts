/** Parquet files as open tables need them: field ids, statistics, Zstandard, row groups sized for parallel reads. */

import type { Static } from "@sinclair/typebox";
import { type KnownFields, quoteText } from "../../../runtime/sql/sql.ts";
import type { Column as CatalogColumn, ColumnStatistics } from "../../catalogd/contract.ts";
import type { Described, Session } from "../engine/engine.ts";
import { vectorRows } from "../tables/tables.ts";
import { numberFields, readStatistics } from "./field-ids.ts";

/** What stands in a Parquet file. */
export interface Written {
  rows: number;
  columns: Static<typeof CatalogColumn>[];
  statistics: Static<typeof ColumnStatistics>[];
  /** In an open table with partitions: the values that all of its rows have in them, as text. */
  partition?: readonly (string | null)[];
}

export interface Target {
  path: string;
  compressionLevel: number;
  rowGroupRows: number;
}

/** What is to be written, about. */
interface Extent {
  /** The fields of the dataset that it goes into, where there is one. */
  known?: KnownFields | undefined;
  rows: number;
  /** Of one row, before compression. */
  rowBytes: number;
  /** Row groups are a whole number of these, or each part its own: see `tables/part-splitter.ts`. */
  partRows: number | undefined;
}

/** Writes what a query gives to a Parquet file, with field ids and statistics. Rejects as the session does. */
export async function writeQuery(
  session: Session,
  query: string,
  target: Target & Extent,
  columns: Promise<Described[]> = session.describe(query),
): Promise<Written> {
  const described = await columns;
  const fields = numberFields(described, target.known);
  const groupRows = rowGroupRows(target, described.length);
  const settings = [
    // Bloom filters cost a seventh of the time and help only lookups of single values (ADR 0032).
    "FORMAT parquet, COMPRESSION zstd, RETURN_STATS, WRITE_BLOOM_FILTER false",
    `COMPRESSION_LEVEL ${target.compressionLevel}`,
    `ROW_GROUP_SIZE ${groupRows}, DICTIONARY_SIZE_LIMIT ${dictionaryValues(groupRows)}`,
    `FIELD_IDS ${fields.sql}`,
  ];
  const [answer] = await session.run(`COPY (${query}) TO ${quoteText(target.path)} (${settings.join(", ")})`);
  return {
    rows: Number(answer?.count),
    columns: fields.columns.map((column) => ({ ...column, nullable: true })),
    statistics: readStatistics(answer ?? {}, fields),
  };
}

/** Uncompressed bytes of a row group: each thread holds one or two, so this bounds memory however wide the rows are. */
const rowGroupBytesMax = 96 * 1024 * 1024;
/** What DuckDB holds for any value, in bytes. */
const valueBytes = 16;
/** Row groups that a file of some size should have, so that several threads write and read it evenly. */
const groupsWanted = 8;
/** Smaller row groups than this cost more than they gain. */
const groupRowsMin = 30_000;

/**
 * Distinct values above which a column has no dictionary in a row group. DuckDB's own limit takes a tenth more time on
 * columns of names and addresses, for files that are smaller by less than a thousandth (ADR 0032).
 */
const dictionaryValues = (groupRows: number): number => Math.max(4096, Math.floor(groupRows / 8));

/** Rows in a row group: at most as configured, fewer in small files and where rows are wide. */
function rowGroupRows(
  { rowGroupRows: configured, rows, rowBytes, partRows }: Pick<Target, "rowGroupRows"> & Extent,
  columns: number,
): number {
  if (partRows === undefined) return vectorRows;
  const wanted = Math.max(groupRowsMin, Math.ceil(rows / groupsWanted));
  const fitting = rowGroupBytesMax / Math.max(1, rowBytes, columns * valueBytes);
  return Math.max(1, Math.round(Math.min(configured, wanted, fitting) / partRows)) * partRows;
}
