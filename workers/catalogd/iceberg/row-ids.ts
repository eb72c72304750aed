/**
 * Ids of rows (format 3, §"Row Lineage"): a data file says the id of its first row, or has it from its manifest, and a manifest
 * has it from the list that names it first. Pure.
 */
import type { AvroRecord } from "../../../runtime/avro/avro.ts";
import type { Id } from "./json.ts";
import type { ListedManifest } from "./manifest.ts";

/** From this format on rows have ids. */
export const rowIdsFormat = 3;

/** Columns of a file in which rows that were moved keep what they had. */
export const rowIdColumn = 2_147_483_540;
export const lastUpdatedColumn = 2_147_483_539;

const idOf = (value: bigint): Id => (value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value);

/** Asked for each file of the manifest that is there, in their order: the id of its first row; null where rows have none yet. */
export function firstRowIds({
  content,
  first_row_id: first,
}: ListedManifest): (file: AvroRecord) => Id | null {
  if (Number(content ?? 0) !== 0 || first === undefined || first === null) return () => null;
  let next = BigInt(first as Id);
  return (file) => {
    const own = file.first_row_id as Id | null | undefined;
    if (own !== undefined && own !== null) return own;
    const id = next;
    next += BigInt(file.record_count as Id);
    return idOf(id);
  };
}

/** The list of a new snapshot: manifests of data that have no first row id take the next ones. */
export function withFirstRowIds(
  manifests: readonly ListedManifest[],
  firstFree: Id,
): { manifests: ListedManifest[]; addedRows: Id } {
  let next = BigInt(firstFree);
  const numbered = manifests.map((line): ListedManifest => {
    if (Number(line.content ?? 0) !== 0 || (line.first_row_id ?? null) !== null) return line;
    const first = next;
    next += BigInt((line.existing_rows_count as Id) ?? 0) + BigInt((line.added_rows_count as Id) ?? 0);
    return { ...line, first_row_id: idOf(first) };
  });
  return { manifests: numbered, addedRows: idOf(next - BigInt(firstFree)) };
}
