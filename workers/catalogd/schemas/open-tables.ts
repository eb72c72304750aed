/** What open tables are read from, and how rows are put into them. */
import { closed, t } from "../../../runtime/contract/contract.ts";
import { ColumnStatistics, Count } from "./statistics.ts";

/** How rows of ours lie in files of an open table: SQL over its columns. */
export const TableLayout = closed({
  spec_id: t.Integer(),
  order_id: t.Integer(),
  /** The value of each partition field as text: a file holds rows of which all are the same. */
  partition: t.Array(t.String()),
  /** What follows ORDER BY. */
  order: t.Optional(t.String()),
  /** Format 3: rows have ids, which they keep in a file that is written anew. */
  row_ids: t.Optional(t.Boolean()),
});

/** The files that a version of an open table is read from. */
export const TableFiles = closed({
  files: t.Array(
    closed({
      key: t.String(),
      bytes: Count,
      row_count: Count,
      /** How files of deleted positions may name it. */
      paths: t.Array(t.String()),
      /** Those of `deletes` that are of it, by their places. */
      deletes: t.Array(t.Integer({ minimum: 0 })),
      /** Positions of rows that a deletion vector takes away. */
      positions: t.Array(Count),
      /** Columns by which it was put into its partition, by their ids: it may not hold them. */
      partition_ids: t.Array(t.Integer()),
      /** Format 3: the id of its first row, unless rows have none yet, and the number of the snapshot that it came with. */
      row_ids: t.Optional(
        closed({ first: t.Optional(t.Integer({ minimum: 0 })), sequence: t.Integer({ minimum: 0 }) }),
      ),
      /** What its writer says of the table's columns in it. */
      statistics: t.Array(ColumnStatistics),
    }),
  ),
  /** Parquet files of deleted positions. */
  deletes: t.Array(closed({ key: t.String(), bytes: Count })),
  /** Names of columns in files without field ids; of a part of one by the id around it, U+001F and its name. */
  names: t.Record(t.String(), t.Integer()),
});
