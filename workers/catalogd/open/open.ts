/**
 * Open tables: Iceberg tables that any engine writes to. The metadata is written first, and the version that names it
 * decides: it is the one compare-and-swap, as for every dataset.
 */
import type { CallContext, VerbsOf } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { createTurns, type ObjectCheck, type Turns } from "../commits/commits.ts";
import type { Catalogd } from "../contract.ts";
import type { History } from "../history/history.ts";
import type { TableMetadata } from "../iceberg/iceberg.ts";
import { rootOf } from "../publishing/publishing.ts";
import type { Registry, Removals } from "../registry/registry.ts";
import type { Evolution } from "../schemas/schemas.ts";
import { evolution } from "../table-columns/table-columns.ts";
import { createMetadataFiles, createSnapshotFiles, keyOf, normalised } from "../table-files/table-files.ts";
import {
  checkMatch,
  isOpen,
  type Manifest,
  type OpenVersion,
  type Registration,
  type Version,
} from "../versions/versions.ts";
import { createTable, type NewTable, registerTable } from "./creation.ts";
import { dropTable, renameTable, rollBackTable } from "./departures.ts";
import type { Namespaces } from "./namespaces.ts";
import { openDataset } from "./opened.ts";
import { planFiles, type TableFiles } from "./plan.ts";
import { objectsBelow } from "./purge.ts";
import { checkIsHere, isElsewhere, relocate } from "./relocation.ts";
import {
  type Asking,
  type ChangeOf,
  createState,
  type Identifier,
  identifierOf,
  type Loaded,
  liveHead,
  loadedOf,
  nameOf,
  type OpenDeps,
  type State,
} from "./state.ts";
import { changedTable, type TableChange } from "./table-change.ts";
import { type RowsPlace, rowsPlace, writeRows } from "./writing.ts";

export type { NewTable } from "./creation.ts";
export { checkNamePart, type Namespaces, noNamespace, type Properties, propertiesOf } from "./namespaces.ts";
export {
  type Asking,
  type Identifier,
  identifierOf,
  nameOf,
  type OpenDeps,
  publishedNamespace,
} from "./state.ts";
export type { TableChange } from "./table-change.ts";

export interface OpenTables {
  namespaces: Namespaces;
  /** Names of the tables of a namespace that are open. */
  names: (namespace: string) => string[];
  /** Whether this dataset or table is open. */
  has: (table: Identifier) => boolean;
  /** Throws `NoSuchTableException`, and what is wrong with its metadata. */
  load: (table: Identifier, asking: Asking) => Promise<Loaded>;
  check: (table: Identifier, requestId: string) => Promise<void>;
  create: (namespace: string, asked: NewTable, asking: Asking) => Promise<Loaded & { staged: boolean }>;
  register: (
    asked: { namespace: string; name: unknown; location: unknown },
    asking: Asking,
  ) => Promise<Loaded>;
  /** All of them, or none. */
  commit: (changes: readonly TableChange[], asking: Asking) => Promise<Loaded[]>;
  /** The same for an engine, which has to know where files are. */
  commitOfEngine: (changes: readonly TableChange[], asking: Asking) => Promise<Loaded[]>;
  drop: (table: Identifier, purge: boolean, asking: Asking) => Promise<void>;
  rename: (names: { from: Identifier; to: Identifier }, asking: Asking) => Promise<void>;
  /** The files of a version, for whoever reads its rows. Throws `unsupported_table` and `corrupt`. */
  files: (version: Manifest) => Promise<TableFiles>;
  /** Makes a dataset an open table. */
  open: (name: string, asking: Asking) => Promise<Manifest>;
  /** Takes an open table back to the snapshot of an earlier version. */
  rollback: (old: Manifest, asking: Asking) => Promise<Manifest>;
  /** Adds rows that an ingest has stored, or puts them in place of all there are. */
  write: (
    asked: {
      registration: Registration;
      /** Of datasets, which come with it by one commit. */
      beside: readonly Registration[];
      operationId: string | undefined;
      turn?: string | undefined;
    },
    asking: Asking,
  ) => Promise<Manifest[]>;
  /** Keeps others from changing a table until the holder writes. */
  hold: Turns["hold"];
  /** Where files of a table's rows are put, and how; throws for one that is not written to here. */
  rowsPlace: (name: string) => Promise<RowsPlace | undefined>;
  /** Changes its columns. */
  evolve: (asked: { name: string } & Evolution, asking: Asking) => Promise<Manifest>;
  /** What maintenance works with. */
  inside: Inside;
  /** Where tables are, for clients; and its address. */
  place: State["warehouse"];
  address: () => Promise<string>;
}

