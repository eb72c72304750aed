/**
 * A table of a store that was moved, or restored somewhere else: its metadata, lists and manifests name files by whole addresses,
 * and are written anew with those that its buckets have now. So are files by which engines delete rows. Data stays as it is.
 */
import pMap from "p-map";
import {
  type AvroRecord,
  type AvroSchema,
  decodeAvroFile,
  encodeAvroFile,
} from "../../../runtime/avro/avro.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { refusals, type Snapshot, type TableMetadata } from "../iceberg/iceberg.ts";
import { contentOf } from "../table-columns/table-columns.ts";
import { concurrency, movedBy, pathProperties, resolved } from "../table-files/table-files.ts";
import { isOpen, type OpenVersion } from "../versions/versions.ts";
import { type MovedFile, movedDeletes } from "./moved-deletes.ts";
import { type Asking, type Identifier, keyIn, nameOf, type State } from "./state.ts";
import { nextMetadata } from "./table-change.ts";

/** Why tables could not be brought here, by their metadata: it is not tried again on the same. */
const stuck = new WeakMap<State, Map<string, string>>();
const stuckOf = (state: State): Map<string, string> => {
  const known = stuck.get(state) ?? new Map<string, string>();
  stuck.set(state, known);
  return known;
};

/** To be called in the table's turn. Where it cannot be, the table stays at its old addresses, and the log says why. */
export async function relocate(state: State, name: string, asking: Asking): Promise<void> {
  const head = state.registry.head(name);
  if (!isOpen(head) || !(await isElsewhere(state, head))) return;
  const reasons = stuckOf(state);
  if (reasons.has(head.metadata_location)) return;
  try {
    await relocated(state, head, asking);
  } catch (cause) {
    const lasting = ["corrupt", "not_found", "unsupported_table", "bad_request"];
    if (!(cause instanceof ServiceError) || !lasting.includes(cause.type)) throw cause;
    reasons.set(head.metadata_location, cause.message);
    state.deps.log.warn("a table of a moved store keeps its old addresses: no engine is told them", {
      table: name,
      ...describe(cause),
    });
  }
}

/**
 * Throws `UnprocessableEntityException` for a table that stays at addresses where this store is no more: engines would find
 * nothing there, or read and write the files of the store that this one was copied from.
 */
export async function checkIsHere(state: State, table: Identifier): Promise<void> {
  const name = nameOf(table);
  const head = state.registry.head(name);
  if (!isOpen(head) || !(await isElsewhere(state, head))) return;
  const why = stuckOf(state).get(head.metadata_location) ?? "it was changed meanwhile";
  throw refusals.cannotProcess(
    `The table ${name} names its files where this store was before it was moved, and cannot be told anew: ${why.slice(0, 1000)}. SQL here reads it: update its rows here and expire its snapshots, or make it anew by a statement`,
  );
}

export async function isElsewhere(
  state: State,
  { locations, metadata_location }: OpenVersion,
): Promise<boolean> {
  const moved = movedBy(await state.roots());
  if (locations.some((place) => moved(place) !== place)) return true;
  const known = (await state.isMoved()) ? await state.files.read(metadata_location) : undefined;
  return pathProperties.some((key) => {
    const place = known?.properties[key];
    return place !== undefined && moved(place) !== place;
  });
}

/** Writes files of the table at its new place; of a table that cannot be moved none is left. */
function createWriter(state: State, place: string) {
  const at = state.deps.newId();
  const written: { bucket: string; key: string }[] = [];
  return {
    write: async (what: string, bytes: Uint8Array): Promise<string> => {
      const address = `${place}/metadata/lakehouse-moved-${at}-${written.length + 1}-${what}`;
      const object = keyIn(address, await state.roots());
      written.push(object);
      await state.deps.storage.write({ ...object, bytes, if_none_match: "*" });
      return address;
    },
    discard: () => Promise.allSettled(written.map((object) => state.deps.storage.erase(object))),
  };
}

