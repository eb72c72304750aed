/** The files of a version of an open table, as whoever reads its rows takes them. */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { positionsIn } from "../deletes/deletes.ts";
import { rowIdsFormat, type TableMetadata } from "../iceberg/iceberg.ts";
import { columnsOf, currentSchema } from "../table-columns/table-columns.ts";
import {
  concurrency,
  confined,
  type FileStatistics,
  keyOf,
  normalised,
  type ReadFile,
  type Root,
  readFilesOf,
  statisticsOf,
} from "../table-files/table-files.ts";
import { isOpen, type Manifest } from "../versions/versions.ts";
import type { State } from "./state.ts";

export interface TableFiles {
  files: PlannedFile[];
  /** Parquet files of deleted positions. */
  deletes: { key: string; bytes: number }[];
  /** Names of columns, and of parts of them, in files without field ids: the id of each. */
  names: Record<string, number>;
}

interface PlannedFile {
  key: string;
  bytes: number;
  row_count: number;
  /** As files of deleted positions name it: each of them may. */
  paths: string[];
  /** Those of `deletes` that are of it, by their places. */
  deletes: number[];
  /** Deleted positions of a deletion vector. */
  positions: number[];
  /** Ids of columns whose values are in its partition, if they are not in the file. */
  partition_ids: number[];
  /** Format 3. */
  row_ids?: { first?: number; sequence: number };
  statistics: FileStatistics[];
}

/** Deleted rows that deletion vectors of one table may name: they go into the statement. */
const positionsMax = 100_000;

/** Throws `unsupported_table` and `corrupt`, naming the table. */
export async function planFiles(state: State, version: Manifest): Promise<TableFiles> {
  if (!isOpen(version))
    throw fail("conflict", `'${version.name}' is no open table at version ${version.version}`);
  try {
    const metadata = await state.files.read(version.metadata_location);
    const { problem } = columnsOf(metadata);
    if (problem !== undefined)
      throw fail("unsupported_table", `${problem}: query it with an engine that can`);
    const places = state.within(version.locations);
    const read = await readFilesOf(state.reader, { metadata, places });
    return await planned(state, { metadata, read, places });
  } catch (cause) {
    throw named(version, cause);
  }
}

function named({ name, version }: Manifest, cause: unknown): unknown {
  if (!(cause instanceof ServiceError)) return cause;
  const what = `table '${name}' cannot be read at version ${version}: ${cause.message}`;
  const types = { unsupported_table: "unsupported_table", resource_exhausted: "unsupported_table" } as const;
  const lasting = ["corrupt", "bad_request", "not_found", "unprocessable"];
  const type =
    types[cause.type as keyof typeof types] ?? (lasting.includes(cause.type) ? "corrupt" : cause.type);
  return fail(type, what, { cause, details: { dataset: name, version } });
}

async function planned(
  state: State,
  {
    metadata,
    read,
    places,
  }: { metadata: TableMetadata; read: readonly ReadFile[]; places: readonly string[] },
): Promise<TableFiles> {
  const roots = await state.roots();
  const schema = currentSchema(metadata);
  const deletes = new Map<string, { at: number; key: string; bytes: number }>();
  const deleteAt = (path: string, bytes: number): number => {
    const key = keyFor(path, { places, roots });
    const known = deletes.get(key) ?? { at: deletes.size, key, bytes };
    deletes.set(key, known);
    return known.at;
  };
  let left = positionsMax;
  const files = await pMap(
    read,
    async ({ data, positions, vector }): Promise<PlannedFile> => {
      const found: number[] = [];
      if (vector?.blob) {
        const { offset, bytes } = vector.blob;
        const puffin = await state.reader.bytes(vector.path, places);
        found.push(...positionsIn(puffin.subarray(offset, offset + bytes), left));
        left -= found.length;
      }
      const odd = positions.find(({ format }) => format !== "PARQUET");
      if (odd)
        throw fail("unsupported_table", `it has deletes in ${odd.format}, and only Parquet is read here`);
      return {
        key: keyFor(data.path, { places, roots }),
        bytes: data.bytes,
        row_count: data.rows,
        paths: spellings(data.path),
        deletes: positions.map(({ path, bytes }) => deleteAt(path, bytes)),
        positions: found,
        partition_ids: identityIds(metadata, data.specId),
        ...(metadata["format-version"] >= rowIdsFormat && { row_ids: rowIdsOf(data) }),
        statistics: schema ? statisticsOf(data, schema) : [],
      };
    },
    { concurrency },
  );
  return {
    files,
    deletes: [...deletes.values()].map(({ key, bytes }) => ({ key, bytes })),
    names: namesOf(metadata),
  };
}

function rowIdsOf({ firstRowId, sequence }: ReadFile["data"]): { first?: number; sequence: number } {
  const numbers = {
    ...(firstRowId !== undefined && { first: Number(firstRowId) }),
    sequence: Number(sequence),
  };
  if (Object.values(numbers).every(Number.isSafeInteger)) return numbers;
  throw fail("unsupported_table", "its rows have ids beyond 2^53: query it with an engine that can");
}

function keyFor(
  path: string,
  { places, roots }: { places: readonly string[]; roots: readonly Root[] },
): string {
  const key = keyOf(confined("path", path, places), roots);
  if (key === undefined) throw fail("corrupt", `${path} is in no bucket of this catalog`);
  return key;
}

/** What engines write of one file: a comparison of texts would bring deleted rows back. */
function spellings(path: string): string[] {
  const one = normalised("path", path);
  if (one.startsWith("file://")) {
    const plain = one.slice("file://".length);
    return [...new Set([path, one, plain, `file:${plain}`])];
  }
  const rest = one.slice("s3:".length);
  return [...new Set([path, `s3:${rest}`, `s3a:${rest}`, `s3n:${rest}`])];
}

const identityIds = (metadata: TableMetadata, specId: number): number[] =>
  (metadata["partition-specs"].find((spec) => spec["spec-id"] === specId)?.fields ?? []).flatMap(
    ({ transform, "source-id": id }) => (transform === "identity" ? [id] : []),
  );

interface Mapped {
  "field-id"?: number;
  names?: string[];
  fields?: Mapped[];
}

const partSeparator = "\u001f";

/** `schema.name-mapping.default`: of a part of a nested column by the id around it and its name. */
function namesOf({ properties }: TableMetadata): Record<string, number> {
  const text = properties["schema.name-mapping.default"];
  if (text === undefined) return {};
  const named = (all: readonly Mapped[], around: string): [string, number][] =>
    all.flatMap(({ "field-id": id, names = [], fields = [] }) =>
      id === undefined
        ? []
        : [
            ...names.map((name): [string, number] => [around + name, id]),
            ...named(fields, `${id}${partSeparator}`),
          ],
    );
  try {
    return Object.fromEntries(named(JSON.parse(text) as Mapped[], ""));
  } catch (cause) {
    if (cause instanceof SyntaxError || cause instanceof TypeError)
      throw fail("corrupt", "its property schema.name-mapping.default does not read as a mapping", { cause });
    throw cause;
  }
}
