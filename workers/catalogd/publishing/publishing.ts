/**
 * Datasets as Iceberg tables: the version chain is the truth, and what readers of Iceberg need is made of it when one of
 * them asks: of each version a manifest list, manifests of the objects it adds, and one metadata.json of them all. No data
 * file is read. Files are written once and never changed, the metadata last.
 */
import { LRUCache } from "lru-cache";
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { ChainReader } from "../history/history.ts";
import {
  decodeManifestList,
  metadataText,
  parseExact,
  type TableMetadata,
  Unpublishable,
} from "../iceberg/iceberg.ts";
import { isDamaged, type Registry } from "../registry/registry.ts";
import { firstOf, isLive, type Manifest } from "../versions/versions.ts";
import {
  metadataKey,
  placeMark,
  publishedPrefix,
  publishedVersion,
  readOnlyKey,
  readOnlyText,
} from "./file-names.ts";
import { createPlaces, type Place, rootOf } from "./place.ts";
import { finished, snapshotIdOf, snapshotsMax, unpublished } from "./snapshot.ts";
import { createSnapshotWriter, type Extending, writeOnce } from "./snapshot-writer.ts";

export { type Place, rootOf } from "./place.ts";

type Storage = Pick<Peer<Storaged>["verbs"], "list" | "read" | "write" | "erase" | "place">;

export interface Published {
  metadata: TableMetadata;
  /** Address of its metadata.json. */
  location: string;
  /** Of the version, and of where its files are. */
  etag: string;
}

export interface Publishing {
  /** The dataset's table at its latest version. Throws `not_found`, `corrupt`, and `Unpublishable`. */
  table: (name: string) => Promise<Published>;
  /** Removes the files of versions before this one that the table as it is now does not need. */
  removeBefore: (name: string, first: number) => Promise<void>;
  /** Where the datasets' files are. */
  place: () => Promise<Place>;
}

/** Texts of metadata that are kept, in bytes. */
const cacheBytesMax = 32 * 1024 * 1024;
const waitingPerNameMax = 256;
/** Requests to storaged at once. */
const concurrency = 8;

export function createPublishing(deps: {
  registry: Pick<Registry, "manifest">;
  chain: Pick<ChainReader, "numbered">;
  storage: Storage;
}): Publishing {
  const { registry, chain, storage } = deps;
  const places = createPlaces(storage.place);
  const cache = new LRUCache<string, { key: string; metadata: TableMetadata }>({ maxSize: cacheBytesMax });
  const oneByOne = createKeyedMutex({ waitingMax: waitingPerNameMax, refusal: tooManyWaiting });

  /** What was published last of this dataset, here, and of this very chain. */
  const publishedBefore = async (head: Manifest, root: string): Promise<Extending | undefined> => {
    const found = cache.get(head.name)?.metadata ?? (await latestStored(storage, head, placeMark(root)));
    if (found?.["table-uuid"] !== head.dataset_id) return undefined;
    const last = found.snapshots.at(-1);
    const number = Number(last?.["sequence-number"] ?? 0);
    if (!last || number > head.version || head.version - number > snapshotsMax) return undefined;
    const version = number === head.version ? head : await chain.numbered(head.name, number);
    if (isDamaged(version) || !isLive(version) || snapshotIdOf(version) !== last["snapshot-id"])
      return undefined;
    const key = (last["manifest-list"] ?? "").slice(root.length + 1);
    const { bytes } = await storage.read({ key });
    return {
      table: found,
      keys: version.objects.map(({ key }) => key),
      manifests: decodeManifestList(bytes),
    };
  };

  const publish = async (head: Manifest, root: string): Promise<TableMetadata> => {
    const mark = placeMark(root);
    const before = await publishedBefore(head, root);
    const { extend, flush } = createSnapshotWriter(storage, places);
    const readOnly = readOnlyKey(head.name);
    await writeOnce(storage.write, readOnly, new TextEncoder().encode(readOnlyText));
    let state: Extending = before ?? {
      table: unpublished(head, `${root}/${publishedPrefix(head.name)}`.slice(0, -1)),
    };
    const from = Math.max(
      firstOf(head),
      head.version - snapshotsMax + 1,
      Number(before?.table["last-sequence-number"] ?? 0) + 1,
    );
    for (let number = from; number <= head.version; number++) {
      const version = number === head.version ? head : await chain.numbered(head.name, number);
      if (isDamaged(version) || !isLive(version) || version.dataset_id !== head.dataset_id) continue;
      state = await extend(state, version, { mark, isHead: number === head.version });
    }
    await flush();
    return finished(state.table, {
      dataset: head.name,
      first: firstOf(head),
      readOnly: `${root}/${readOnly}`,
    });
  };

  const table: Publishing["table"] = (name) =>
    oneByOne(name, async () => {
      const head = registry.manifest(name);
      const root = rootOf(await places.primary());
      const key = metadataKey({
        ...{ name, version: head.version, snapshotId: snapshotIdOf(head), mark: placeMark(root) },
      });
      const etag = key.slice(key.lastIndexOf("/") + 1, -".metadata.json".length);
      const location = `${root}/${key}`;
      const cached = cache.get(name);
      if (cached?.key === key) return { metadata: cached.metadata, location, etag };
      const stored = await readMetadata(storage, key);
      const metadata = stored ?? (await keep(storage, key, await publish(head, root)));
      cache.set(name, { key, metadata }, { size: metadataText(metadata).length + 1 });
      return { metadata, location, etag };
    });
  return {
    place: places.primary,
    table,
    removeBefore: (name, first) => removeBefore(storage, { name, first }, () => table(name)),
  };
}

