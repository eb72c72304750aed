/** Copy on write: of an object of which some rows change, one object with all its rows as they are after. */
import { join } from "node:path";
import { discard } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Session } from "../engine/engine.ts";
import type { DatasetManifest, IngestDeps } from "../jobs/jobs.ts";
import { type StagedObject, stageObject, type Written, writeQuery } from "../loading/loading.ts";
import { vectorRows } from "../tables/tables.ts";
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
  base: DatasetManifest,
  asked: {
    sql: string;
    version: string;
    object: DatasetManifest["objects"][number];
    columns: DatasetManifest["columns"];
    only?: string;
  },
): Promise<Rewritten> {
  const { deps, session, directory, requestId } = rewriting;
  const { object, columns, only } = asked;
  const path = join(directory, `${deps.newId()}.rows.parquet`);
  try {
    await readRows(rewriting, { sql: asked.sql, version: asked.version, keys: [object.key] }, path);
    const target = await stageObject({
      ...{ storaged: deps.peers.storaged, newId: deps.newId },
      directory,
      requestId,
    });
    rewriting.staged.push(target);
    const list = columns.map(({ name, type }) => `CAST(${quoteName(name)} AS ${type}) AS ${quoteName(name)}`);
    const query = `SELECT ${list.join(", ")} FROM read_parquet(${quoteText(path)}, hive_partitioning = false) AS kept`;
    const { compression_level: compressionLevel, row_group_rows: rowGroupRows } = deps.config.ingestd;
    const written = await writeQuery(session, only === undefined ? query : `${query} WHERE ${only}`, {
      ...{ path: target.path, compressionLevel, rowGroupRows, known: base },
      rows: object.row_count,
      rowBytes: (object.bytes / Math.max(1, object.row_count)) * inflation,
      partRows: vectorRows,
    });
    checkNulls(columns, written);
    return { ...written, seal: target.seal, commit: target.commit };
  } finally {
    await discard(path);
  }
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
