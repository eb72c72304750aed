/**
 * Files of ours as a snapshot: appended, in place of all there are, or in place of some of which rows changed. Manifests of
 * others stay as they are but for the files that go.
 */
import pMap from "p-map";
import { fail } from "../../../runtime/errors/errors.ts";
import {
  type AddedFile,
  type ContentFile,
  contentId,
  encodeManifestFile,
  encodeManifestList,
  entriesOf,
  type IcebergSchema,
  type ListedManifest,
  type ManifestEntry,
  rewrittenManifest,
  rowIdsFormat,
  type Snapshot,
  type TableMetadata,
  withFirstRowIds,
} from "../iceberg/iceberg.ts";
import {
  avroFields,
  layoutOf,
  partitionRecord,
  partitionValue,
  summaries,
} from "../partitioning/partitioning.ts";
import { rootOf } from "../publishing/publishing.ts";
import { concurrency, confined, keyOf, resolved, withDeletes } from "../table-files/table-files.ts";
import type { OpenVersion, Registration } from "../versions/versions.ts";
import { keyIn, type State } from "./state.ts";

/** From here on the manifests of ours are merged into one: readers open each of them. */
const manifestsMax = 100;
const namePrefix = "lakehouse-";
const ownManifest = new RegExp(`/metadata/${namePrefix}[^/]*-manifest\\.avro$`);

interface Adding {
  before: TableMetadata;
  schema: IcebergSchema;
  registration: Registration;
  refuse: (why: string) => Error;
}

const currentOf = (table: TableMetadata): Snapshot | undefined =>
  table.snapshots.find((each) => String(each["snapshot-id"]) === String(table["current-snapshot-id"]));

/** Files that go. */
interface Gone {
  /** Of each, as `contentId` tells it. */
  ids: ReadonlySet<string>;
  data: readonly ContentFile[];
  deletes: readonly ContentFile[];
  /** What is there after it, but for what is added. */
  left: readonly ContentFile[];
}

/** Writes the manifests and their list; gives the snapshot that names it. Throws `conflict` where a file that is to go is gone. */
export async function snapshotOf(state: State, head: OpenVersion, adding: Adding): Promise<Snapshot> {
  const { before, schema, registration, refuse } = adding;
  const { deps, reader } = state;
  const [place = ""] = head.locations;
  const places = state.within(head.locations);
  const snapshotId = Number(BigInt.asUintN(52, BigInt(Bun.hash(deps.newId())))) + 1;
  const sequenceNumber = Number(before["last-sequence-number"]) + 1;
  const parent = currentOf(before);
  const listed = parent?.["manifest-list"] ? await reader.list(parent["manifest-list"], places) : [];
  const lines = listed.filter(hasFiles);
  const { added, into } = await filesOf(state, { before, schema, registration, refuse }, place);
  const formatVersion = Math.max(2, before["format-version"]);
  const all = { ...into, snapshotId, sequenceNumber, schema, formatVersion };
  let made = 0;
  const write = async (what: string, bytes: Uint8Array): Promise<string> => {
    made += 1;
    const address = `${place}/metadata/${namePrefix}${snapshotId}-${made}-${what}.avro`;
    const { bucket, key } = keyIn(address, await state.roots());
    await deps.storage.write({ bucket, key, bytes, if_none_match: "*" });
    return address;
  };
  const manifest = async (content: Parameters<typeof encodeManifestFile>[0]): Promise<ListedManifest> => {
    const { bytes, line } = encodeManifestFile(content, all);
    return line(await write("manifest", bytes));
  };
  const entriesIn = async (some: readonly ListedManifest[]): Promise<ManifestEntry[]> =>
    (
      await pMap(some, async (line) => entriesOf(await reader.bytes(line.manifest_path, places), line), {
        concurrency,
      })
    ).flat();
  const gone = await goneOf(state, { lines, registration, before, places });
  const numbers = { snapshotId, sequenceNumber, formatVersion };
  const list = await withoutGone({ lines, gone, places, numbers }, { reader, write });
  const own = list.filter(
    (line) =>
      ownManifest.test(line.manifest_path) && Number(line.partition_spec_id) === before["default-spec-id"],
  );
  if (own.length >= manifestsMax && into.partition === undefined) {
    const others = list.filter((line) => !own.includes(line));
    list.splice(0, list.length, ...others, await manifest({ kept: await entriesIn(own) }));
  }
  if (added.length > 0) list.push(await manifest({ added }));
  const { manifests, rowIds } = numbered(list, before);
  const parentId = parent?.["snapshot-id"];
  const bytes = encodeManifestList(manifests, { ...numbers, parentId, firstRowId: rowIds?.["first-row-id"] });
  return {
    "snapshot-id": snapshotId,
    ...(parent && { "parent-snapshot-id": parent["snapshot-id"] }),
    "sequence-number": sequenceNumber,
    "timestamp-ms": Math.max(deps.clock.now(), before["last-updated-ms"]),
    "manifest-list": await write("list", bytes),
    "schema-id": schema["schema-id"],
    ...rowIds,
    summary: summaryOf(added, gone, registration),
  };
}

