/** What the work on open tables stands on: heads, files, the places of tables, and the way to a version. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { createKeyedMutex } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Storaged } from "../../storaged/contract.ts";
import type { Change, Commit } from "../commits/commits.ts";
import { refusals, type TableMetadata } from "../iceberg/iceberg.ts";
import { type Place, type Publishing, rootOf } from "../publishing/publishing.ts";
import type { Registry } from "../registry/registry.ts";
import { etagOf } from "../schemas/schemas.ts";
import {
  createMetadataFiles,
  createSnapshotFiles,
  formerRoots,
  type Homes,
  keyOf,
  type MetadataFiles,
  normalised,
  type Root,
  type SnapshotFiles,
} from "../table-files/table-files.ts";
import {
  isLive,
  isOpen,
  type OpenVersion,
  planOpen,
  type TableContent,
  type Version,
} from "../versions/versions.ts";
import { createNamespaces, type Namespaces } from "./namespaces.ts";

export type Storage = Pick<Peer<Storaged>["verbs"], "list" | "read" | "write" | "erase" | "head" | "place">;

export interface OpenDeps extends Pick<Deps, "clock" | "newId" | "log" | "config"> {
  registry: Registry;
  commit: Commit;
  resolveUnknown: (name: string, requestId: string) => Promise<void>;
  publishing: Publishing;
  storage: Storage;
}

/** A table as the protocol names it. */
export interface Identifier {
  namespace: string;
  name: string;
}

/** The namespace of the datasets; SQL's schema of the same name. */
export const publishedNamespace = "main";

/** What the catalog calls it: datasets, open or not, need no namespace. */
export const nameOf = ({ namespace, name }: Identifier): string =>
  namespace === publishedNamespace ? name : `${encoded(namespace)}.${encoded(name)}`;

const encoded = (part: string): string => part.replaceAll(".", "%2E");
const decoded = (part: string): string => part.replaceAll("%2E", ".");

export function identifierOf(name: string): Identifier {
  const at = name.indexOf(".");
  return at < 0
    ? { namespace: publishedNamespace, name }
    : { namespace: decoded(name.slice(0, at)), name: decoded(name.slice(at + 1)) };
}

export const shown = ({ namespace, name }: Identifier): string => `${namespace}.${name}`.slice(0, 300);

/** A version to be: what it follows, what it says, and its metadata where that is not written yet. */
export interface ChangeOf {
  name: string;
  before: Version | undefined;
  content: TableContent;
  metadata?: TableMetadata;
  operationId?: string | undefined;
}

export interface State {
  deps: OpenDeps;
  registry: Registry;
  namespaces: Namespaces;
  files: MetadataFiles;
  reader: SnapshotFiles;
  /** The latest version or tombstone. */
  head: (table: Identifier) => Version | undefined;
  names: (namespace: string) => string[];
  /** Where open tables are. Throws `ForbiddenException` where there is no such bucket. */
  warehouse: () => Promise<Place>;
  roots: () => Promise<readonly Root[]>;
  /** Whether a bucket was somewhere else before. */
  isMoved: () => Promise<boolean>;
  /** Where tables may be, the warehouse first, and the places of all other tables than the one of this name. */
  homes: (except: string | undefined) => Promise<Homes>;
  /** Where files of a table may be: its own places, and what the operator allows besides. */
  within: (places: readonly string[]) => readonly string[];
  /** Where a table comes to lie whose maker says nothing. */
  defaultPlace: (table: Identifier, uuid: string) => Promise<string>;
  /** On a disk programs of others write only where there is a folder. */
  makeFolders: (place: string) => Promise<void>;
  /** Runs the work while no other changes tables of these names here. */
  inTurn: <T>(names: readonly string[], work: () => Promise<T>) => Promise<T>;
  /** Writes the metadata, then the versions, and those of datasets beside them: all, or none. Throws `CommitFailedException` where a head is another one by now. */
  commitAll: (
    changes: readonly ChangeOf[],
    context: { requestId: string; signal: AbortSignal },
    beside?: readonly Change[],
  ) => Promise<Version[]>;
}

/** Who asks, and what for. */
export interface Asking {
  requestId: string;
  signal: AbortSignal;
  madeBy: string;
}

export interface Loaded {
  metadata: TableMetadata;
  /** Address of its metadata.json. */
  location: string;
  etag: string;
}

export const loadedOf = (head: OpenVersion, metadata: TableMetadata): Loaded => ({
  metadata,
  location: head.metadata_location,
  etag: etagOf(head),
});

/** The table's head. Throws `NoSuchTableException`. */
export async function liveHead(state: State, table: Identifier, requestId: string): Promise<OpenVersion> {
  await state.deps.resolveUnknown(nameOf(table), requestId);
  const head = state.head(table);
  if (!isOpen(head)) throw refusals.noSuchTable(`Table does not exist: ${shown(table)}`);
  return head;
}

export const warehouseBucket = "warehouse";
/** Commits that may wait for one table. */
const waitingMax = 1024;