/** Files of open tables, for whoever removes those that are not needed. */
export interface Inside extends Pick<State, "reader" | "within"> {
  head: (name: string) => Version | undefined;
  metadata: (location: string) => Promise<TableMetadata>;
  /** Readers that remember nothing: what is on the disk now. */
  anew: () => Pick<Inside, "reader" | "metadata">;
  /** As the catalog names objects; undefined where it is in no bucket. */
  keyOf: (address: string) => Promise<string | undefined>;
  /** All objects below the table's own places. */
  list: (table: OpenVersion) => ReturnType<typeof objectsBelow>;
  erase: (key: string) => Promise<unknown>;
}

const insideOf = (state: State): Inside => ({
  reader: state.reader,
  within: state.within,
  head: (name) => state.registry.head(name, true),
  metadata: state.files.read,
  anew: () => ({
    reader: createSnapshotFiles(state.deps.storage, state.roots),
    metadata: createMetadataFiles(state.deps.storage, state.roots).read,
  }),
  keyOf: async (address) => keyOf(normalised("path", address), await state.roots()),
  list: (table) => objectsBelow(state, table),
  erase: (key) => state.deps.storage.erase({ key }),
});

export function createOpenTables(deps: OpenDeps): OpenTables {
  const state = createState(deps);
  const turns = createTurns(state.inTurn, deps.clock);
  const commit = (
    changes: readonly TableChange[],
    asking: Asking,
    check: (table: Identifier) => Promise<void> = async () => {},
  ): Promise<Loaded[]> =>
    state.inTurn(
      changes.map(({ identifier }) => nameOf(identifier)),
      async () => {
        const prepared: (ChangeOf & { metadata: TableMetadata })[] = [];
        for (const change of changes) {
          await relocate(state, nameOf(change.identifier), asking);
          await check(change.identifier);
          prepared.push(await changedTable(state, change, asking));
        }
        const versions = await state.commitAll(prepared, asking);
        return prepared.map(({ metadata }, at) => loadedOf(versions[at] as OpenVersion, metadata));
      },
    );
  return {
    namespaces: state.namespaces,
    names: state.names,
    has: (table) => isOpen(state.head(table)),
    load: async (table, asking) => {
      await broughtHere(state, await liveHead(state, table, asking.requestId), asking);
      const head = await liveHead(state, table, asking.requestId);
      await checkIsHere(state, table);
      return loadedOf(head, await state.files.read(head.metadata_location));
    },
    check: async (table, requestId) => void (await liveHead(state, table, requestId)),
    create: (namespace, asked, asking) => createTable(state, { namespace, asked }, asking),
    register: (asked, asking) => registerTable(state, asked, asking),
    commit,
    commitOfEngine: (changes, asking) => commit(changes, asking, (table) => checkIsHere(state, table)),
    drop: (table, purge, asking) => dropTable(state, { table, purge }, asking),
    rename: (names, asking) => renameTable(state, names, asking),
    files: (version) => planFiles(state, version),
    open: (name, asking) => openDataset(state, name, asking),
    rollback: (old, asking) => rollBackTable(state, old, (change) => commit([change], asking)),
    write: (asked, asking) => writeRows(state, turns, asked, asking),
    hold: turns.hold,
    rowsPlace: (name) => placeOf(state, name),
    evolve: async ({ name, ...asked }, asking) => {
      await broughtHere(state, state.registry.manifest(name), asking);
      const { head, table } = await readOpen(state, name);
      const updates = evolution(head, table, asked);
      if (updates.length === 0) return head;
      const onVersion = head.version;
      const identifier = identifierOf(name);
      await commit([{ identifier, requirements: [], updates, operation: "evolve", onVersion }], asking);
      return state.registry.manifest(name);
    },
    inside: insideOf(state),
    place: state.warehouse,
    address: async () => rootOf(await state.warehouse()),
  };
}