/** The manifests, those anew that hold a file which goes. */
async function withoutGone(
  {
    lines,
    gone,
    places,
    numbers,
  }: {
    lines: readonly ListedManifest[];
    gone: Gone;
    places: readonly string[];
    numbers: { snapshotId: number; sequenceNumber: number; formatVersion: number };
  },
  { reader, write }: { reader: State["reader"]; write: (what: string, bytes: Uint8Array) => Promise<string> },
): Promise<ListedManifest[]> {
  if (gone.ids.size === 0) return [...lines];
  const isGone = ({ file_path: path, content_offset: at }: ManifestEntry["data_file"]) =>
    gone.ids.has(contentId(resolved(path, places), at));
  const list: ListedManifest[] = [];
  for (const line of lines) {
    const bytes = await reader.bytes(line.manifest_path, places);
    const fresh = rewrittenManifest(bytes, line, { ...numbers, isGone });
    list.push(fresh ? fresh.line(await write("rewritten", fresh.bytes)) : line);
  }
  return list;
}

/** The list with the ids that its rows have from now on, and what the snapshot says of them: from format 3 on. */
function numbered(list: readonly ListedManifest[], before: TableMetadata) {
  if (before["format-version"] < rowIdsFormat) return { manifests: list };
  const first = before["next-row-id"] ?? 0;
  const { manifests, addedRows } = withFirstRowIds(list, first);
  return { manifests, rowIds: { "first-row-id": first, "added-rows": addedRows } };
}

/** A manifest of which all went in an earlier snapshot was for readers of that one's changes. */
const hasFiles = ({ added_files_count: added, existing_files_count: kept }: ListedManifest): boolean =>
  added === undefined ||
  added === null ||
  kept === undefined ||
  kept === null ||
  Number(added) + Number(kept) > 0;

interface Going {
  lines: readonly ListedManifest[];
  registration: Registration;
  before: TableMetadata;
  places: readonly string[];
}

/** What goes: the data files that the registration names or replaces, and deletes that are of none that is left. */
async function goneOf(state: State, { lines, registration, before, places }: Going): Promise<Gone> {
  const { name, operation = "replace", removes } = registration;
  const files = (await pMap(lines, (line) => state.reader.files(line, places), { concurrency })).flat();
  const nothing = { ids: new Set<string>(), data: [], deletes: [], left: files };
  if (operation === "append") return nothing;
  const roots = await state.roots();
  const going = removes && new Set(removes);
  const isGoing = (file: ContentFile) =>
    going === undefined || going.has(keyOf(confined("path", file.path, places), roots) ?? "");
  const data = files.filter((file) => file.kind === "data" && isGoing(file));
  if (going && data.length < going.size)
    throw fail("conflict", `the rows of '${name}' that were to change have been changed meanwhile`);
  if (data.length === 0) return nothing;
  const gone = new Set(data);
  const left = files.filter((file) => !gone.has(file));
  const used = new Set(
    withDeletes(left, before).flatMap(({ positions, vector = [] }) => positions.concat(vector)),
  );
  const deletes = left.filter((file) => file.kind !== "data" && !used.has(file));
  return {
    ids: new Set([...data, ...deletes].map(({ path, blob }) => contentId(path, blob?.offset))),
    data,
    deletes,
    left: left.filter((file) => file.kind === "data" || used.has(file)),
  };
}

