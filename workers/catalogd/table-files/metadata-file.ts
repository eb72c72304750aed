/** Files of metadata: written once and never changed, so that what was read may be kept. */
import { LRUCache } from "lru-cache";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { metadataText, parseExact, refusals, type TableMetadata } from "../iceberg/iceberg.ts";
import { keyOf, type Root } from "./addresses.ts";

export interface MetadataFiles {
  /** Throws `NotFoundException` where the file is gone, and `UnprocessableEntityException` where it is no metadata. */
  read: (location: string) => Promise<TableMetadata>;
  write: (location: string, metadata: TableMetadata) => Promise<void>;
  remove: (location: string) => Promise<void>;
}

/** Texts of metadata that are kept, in bytes. */
const cacheBytesMax = 64 * 1024 * 1024;

export function createMetadataFiles(
  storage: Pick<Peer<Storaged>["verbs"], "read" | "write" | "head" | "erase">,
  roots: () => Promise<readonly Root[]>,
): MetadataFiles {
  const cache = new LRUCache<string, TableMetadata>({ maxSize: cacheBytesMax });
  const keyFor = async (location: string): Promise<string> => {
    const key = keyOf(location, await roots());
    if (key !== undefined) return key;
    throw refusals.notFound(`Location does not exist: ${location}, which is in no bucket of this catalog`);
  };
  const gone = (location: string) => (cause: unknown) => {
    if (cause instanceof ServiceError && cause.type === "not_found")
      throw refusals.notFound(`Failed to open input stream for file: ${location}`);
    throw cause;
  };
  const keep = (location: string, text: string, metadata: TableMetadata) =>
    cache.set(location, metadata, { size: text.length + 1 });
  return {
    read: async (location) => {
      const key = await keyFor(location);
      const known = cache.get(location);
      // A file that is gone is not served from memory: others could not read it either.
      if (known) {
        await storage.head({ key }).catch(gone(location));
        return known;
      }
      const { bytes } = await storage.read({ key }).catch(gone(location));
      const text = new TextDecoder().decode(bytes);
      const metadata = parsed(location, text);
      keep(location, text, metadata);
      return metadata;
    },
    write: async (location, metadata) => {
      const text = metadataText(metadata);
      const key = await keyFor(location);
      await storage.write({ key, bytes: new TextEncoder().encode(text), if_none_match: "*" });
      keep(location, text, metadata);
    },
    remove: async (location) => {
      cache.delete(location);
      await storage.erase({ key: await keyFor(location) });
    },
  };
}

const required: Readonly<Record<string, string>> = {
  "format-version": "number",
  "table-uuid": "string",
  location: "string",
  "last-column-id": "number",
  "current-schema-id": "number",
};
const lists = ["schemas", "partition-specs", "sort-orders"] as const;

/** What our own reading of metadata needs; the rest is kept as it is. */
function parsed(location: string, text: string): TableMetadata {
  const bad = (why: string) => refusals.cannotProcess(`Cannot parse metadata file ${location}: ${why}`);
  let found: TableMetadata;
  try {
    found = parseExact(text) as TableMetadata;
  } catch (cause) {
    if (cause instanceof SyntaxError) throw bad("it is no JSON");
    throw cause;
  }
  if (typeof found !== "object" || found === null) throw bad("it is no object");
  for (const [field, type] of Object.entries(required))
    if (Object.prototype.toString.call(found[field]).slice(8, -1).toLowerCase() !== type)
      throw bad(`expected ${field} as a ${type}`);
  for (const field of lists) if (!Array.isArray(found[field])) throw bad(`expected ${field} as a list`);
  const version = found["format-version"];
  if (version > 3 || version < 1) throw bad(`format version ${version} is not supported`);
  const { snapshots, refs, properties } = found;
  const isWhole =
    Array.isArray(snapshots ?? []) &&
    typeof (refs ?? {}) === "object" &&
    typeof (properties ?? {}) === "object";
  if (!isWhole) throw bad("expected snapshots as a list, refs and properties as objects");
  if (!found.schemas.some((schema) => schema?.["schema-id"] === found["current-schema-id"]))
    throw bad("its current schema is not among its schemas");
  return {
    ...found,
    "last-sequence-number": found["last-sequence-number"] ?? 0,
    "current-snapshot-id": found["current-snapshot-id"] ?? -1,
    properties: properties ?? {},
    refs: refs ?? {},
    snapshots: snapshots ?? [],
    statistics: found.statistics ?? [],
    "partition-statistics": found["partition-statistics"] ?? [],
    "snapshot-log": found["snapshot-log"] ?? [],
    "metadata-log": found["metadata-log"] ?? [],
  };
}
