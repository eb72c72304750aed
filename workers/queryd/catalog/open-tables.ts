/** Open tables: their versions with the files that catalogd finds in Iceberg's metadata, and how these are read. */
import type { Static } from "@sinclair/typebox";
import { LRUCache } from "lru-cache";
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { SchemaNode } from "../../../runtime/parquet/parquet.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Catalogd, TableFiles as TableFilesSchema } from "../../catalogd/contract.ts";
import { fileSelection } from "./file-columns.ts";
import type { Manifest } from "./snapshots.ts";
import type { PlacedFile } from "./views.ts";

type TableFiles = Static<typeof TableFilesSchema>;
type TableFile = TableFiles["files"][number];
type Sized = TableFiles["deletes"][number];

/** Of an open table: its objects are data files, then files of deletes. */
export interface OpenFiles {
  files: readonly TableFile[];
  names: TableFiles["names"];
}

export interface OpenTables {
  /** Each open table with its objects; others as they are. Throws as catalogd does, `unsupported_table` among it. */
  filled: (used: ReadonlyMap<string, Manifest>) => Promise<Map<string, Manifest>>;
}

/** Versions whose files are remembered. */
const keptMax = 256;

export function createOpenTables(catalogd: Peer<Catalogd>): OpenTables {
  const kept = new LRUCache<string, Promise<Manifest>>({ max: keptMax });
  const fill = (manifest: Manifest): Promise<Manifest> => {
    const { name, dataset_id, version } = manifest;
    const id = `${name}.${dataset_id}.${version}`;
    const known = kept.get(id) ?? filledOf(catalogd, manifest);
    kept.set(id, known);
    known.catch(() => kept.delete(id));
    return known;
  };
  return {
    filled: async (used) => {
      const all = new Map(used);
      for (const [name, manifest] of used)
        if (manifest.metadata_location !== undefined) all.set(name, await fill(manifest));
      return all;
    },
  };
}

async function filledOf(catalogd: Peer<Catalogd>, manifest: Manifest): Promise<Manifest> {
  const { name, version } = manifest;
  const { files, deletes, names } = await catalogd.verbs.files({ name, version });
  const object = ({ key, bytes, row_count = 0, statistics = [] }: Partial<TableFile> & Sized) =>
    // Who wrote it said how long it is, and no etag.
    ({ key, bytes, row_count, etag: "", statistics });
  return {
    ...manifest,
    objects: [...files, ...deletes].map(object),
    row_count: files.reduce((sum, file) => sum + file.row_count, 0),
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    open: { files, names },
  };
}

/** Some of the files of an open table, and the deletes that are of them. */
export function withFiles(
  { objects }: Manifest,
  { files, names }: OpenFiles,
  wanted: ReadonlySet<string>,
): Pick<Manifest, "objects" | "open"> {
  const own = files.filter(({ key }) => wanted.has(key));
  const places = [...new Set(own.flatMap(({ deletes }) => deletes))];
  const kept = objects.flatMap((object, at) =>
    at < files.length ? (wanted.has(object.key) ? [object] : []) : [],
  );
  const deletes = places.flatMap((place) => objects[files.length + place] ?? []);
  const moved = own.map((file) => ({ ...file, deletes: file.deletes.map((place) => places.indexOf(place)) }));
  return { objects: [...kept, ...deletes], open: { files: moved, names } };
}

/** What tables of format 3 tell rows apart by; a file has it, or its manifest does. */
const [rowId, lastUpdated] = [2_147_483_540, 2_147_483_539];
export const rowIdColumns: Manifest["columns"] = [
  { name: "_row_id", type: "BIGINT", nullable: true, field_id: rowId },
  { name: "_last_updated_sequence_number", type: "BIGINT", nullable: true, field_id: lastUpdated },
];

/** Where the file has no value of a column: what stands for it. */
const insteadOf = ({ row_ids: ids }: TableFile): Record<number, string> => ({
  ...(ids?.first !== undefined && { [rowId]: `${ids.first} + file_row_number` }),
  ...(ids && { [lastUpdated]: String(ids.sequence) }),
});

/** The rows of an open table in these files, without those that were deleted. */
export function openQuery(
  manifest: Manifest,
  { files: own, names }: OpenFiles,
  files: readonly PlacedFile[],
): string {
  const paths = new Map(files.map(({ at, path }) => [at, quoteText(path)]));
  const alike = new Map<string, { list: string; files: string[] }>();
  const parts: string[] = [];
  const hasRowIds = manifest.columns.some(({ field_id }) => field_id === rowId);
  for (const { at, path, schema = [] } of files) {
    const file = own[at];
    if (!file) continue;
    const { key, partition_ids: partitionIds } = file;
    const instead = insteadOf(file);
    const list = fileSelection(manifest, { key, partitionIds, names, schema, instead });
    if (file.deletes.length === 0 && file.positions.length === 0 && !hasRowIds) {
      // Of files of other types DuckDB would take those of the first.
      const form = JSON.stringify([list, schema.map(shapeOf)]);
      const same = alike.get(form) ?? { list, files: [] };
      same.files.push(quoteText(path));
      alike.set(form, same);
    } else
      parts.push(withoutDeleted(file, { list, path, at: (place) => paths.get(own.length + place) ?? "" }));
  }
  for (const { list, files } of alike.values())
    parts.push(`SELECT ${list} FROM read_parquet([${files.join(", ")}], hive_partitioning = false)`);
  return parts.join(" UNION ALL ");
}

const shapeOf = ({ element, children }: SchemaNode): unknown => [element, children.map(shapeOf)];

function withoutDeleted(
  { deletes, positions, paths }: TableFile,
  { list, path, at }: { list: string; path: string; at: (place: number) => string },
): string {
  const rows = `read_parquet([${quoteText(path)}], hive_partitioning = false, file_row_number = true) AS f`;
  const inline = positions.length === 0 ? "" : ` WHERE f.file_row_number NOT IN (${positions.join(", ")})`;
  if (deletes.length === 0) return `SELECT ${list} FROM ${rows}${inline}`;
  const named = paths.map(quoteText).join(", ");
  const gone = `SELECT pos FROM read_parquet([${deletes.map(at).join(", ")}], hive_partitioning = false) WHERE file_path IN (${named})`;
  return `SELECT ${list} FROM ${rows} ANTI JOIN (${gone}) AS d ON f.file_row_number = d.pos${inline}`;
}

/** Names of tables in a schema are names in it: a view each, made anew for each statement. */
export function schemaViews(sources: readonly { name: string; relation: string }[]): string[] {
  return sources.flatMap(({ name, relation }) => {
    if (!hasSchema(name)) return [];
    const at = name.indexOf(".");
    const schema = quoteName(name.slice(0, at));
    return [
      `CREATE SCHEMA IF NOT EXISTS ${schema}`,
      `CREATE OR REPLACE VIEW ${schema}.${quoteName(name.slice(at + 1))} AS FROM ${relation}`,
    ];
  });
}

/** Whether a statement names it with its schema. */
export const hasSchema = (name: string): boolean => /^[^@]*\./.test(name);
