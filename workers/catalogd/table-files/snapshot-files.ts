/** The files that a snapshot is read from: its list, its manifests, and which deletes are of which data file. */
import { LRUCache } from "lru-cache";
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import {
  type ContentFile,
  contentFilesOf,
  decodeManifestList,
  type ListedManifest,
  type TableMetadata,
} from "../iceberg/iceberg.ts";
import { isInside, keyOf, normalised, type Root, resolved } from "./addresses.ts";

type Storage = Pick<Peer<Storaged>["verbs"], "read">;

export interface SnapshotFiles {
  /** Throws `corrupt` where one cannot be read, or is outside of the places. */
  list: (address: string, places: readonly string[]) => Promise<ListedManifest[]>;
  files: (line: ListedManifest, places: readonly string[]) => Promise<ContentFile[]>;
  /** The bytes of a file of the table. */
  bytes: (address: string, places: readonly string[]) => Promise<Uint8Array>;
}

/** Manifests and lists that are kept, in bytes of their files; they never change. */
const cacheBytesMax = 64 * 1024 * 1024;
export const concurrency = 16;

export function createSnapshotFiles(storage: Storage, roots: () => Promise<readonly Root[]>): SnapshotFiles {
  const cache = new LRUCache<string, ListedManifest[] | ContentFile[]>({ maxSize: cacheBytesMax });
  const bytes: SnapshotFiles["bytes"] = async (address, places) => {
    const found = normalised("path", address);
    const key = isInside(found, places) ? keyOf(found, await roots()) : undefined;
    if (key === undefined) throw fail("corrupt", `${address} is not below ${places.join(" or ")}`);
    try {
      return (await storage.read({ key })).bytes;
    } catch (cause) {
      if (cause instanceof ServiceError && cause.type === "not_found")
        throw fail("corrupt", `${address} is gone: the snapshot may have been expired`, { cause });
      throw cause;
    }
  };
  const known = async <T extends ListedManifest[] | ContentFile[]>(
    id: string,
    address: string,
    read: () => Promise<{ value: T; size: number }>,
  ): Promise<T> => {
    const found = cache.get(id);
    if (found) return found as T;
    try {
      const { value, size } = await read();
      cache.set(id, value, { size: size * 4 + 1 });
      return value;
    } catch (cause) {
      if (!(cause instanceof ServiceError) || cause.type !== "corrupt") throw cause;
      throw fail("corrupt", `${address}: ${cause.message}`, { cause });
    }
  };
  return {
    bytes,
    list: (address, places) =>
      known(`list ${address}`, address, async () => {
        const found = await bytes(address, places);
        return { value: decodeManifestList(found), size: found.length };
      }),
    files: (line, places) => {
      const { manifest_path: path, sequence_number: sequence, first_row_id: first } = line;
      return known(`files ${sequence} ${first ?? ""} ${places[0]} ${path}`, path, async () => {
        const found = await bytes(path, places);
        const value = contentFilesOf(found, line).map((file) => ({
          ...file,
          path: resolved(file.path, places),
        }));
        return { value, size: found.length };
      });
    },
  };
}

/** A data file with the deletes that are of it. */
export interface ReadFile {
  data: ContentFile;
  positions: ContentFile[];
  vector?: ContentFile;
}

/** What the current snapshot is read from. Throws `corrupt` and `unsupported_table`. */
export async function readFilesOf(
  reader: SnapshotFiles,
  { metadata, places }: { metadata: TableMetadata; places: readonly string[] },
): Promise<ReadFile[]> {
  const snapshot = metadata.snapshots.find(
    (each) => String(each["snapshot-id"]) === String(metadata["current-snapshot-id"]),
  );
  if (!snapshot) return [];
  const address = snapshot["manifest-list"];
  if (address === undefined)
    throw fail(
      "unsupported_table",
      "its snapshot has manifests without a list, as of format 1 alone; rewrite it",
    );
  const lines = await reader.list(address, places);
  const all = (await pMap(lines, (line) => reader.files(line, places), { concurrency })).flat();
  return withDeletes(all, metadata);
}

const elsewhere = 'query it with an engine that can: engine = "trino", or Spark';

/** Pure. */
export function withDeletes(all: readonly ContentFile[], metadata: TableMetadata): ReadFile[] {
  const unpartitioned = new Set(
    metadata["partition-specs"].flatMap((spec) => (spec.fields.length === 0 ? [spec["spec-id"]] : [])),
  );
  const scope = (file: ContentFile): string =>
    unpartitioned.has(file.specId) ? "" : `${file.specId} ${file.partition}`;
  const byPath = new Map<string, ContentFile[]>();
  const byScope = new Map<string, ContentFile[]>();
  for (const file of all) {
    if (file.kind === "data") continue;
    if (file.kind === "equality")
      throw fail(
        "unsupported_table",
        `it has equality deletes, which are not read here: ${elsewhere}, or compact it there`,
      );
    const [index, key] =
      file.of === undefined
        ? ([byScope, scope(file)] as const)
        : ([byPath, normalised("path", file.of)] as const);
    index.set(key, [...(index.get(key) ?? []), file]);
  }
  return all.flatMap((data): ReadFile[] => {
    if (data.kind !== "data") return [];
    if (data.format !== "PARQUET")
      throw fail(
        "unsupported_table",
        `it has data files of ${data.format}, and only Parquet is read here: ${elsewhere}`,
      );
    const applies = (file: ContentFile) => file.sequence >= data.sequence;
    const own = (byPath.get(normalised("path", data.path)) ?? []).filter(applies);
    const vector = own.find((file) => file.blob !== undefined);
    // A vector holds all deletes of its data file.
    if (vector) return [{ data, positions: [], vector }];
    const shared = (byScope.get(scope(data)) ?? []).filter(applies);
    return [{ data, positions: [...own, ...shared] }];
  });
}
