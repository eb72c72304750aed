/** What a manifest lists, written by anybody: data files and deletes, with the numbers that decide which deletes apply. Pure. */
import { type AvroRecord, decodeAvroFile } from "../../../runtime/avro/avro.ts";
import type { Id } from "./json.ts";
import type { ListedManifest } from "./manifest.ts";
import { firstRowIds } from "./row-ids.ts";

export interface ContentFile {
  kind: "data" | "positions" | "equality";
  path: string;
  /** In upper case: PARQUET, ORC, AVRO, PUFFIN. */
  format: string;
  rows: number;
  bytes: number;
  sequence: bigint;
  specId: number;
  /** The values of its partition, as text that is the same for the same ones. */
  partition: string;
  /** Of a data file, by the ids of columns: NULLs, and bounds as bytes, as whoever wrote it says. */
  nulls?: ReadonlyMap<number, number>;
  lower?: ReadonlyMap<number, Uint8Array>;
  upper?: ReadonlyMap<number, Uint8Array>;
  /** Of deletes that are of one data file alone. */
  of?: string;
  /** Of a data file whose rows have ids: that of its first row. */
  firstRowId?: Id;
  /** Of a deletion vector: where it is in its file. */
  blob?: { offset: number; bytes: number };
}

const kinds = ["data", "positions", "equality"] as const;
const deleted = 2;
/** The id of the column `file_path` in files of position deletes (spec, "Reserved Field IDs"). */
const pathColumn = 2_147_483_546;

/** The files that a manifest holds, without those it only says to be gone. Throws `corrupt`. */
export function contentFilesOf(bytes: Uint8Array, line: ListedManifest): ContentFile[] {
  const files: ContentFile[] = [];
  const rowIdOf = firstRowIds(line);
  for (const entry of decodeAvroFile(bytes).records) {
    if (Number(entry.status) === deleted) continue;
    const file = entry.data_file as AvroRecord;
    const kind = kinds[Number(file.content ?? 0)] ?? "equality";
    const own = (entry.sequence_number ?? line.sequence_number ?? 0) as Id;
    const of = referenced(file);
    const firstRowId = rowIdOf(file);
    files.push({
      kind,
      path: String(file.file_path),
      format: String(file.file_format).toUpperCase(),
      rows: Number(file.record_count),
      bytes: Number(file.file_size_in_bytes),
      sequence: BigInt(own),
      specId: Number(line.partition_spec_id ?? 0),
      partition: textOf(file.partition),
      ...(firstRowId !== null && { firstRowId }),
      ...(kind === "data" && {
        nulls: pairsOf(file.null_value_counts, (value) => Number(value)),
        lower: pairsOf(file.lower_bounds, asBytes),
        upper: pairsOf(file.upper_bounds, asBytes),
      }),
      ...(kind === "positions" && of !== undefined && { of }),
      ...(typeof file.content_offset === "number" && {
        blob: { offset: file.content_offset, bytes: Number(file.content_size_in_bytes) },
      }),
    });
  }
  return files;
}

/** Tells files of a table apart: deletion vectors of several data files lie in one. */
export const contentId = (path: string, offset: unknown): string =>
  offset === undefined || offset === null ? path : `${path} at ${offset}`;

/** Named outright, or by bounds of the paths in it that are one. */
function referenced(file: AvroRecord): string | undefined {
  if (typeof file.referenced_data_file === "string") return file.referenced_data_file;
  const [lower, upper] = [boundOf(file.lower_bounds), boundOf(file.upper_bounds)];
  return lower !== undefined && lower === upper ? lower : undefined;
}

function boundOf(pairs: unknown): string | undefined {
  if (!Array.isArray(pairs)) return undefined;
  const found = (pairs as AvroRecord[]).find((pair) => Number(pair.key) === pathColumn)?.value;
  return found instanceof Uint8Array ? new TextDecoder().decode(found) : undefined;
}

const asBytes = (value: unknown) => (value instanceof Uint8Array ? value : undefined);

/** A map whose keys are no text, as Avro has it. */
function pairsOf<T>(pairs: unknown, of: (value: unknown) => T | undefined): Map<number, T> {
  const found = new Map<number, T>();
  for (const { key, value } of Array.isArray(pairs) ? (pairs as AvroRecord[]) : []) {
    const each = of(value);
    if (each !== undefined) found.set(Number(key), each);
  }
  return found;
}

const textOf = (value: unknown): string =>
  JSON.stringify(value, (_, each) => {
    if (typeof each === "bigint") return String(each);
    return each instanceof Uint8Array ? Buffer.from(each).toString("hex") : each;
  }) ?? "{}";