/** A table of a moved store is looked at where it is now. */
async function broughtHere(state: State, head: Manifest, asking: Asking): Promise<void> {
  if (isOpen(head) && (await isElsewhere(state, head)))
    await state.inTurn([head.name], () => relocate(state, head.name, asking));
}

async function readOpen(state: State, name: string): Promise<{ head: OpenVersion; table: TableMetadata }> {
  const head = state.registry.manifest(name);
  if (!isOpen(head)) throw fail("conflict", `'${name}' is no open table now: send it again`);
  return { head, table: await state.files.read(head.metadata_location) };
}

async function placeOf(state: State, name: string): Promise<RowsPlace | undefined> {
  if (!isOpen(state.registry.head(name))) return undefined;
  const { head, table } = await readOpen(state, name);
  return rowsPlace(state, head, table);
}

export type Opening = "open" | "files";
type Verbs = VerbsOf<Catalogd>;

/** The verbs that are of open tables alone, and those that go another way for them. */
export function openVerbs<V extends Pick<Verbs, "rollback" | "commit" | "evolve" | "hold">>(
  {
    history,
    registry,
    checkObjects,
    removals,
  }: {
    history: Pick<History, "manifest" | "latest">;
    registry: Pick<Registry, "head">;
    checkObjects: ObjectCheck;
    removals: Pick<Removals, "release">;
  },
  tables: OpenTables,
  others: V,
): V & Pick<Verbs, Opening> {
  const rollback: Verbs["rollback"] = async (asked, context) => {
    const { name, version, if_match: ifMatch } = asked;
    const head = history.latest(name);
    if (!isOpen(head)) return others.rollback(asked, context);
    checkMatch(head, ifMatch);
    return tables.rollback(await history.manifest(name, { version }), asClient(context));
  };
  const isOpenNow = (name: string): boolean => isOpen(registry.head(name, true));
  const commit: Verbs["commit"] = async (asked, context) => {
    const { registrations, operation_id: operationId } = asked;
    // A partition spec is named for an open table alone.
    const gone = registrations.find(({ name, spec_id: spec }) => spec !== undefined && !isOpenNow(name));
    if (gone) throw fail("not_found", `there is no open table '${gone.name}'`);
    const [found, ...more] = registrations.filter(({ name }) => isOpenNow(name));
    if (!found) return others.commit(asked, context);
    const { turn, ...registration } = found;
    if (more.length > 0) throw fail("unprocessable", "a commit of rows changes one open table");
    const objects = registrations.flatMap((each) => each.objects);
    await checkObjects(objects, context);
    const beside = registrations.filter((each) => each !== found);
    const made = await tables.write(
      { registration, beside, operationId, turn },
      { ...asClient(context), madeBy: "ingestd" },
    );
    removals.release(objects);
    const manifests = registrations.map(({ name }) => made.find((each) => each.name === name));
    return { manifests: manifests.filter((each) => each !== undefined) };
  };
  const hold: Verbs["hold"] = async ({ turn, ...objects }, context) => {
    if (turn) await tables.hold(turn, objects.ms);
    return others.hold(objects, context);
  };
  const evolve: Verbs["evolve"] = async (asked, context) => {
    const { if_match: ifMatch, ...changes } = asked;
    const head = registry.head(asked.name);
    if (!isOpen(head)) return others.evolve(asked, context);
    checkMatch(head, ifMatch);
    return tables.evolve(changes, asClient(context));
  };
  return {
    ...others,
    rollback,
    commit,
    hold,
    evolve,
    open: ({ name }, context) => tables.open(name, asClient(context)),
    files: async ({ name, version }) => tables.files(await history.manifest(name, { version })),
  };
}

const asClient = ({ requestId, signal }: CallContext): Asking => ({ requestId, signal, madeBy: "client" });
