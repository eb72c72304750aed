/**
 * A table of a store that was moved, or restored somewhere else: its metadata, lists and manifests name files by whole addresses,
 * and are written anew with those that its buckets have now. Data stays as it is.
 */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import { type AvroRecord, type AvroSchema, decodeAvroFile, encodeAvroFile } from "../avro/avro.ts";
import type { Snapshot, TableMetadata } from "../iceberg/iceberg.ts";
import { contentOf } from "../table-columns/table-columns.ts";
import { concurrency, movedBy, pathProperties, resolved } from "../table-files/table-files.ts";
import { isOpen, type OpenVersion } from "../versions/versions.ts";
import { type Asking, keyIn, type State } from "./state.ts";
import { nextMetadata } from "./table-change.ts";

/** To be called in the table's turn. Where it cannot be, the table stays at its old addresses, and the log says why. */
export async function relocate(state: State, name: string, asking: Asking): Promise<void> {
  const head = state.registry.head(name);
  if (!isOpen(head) || !(await isElsewhere(state, head))) return;
  try {
    await relocated(state, head, asking);
  } catch (cause) {
    const lasting = ["corrupt", "not_found", "unsupported_table", "bad_request"];
    if (!(cause instanceof ServiceError) || !lasting.includes(cause.type)) throw cause;
    state.deps.log.warn("a table of a moved store keeps its old addresses: link them to the new place", {
      table: name,
      ...describe(cause),
    });
  }
}

export async function isElsewhere(state: State, { locations }: OpenVersion): Promise<boolean> {
  const moved = movedBy(await state.roots());
  return locations.some((place) => moved(place) !== place);
}

async function relocated(state: State, head: OpenVersion, asking: Asking): Promise<void> {
  const { deps, files, reader } = state;
  const roots = await state.roots();
  const moved = movedBy(roots);
  const places = state.within(head.locations);
  const locations = head.locations.map(moved);
  const [place = ""] = locations;
  const before = await files.read(head.metadata_location);
  const at = deps.newId();
  let made = 0;
  const write = async (what: string, bytes: Uint8Array): Promise<string> => {
    made += 1;
    const address = `${place}/metadata/lakehouse-moved-${at}-${made}-${what}.avro`;
    const { bucket, key } = keyIn(address, roots);
    await deps.storage.write({ bucket, key, bytes, if_none_match: "*" });
    return address;
  };
  const manifests = new Map<string, Promise<AvroRecord>>();
  const manifest = (line: AvroRecord): Promise<AvroRecord> => {
    const path = String(line.manifest_path);
    const fresh = async () => {
      const bytes = recoded(await reader.bytes(path, places), (entry) =>
        movedEntry(entry, (file) => moved(resolved(file, places))),
      );
      return { manifest_path: await write("manifest", bytes), manifest_length: bytes.length };
    };
    const known = manifests.get(path) ?? fresh();
    manifests.set(path, known);
    return known;
  };
  const snapshot = async (old: Snapshot): Promise<Snapshot> => {
    const list = old["manifest-list"];
    if (list === undefined)
      throw fail("unsupported_table", "a snapshot has manifests without a list, as of format 1 alone");
    const bytes = await reader.bytes(list, places);
    const lines = await pMap(decodeAvroFile(bytes).records, manifest, { concurrency });
    let line = 0;
    const fresh = recoded(bytes, (record) => ({ ...record, ...lines[line++] }));
    return { ...old, "manifest-list": await write("list", fresh) };
  };
  // One after the other: their manifests are the same ones but for a few.
  const snapshots = await pMap(before.snapshots, snapshot, { concurrency: 1 });
  const metadata = withAddresses({ ...before, snapshots }, moved);
  metadata.location = moved(before.location);
  const { metadata_location, after } = nextMetadata({
    head,
    place,
    before,
    after: metadata,
    newId: deps.newId,
  });
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

/** The same file with other records. */
function recoded(bytes: Uint8Array, change: (record: AvroRecord) => AvroRecord): Uint8Array {
  const { records, header } = decodeAvroFile(bytes);
  const schema = JSON.parse(header.get("avro.schema") ?? "") as AvroSchema;
  const own = [...header].filter(([name]) => !name.startsWith("avro."));
  return encodeAvroFile(schema, records.map(change), Object.fromEntries(own));
}

const [deletedStatus, positionDeletes] = [2, 1];

/** Throws `unsupported_table` for deletes whose own file names data files by their addresses. */
function movedEntry(entry: AvroRecord, moved: (address: string) => string): AvroRecord {
  const file = entry.data_file as AvroRecord;
  const { file_path: path, file_format: format, referenced_data_file: of } = file;
  const isThere = Number(entry.status) !== deletedStatus;
  if (isThere && Number(file.content ?? 0) === positionDeletes && String(format).toUpperCase() !== "PUFFIN")
    throw fail(
      "unsupported_table",
      `${path} names files of deleted rows by their addresses: have an engine rewrite the table's deletes at the old address, or update its rows here and expire its snapshots`,
    );
  const referenced = typeof of === "string" && { referenced_data_file: moved(of) };
  return { ...entry, data_file: { ...file, file_path: moved(String(path)), ...referenced } };
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