async function removeBefore(
  storage: Storage,
  { name, first }: { name: string; first: number },
  table: () => Promise<Published>,
): Promise<void> {
  const old: string[] = [];
  for await (const key of publishedKeys(storage, name))
    if ((publishedVersion(key)?.version ?? first) < first) old.push(key);
  if (old.length === 0) return;
  const needed = await neededBy(storage, await table().catch(unlessNone));
  await pMap(old, (key) => (needed.has(key) ? undefined : storage.erase({ key })), { concurrency });
}

/** A dataset that was dropped, or that Iceberg has no types for, needs none of its files. */
function unlessNone(cause: unknown): undefined {
  const isNone =
    cause instanceof Unpublishable || (cause instanceof ServiceError && cause.type === "not_found");
  if (!isNone) throw cause;
}

/** Keys of the lists and manifests that a table's snapshots are read by. */
async function neededBy(storage: Storage, table: Published | undefined): Promise<Set<string>> {
  if (!table) return new Set();
  const { metadata, location } = table;
  const root = location.slice(
    0,
    location.lastIndexOf(publishedPrefix(metadata.properties["lakehouse.dataset"] ?? "")),
  );
  const keyOf = (uri: string) => uri.slice(root.length);
  const lists = metadata.snapshots.map((snapshot) => keyOf(snapshot["manifest-list"] ?? ""));
  const manifests = await pMap(
    lists,
    async (key) => decodeManifestList((await storage.read({ key })).bytes),
    { concurrency },
  );
  return new Set([...lists, ...manifests.flat().map((each) => keyOf(each.manifest_path))]);
}

const tooManyWaiting = (name: string) =>
  fail("overloaded", `${waitingPerNameMax} callers wait for the table of '${name}' already`, {
    retryAfterSeconds: 1,
  });

/** Stores it, unless another one did; that one holds then. What is damaged there is written over. */
async function keep(storage: Storage, key: string, metadata: TableMetadata): Promise<TableMetadata> {
  const bytes = new TextEncoder().encode(metadataText(metadata));
  if (await writeOnce(storage.write, key, bytes)) return metadata;
  const there = await readMetadata(storage, key);
  if (there) return there;
  await storage.write({ key, bytes });
  return metadata;
}

async function latestStored(
  storage: Storage,
  { name, version }: Manifest,
  mark: string,
): Promise<TableMetadata | undefined> {
  let latest: { key: string; version: number } | undefined;
  for await (const key of publishedKeys(storage, name)) {
    const found = publishedVersion(key);
    if (!found?.isMetadata || found.mark !== mark || found.version > version) continue;
    if (!latest || found.version >= latest.version) latest = { key, version: found.version };
  }
  return latest && readMetadata(storage, latest.key);
}

/** Nothing where there is none, or where it is damaged: it can be made again. */
async function readMetadata({ read }: Storage, key: string): Promise<TableMetadata | undefined> {
  try {
    const { bytes } = await read({ key });
    return parseExact(new TextDecoder().decode(bytes)) as TableMetadata;
  } catch (cause) {
    const isGone = cause instanceof ServiceError && (cause.type === "not_found" || cause.type === "corrupt");
    if (isGone || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

async function* publishedKeys({ list }: Storage, name: string): AsyncGenerator<string> {
  const prefix = publishedPrefix(name);
  for (let page_token: string | undefined; ; ) {
    const page = await list({ prefix, page_size: 10_000, ...(page_token !== undefined && { page_token }) });
    for (const { key } of page.objects) yield key;
    page_token = page.next_page_token;
    if (page_token === undefined) return;
  }
}