/** Objects by their addresses, and how a manifest of them is. Throws `unprocessable` for what stands in no partition. */
async function filesOf(
  state: State,
  { before, schema, registration, refuse }: Adding,
  place: string,
): Promise<{
  added: AddedFile[];
  into: Pick<Parameters<typeof encodeManifestFile>[1], "specId" | "partition" | "summaries">;
}> {
  const all = await state.roots();
  const roots = new Map(all.map(({ bucket, address }) => [bucket, address] as const).reverse());
  // A table of a moved store that stays at its old address has new files there, too.
  const own = keyIn(place, all);
  roots.set(own.bucket, place.slice(0, -own.key.length - 1));
  const primary = roots.get("primary") ?? rootOf(await state.warehouse());
  const { layout, fields } = layoutOf(before, schema, refuse);
  const { spec_id: asked } = registration;
  if (asked === undefined ? fields.length > 0 : asked !== layout.spec_id)
    throw fail("conflict", `the partitions of '${registration.name}' were changed meanwhile: send it again`);
  const partitions: Parameters<typeof summaries>[1][number][] = [];
  const added = registration.objects.map(({ key, bytes, row_count: rows, statistics, partition }) => {
    const [, bucket = "primary", rest = key] = /^([^/:]+):\/\/(.*)$/s.exec(key) ?? [];
    const values = fields.map(({ type, name }, at) => {
      const text = partition?.[at] ?? null;
      const value = text === null ? null : partitionValue(type, text);
      if (value === undefined) throw refuse(`has the partition '${name}', in which '${text}' cannot be`);
      return value;
    });
    partitions.push(values);
    return {
      ...{ uri: `${roots.get(bucket) ?? primary}/${rest}`, bytes, rows, statistics },
      ...{
        partition: partitionRecord(fields, values),
        orderId: layout.order === undefined ? 0 : layout.order_id,
      },
    };
  });
  const spec = before["partition-specs"].find((each) => each["spec-id"] === layout.spec_id);
  return {
    added,
    into: {
      specId: layout.spec_id,
      ...(fields.length > 0 && {
        partition: { spec: spec?.fields ?? [], fields: avroFields(fields) },
        summaries: summaries(fields, partitions),
      }),
    },
  };
}

/** Every total, as readers' checks want them: of the files that are there, whatever the snapshot before said. */
function summaryOf(
  added: readonly AddedFile[],
  { data, deletes, left }: Gone,
  { operation = "replace", made_by: by = "client" }: Registration,
): Record<string, string> {
  const sum = <T>(some: readonly T[], of: (each: T) => number) =>
    some.reduce((all, each) => all + of(each), 0);
  const of = (some: readonly ContentFile[], kind: ContentFile["kind"]) =>
    some.filter((file) => file.kind === kind);
  const bytes = (file: { bytes: number }) => file.bytes;
  const rows = (file: { rows: number }) => file.rows;
  const [kept, positions, equality] = [of(left, "data"), of(left, "positions"), of(left, "equality")];
  const numbers = {
    ...(added.length > 0 && {
      "added-data-files": added.length,
      "added-records": sum(added, rows),
      "added-files-size": sum(added, bytes),
    }),
    ...(data.length > 0 && {
      "deleted-data-files": data.length,
      "deleted-records": sum(data, rows),
      "removed-files-size": sum([...data, ...deletes], bytes),
    }),
    ...(deletes.length > 0 && {
      "removed-delete-files": deletes.length,
      "removed-position-deletes": sum(of(deletes, "positions"), rows),
    }),
    "total-data-files": kept.length + added.length,
    "total-records": sum(kept, rows) + sum(added, rows),
    "total-files-size": sum(left, bytes) + sum(added, bytes),
    "total-delete-files": positions.length + equality.length,
    "total-position-deletes": sum(positions, rows),
    "total-equality-deletes": sum(equality, rows),
  };
  const isDelete = operation !== "append" && operation !== "replace" && added.length === 0;
  return {
    operation: operation === "append" ? "append" : isDelete ? "delete" : "overwrite",
    ...Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, String(count)])),
    "lakehouse.made-by": by,
  };
}