export function createState(deps: OpenDeps): State {
  const { registry, storage } = deps;
  const allowed = deps.config.catalogd.open_locations.map((address) =>
    normalised("catalogd.open_locations", address),
  );
  const warehouse = onceKnown(() => storage.place({ bucket: warehouseBucket }), noWarehouse);
  const roots = createRoots(deps, { warehouse, isWide: allowed.length > 0 });
  const files = createMetadataFiles(storage, roots);
  const lock = createKeyedMutex({ waitingMax, refusal: (name) => tooMany(name) });
  const inTurn: State["inTurn"] = ([name, ...rest], work) =>
    name === undefined ? work() : lock(name, () => inTurn(rest, work));
  const openHeads = () => registry.manifests().filter(isOpen);

  return {
    deps,
    registry,
    files,
    roots,
    isMoved: async () => {
      const all = await roots();
      return new Set(all.map(({ bucket }) => bucket)).size < all.length;
    },
    warehouse,
    namespaces: createNamespaces(storage),
    reader: createSnapshotFiles(storage, roots),
    head: (table) => registry.head(nameOf(table)),
    names: (namespace) =>
      openHeads().flatMap(({ name }) => {
        const found = identifierOf(name);
        return found.namespace === namespace ? [found.name] : [];
      }),
    within: (places) => [...places, ...allowed],
    homes: async (except) => ({
      homes: [rootOf(await warehouse()), ...allowed],
      others: openHeads().flatMap(({ name, locations }) =>
        name === except ? [] : [{ name, places: locations }],
      ),
    }),
    defaultPlace: async ({ namespace, name }, uuid) =>
      `${rootOf(await warehouse())}/${namespace}/${name.replaceAll(" ", "_")}-${uuid.slice(0, 8)}`,
    makeFolders: async (place) => {
      const { bucket, key: folder } = keyIn(place, await roots());
      const { kind } = await storage.place({ bucket });
      if (kind !== "local") return;
      for (const name of ["data", "metadata"])
        await storage.write({ bucket, key: `${folder}/${name}/.keep`, bytes: new Uint8Array() });
    },
    inTurn: (names, work) => inTurn([...new Set(names.map(fold))].sort(), work),
    commitAll: (changes, context, beside = []) => commitAll({ deps, files }, { changes, beside }, context),
  };
}

/** Addresses of the buckets that files of tables may be in, and those that they had before. */
function createRoots(
  { config, storage, publishing }: OpenDeps,
  { warehouse, isWide }: { warehouse: State["warehouse"]; isWide: boolean },
): State["roots"] {
  const own = ["primary", warehouseBucket];
  const names = isWide ? Object.keys(config.buckets).filter((name) => !own.includes(name)) : [];
  const all = onceKnown(
    async () => {
      const more = names.map(async (bucket) => ({
        bucket,
        address: rootOf(await storage.place({ bucket })),
      }));
      const now: Root[] = [
        { bucket: warehouseBucket, address: rootOf(await warehouse()) },
        { bucket: "primary", address: rootOf(await publishing.place()) },
        ...(await Promise.all(more)),
      ];
      return [...now, ...(await formerRoots(storage, now))];
    },
    (cause) => cause,
  );
  return () =>
    all().catch(async (cause) => {
      // Without a warehouse there are no tables but those that were opened before it went.
      if (!(cause instanceof ServiceError) || cause.type !== "forbidden") throw cause;
      return [{ bucket: "primary", address: rootOf(await publishing.place()) }];
    });
}

/** The bucket of a place, and the key in it. Throws `bad_request` where it is in none. */
export function keyIn(place: string, roots: readonly Root[]): { bucket: string; key: string } {
  const [, bucket, key] = /^(?:([^/:]+):\/\/)?(.+)$/s.exec(keyOf(place, roots) ?? "") ?? [];
  if (key !== undefined) return { bucket: bucket ?? "primary", key };
  throw refusals.badRequest(
    `Invalid location '${place}': the operator allows it, and there is no bucket for it; expected [buckets.<name>] whose path is above it`,
  );
}

/** See `State`. */
async function commitAll(
  { deps, files }: Pick<State, "deps" | "files">,
  { changes, beside }: { changes: readonly ChangeOf[]; beside: readonly Change[] },
  context: { requestId: string; signal: AbortSignal },
): Promise<Version[]> {
  const { clock, newId } = deps;
  const written: string[] = [];
  try {
    for (const { content, metadata } of changes) {
      if (!metadata) continue;
      await files.write(content.metadata_location, metadata);
      written.push(content.metadata_location);
    }
    const given = { now: clock.now(), newId };
    const all = changes.map(({ name, before, content, operationId }) => ({
      name,
      plan: (head: Version | undefined): Version => {
        if (!isSame(head, before))
          throw refusals.commitFailed(`${name} was changed meanwhile: read it again`);
        return planOpen(head, content, { ...given, operationId });
      },
    }));
    return (await deps.commit({ changes: [...all, ...beside] }, context)).map(({ version }) => version);
  } catch (cause) {
    // Of a refusal nothing is left; where the outcome is not known a version may name the file.
    if (cause instanceof ServiceError && cause.status < 500 && cause.type !== "client_closed")
      await Promise.allSettled(written.map(files.remove));
    throw cause;
  }
}

const isSame = (one: Version | undefined, other: Version | undefined): boolean =>
  one === other ||
  (one?.version === other?.version && one?.created_at === other?.created_at && isLive(one) === isLive(other));

const tooMany = (name: string) =>
  refusals.commitFailed(`${waitingMax} commits of ${name} are waiting already: try again later`);

const noWarehouse = (cause: unknown): unknown =>
  cause instanceof ServiceError && cause.type === "not_found"
    ? refusals.notAllowed(
        'There are no open tables here: the operator has no bucket for them; add [buckets.warehouse] with kind = "local" and layout = "plain", or with kind = "s3"',
      )
    : cause;

/** Asked for once it was answered; what failed is asked for again. */
function onceKnown<T>(ask: () => Promise<T>, explain: (cause: unknown) => unknown): () => Promise<T> {
  let known: Promise<T> | undefined;
  return () => {
    known ??= ask().catch((cause) => {
      known = undefined;
      throw explain(cause);
    });
    return known;
  };
}