async function relocated(state: State, head: OpenVersion, asking: Asking): Promise<void> {
  const moved = movedBy(await state.roots());
  const locations = head.locations.map(moved);
  const [place = ""] = locations;
  const before = await state.files.read(head.metadata_location);
  const writer = createWriter(state, place);
  let snapshots: Snapshot[];
  try {
    snapshots = await movedSnapshots(state, { head, before, moved, write: writer.write });
  } catch (cause) {
    await writer.discard();
    throw cause;
  }
  const metadata = withAddresses({ ...before, snapshots }, moved);
  metadata.location = moved(before.location);
  const { newId } = state.deps;
  const { metadata_location, after } = nextMetadata({ head, place, before, after: metadata, newId });
  after["metadata-log"] = after["metadata-log"].map((entry) => ({
    ...entry,
    "metadata-file": moved(entry["metadata-file"]),
  }));
  const content = contentOf(after, {
    ...{ name: head.name, operation: "commit", made_by: "catalogd: the store was moved" },
    ...{ objects: head.objects, metadata_location, locations },
  });
  await state.commitAll([{ name: head.name, before: head, content, metadata: after }], asking);
}

interface Move {
  head: OpenVersion;
  before: TableMetadata;
  moved: (address: string) => string;
  write: (what: string, bytes: Uint8Array) => Promise<string>;
}

async function movedSnapshots(
  { reader, within }: State,
  { head, before, moved, write }: Move,
): Promise<Snapshot[]> {
  const places = within(head.locations);
  const manifests = new Map<string, Promise<AvroRecord>>();
  const deletes = new Map<string, Promise<MovedFile>>();
  const once = <T>(known: Map<string, Promise<T>>, path: string, make: () => Promise<T>): Promise<T> => {
    const found = known.get(path) ?? make();
    known.set(path, found);
    return found;
  };
  const address = (file: string) => moved(resolved(file, places));
  const entry = (each: AvroRecord) =>
    movedEntry(each, address, (file) =>
      once(deletes, String(file.file_path), () =>
        movedDeletes(file, { bytes: (path) => reader.bytes(path, places), moved: address, write }),
      ),
    );
  const manifest = (line: AvroRecord): Promise<AvroRecord> => {
    const path = String(line.manifest_path);
    return once(manifests, path, async () => {
      const bytes = await recoded(await reader.bytes(path, places), entry);
      return { manifest_path: await write("manifest.avro", bytes), manifest_length: bytes.length };
    });
  };
  const snapshot = async (old: Snapshot): Promise<Snapshot> => {
    const list = old["manifest-list"];
    if (list === undefined)
      throw fail("unsupported_table", "a snapshot has manifests without a list, as of format 1 alone");
    const bytes = await recoded(await reader.bytes(list, places), async (line) => ({
      ...line,
      ...(await manifest(line)),
    }));
    return { ...old, "manifest-list": await write("list.avro", bytes) };
  };
  // One after the other: their manifests are the same ones but for a few.
  return pMap(before.snapshots, snapshot, { concurrency: 1 });
}

/** The same file with other records. */
async function recoded(
  bytes: Uint8Array,
  change: (record: AvroRecord) => Promise<AvroRecord>,
): Promise<Uint8Array> {
  const { records, header } = decodeAvroFile(bytes);
  const schema = JSON.parse(header.get("avro.schema") ?? "") as AvroSchema;
  const own = [...header].filter(([name]) => !name.startsWith("avro."));
  return encodeAvroFile(schema, await pMap(records, change, { concurrency }), Object.fromEntries(own));
}

const [deletedStatus, positionDeletes] = [2, 1];

/** Files that are said to be gone are renamed alone: nobody opens them. */
async function movedEntry(
  entry: AvroRecord,
  moved: (address: string) => string,
  deletes: (file: AvroRecord) => Promise<MovedFile>,
): Promise<AvroRecord> {
  const file = entry.data_file as AvroRecord;
  const { file_path: path, referenced_data_file: of } = file;
  const isThere = Number(entry.status) !== deletedStatus;
  const anew = isThere && Number(file.content ?? 0) === positionDeletes ? await deletes(file) : undefined;
  const referenced = typeof of === "string" && { referenced_data_file: moved(of) };
  const fields = anew?.fieldsOf(file) ?? { file_path: moved(String(path)) };
  return { ...entry, data_file: { ...file, ...fields, ...referenced } };
}

function withAddresses(table: TableMetadata, moved: (address: string) => string): TableMetadata {
  const statistics = (some: TableMetadata["statistics"]) =>
    some.map((entry) => {
      const path = entry["statistics-path"];
      return typeof path === "string" ? { ...entry, "statistics-path": moved(path) } : entry;
    });
  const properties = Object.entries(table.properties).map(([key, value]) => [
    key,
    pathProperties.includes(key) ? moved(value) : value,
  ]);
  return {
    ...table,
    properties: Object.fromEntries(properties),
    statistics: statistics(table.statistics),
    "partition-statistics": statistics(table["partition-statistics"]),
  };
}
