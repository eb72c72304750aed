/**
 * Rows of ours into open tables: files that an ingest has stored in the table's place become a snapshot on the table as it
 * is, by the way that every commit takes. Only tables without partitions, of format 1 and 2.
 */
import pMap from "p-map";
import { fail } from "../../../runtime/errors/errors.ts";
import {
  type AddedFile,
  encodeManifestFile,
  encodeManifestList,
  entriesOf,
  type ListedManifest,
  mainBranch,
  type Snapshot,
  type TableMetadata,
} from "../iceberg/iceberg.ts";
import { rootOf } from "../publishing/publishing.ts";
import { concurrency } from "../table-files/table-files.ts";
import {
  columnsFor,
  isOf,
  isOpen,
  type Manifest,
  type OpenVersion,
  type Registration,
} from "../versions/versions.ts";
import { schemaWith } from "./schema-change.ts";
import { type Asking, identifierOf, keyIn, type State } from "./state.ts";
import { changedTable } from "./table-change.ts";
import { columnsOf } from "./table-content.ts";

/** From here on the manifests of ours are merged into one: readers open each of them. */
const manifestsMax = 100;
const namePrefix = "lakehouse-";

/** Where an ingest puts files of the table, as the catalog names objects. */
export async function dataFolder(state: State, { locations }: OpenVersion): Promise<string> {
  const { bucket, key } = keyIn(locations[0] ?? "", await state.roots());
  return `${bucket}://${key}/data`;
}

/** Makes the version. Throws `schema_drift`, and `unprocessable` for a table that is not written to here. */
export async function writeRows(
  state: State,
  { registration, operationId }: { registration: Registration; operationId: string | undefined },
  asking: Asking,
): Promise<Manifest> {
  const { name } = registration;
  await state.deps.resolveUnknown(name, asking.requestId);
  return state.inTurn([name], async () => {
    const head = state.registry.manifest(name);
    if (!isOpen(head)) throw fail("conflict", `'${name}' is no open table now: send it again`);
    if (isOf(head, { operationId })) return head;
    const before = await state.files.read(head.metadata_location);
    checkWritable(head, before);
    const { operation = "replace", columns } = registration;
    // Forms of numbers are of files of text: Iceberg has none.
    const plain = columns.map(({ form: _, ...column }) => column);
    const { next } = columnsFor(head, { ...registration, columns: plain });
    const { schema, updates } = schemaWith(before, head.columns, next.columns);
    const snapshot = await snapshotOf(state, head, { before, schema, registration });
    const id = snapshot["snapshot-id"];
    const change = await changedTable(
      state,
      {
        identifier: identifierOf(name),
        requirements: [],
        updates: [
          ...updates,
          { action: "add-snapshot", snapshot },
          { action: "set-snapshot-ref", "ref-name": mainBranch, type: "branch", "snapshot-id": id },
        ],
        operation: operation === "append" ? "append" : "replace",
      },
      asking,
    );
    const [version] = await state.commitAll([{ ...change, operationId }], asking);
    return version as Manifest;
  });
}

/** Throws `unprocessable` for a table that engines alone write to, and says why. */
export function checkWritable({ name }: OpenVersion, table: TableMetadata): void {
  const refuse = (why: string) =>
    fail("unprocessable", `'${name}' is an open table that ${why}: write to it by an engine that can`);
  if (table["format-version"] > 2) throw refuse(`has format ${table["format-version"]}`);
  if (table["partition-specs"].some(({ fields }) => fields.length > 0)) throw refuse("has partitions");
  const { problem } = columnsOf(table);
  if (problem !== undefined) throw refuse(`cannot be read here, as ${problem}`);
}

const currentOf = (table: TableMetadata): Snapshot | undefined =>
  table.snapshots.find((each) => String(each["snapshot-id"]) === String(table["current-snapshot-id"]));

interface Adding {
  before: TableMetadata;
  schema: ReturnType<typeof schemaWith>["schema"];
  registration: Registration;
}

/** Writes the manifests and their list; gives the snapshot that names it. */
async function snapshotOf(
  state: State,
  { locations }: OpenVersion,
  { before, schema, registration }: Adding,
): Promise<Snapshot> {
  const { deps, reader } = state;
  const [place = ""] = locations;
  const snapshotId = Number(BigInt.asUintN(52, BigInt(Bun.hash(deps.newId())))) + 1;
  const sequenceNumber = Number(before["last-sequence-number"]) + 1;
  const parent = currentOf(before);
  const lines = parent?.["manifest-list"] ? await reader.list(parent["manifest-list"], locations) : [];
  const added = await filesOf(state, registration.objects);
  const isAppend = registration.operation === "append";
  const specId = before["default-spec-id"];
  const into = { snapshotId, sequenceNumber, schema, specId };
  let made = 0;
  const write = async (what: string, bytes: Uint8Array): Promise<string> => {
    made += 1;
    const address = `${place}/metadata/${namePrefix}${snapshotId}-${made}-${what}.avro`;
    const { bucket, key } = keyIn(address, await state.roots());
    await deps.storage.write({ bucket, key, bytes, if_none_match: "*" });
    return address;
  };
  const manifest = async (content: Parameters<typeof encodeManifestFile>[0]): Promise<ListedManifest> => {
    const { bytes, line } = encodeManifestFile(content, into);
    return line(await write("manifest", bytes));
  };
  const entriesIn = async (some: readonly ListedManifest[]) =>
    (
      await pMap(some, async (line) => entriesOf(await reader.bytes(line.manifest_path, locations), line), {
        concurrency,
      })
    ).flat();
  const data = lines.filter(({ content }) => Number(content ?? 0) === 0);
  const own = data.filter(({ manifest_path: path }) => path.includes(`/metadata/${namePrefix}`));
  const list: ListedManifest[] = [];
  if (isAppend && own.length >= manifestsMax) {
    list.push(...lines.filter((line) => !own.includes(line)), await manifest({ kept: await entriesIn(own) }));
  } else if (isAppend) list.push(...lines);
  const gone = isAppend ? [] : await entriesIn(data);
  if (added.length + gone.length > 0) list.push(await manifest({ added, gone }));
  const parentId = parent === undefined ? undefined : Number(parent["snapshot-id"]);
  const bytes = encodeManifestList(list, { snapshotId, sequenceNumber, parentId });
  return {
    "snapshot-id": snapshotId,
    ...(parent && { "parent-snapshot-id": parent["snapshot-id"] }),
    "sequence-number": sequenceNumber,
    "timestamp-ms": Math.max(deps.clock.now(), before["last-updated-ms"]),
    "manifest-list": await write("list", bytes),
    "schema-id": schema["schema-id"],
    summary: summaryOf(added, { parent, gone: gone.length, isAppend, by: registration.made_by ?? "client" }),
  };
}

/** Objects by their addresses. Throws `unprocessable` for one that is not in the table's place. */
async function filesOf(state: State, objects: Registration["objects"]): Promise<AddedFile[]> {
  const roots = new Map(
    (await state.roots()).map(({ bucket, address }) => [bucket, address] as const).reverse(),
  );
  return pMap(objects, async ({ key, bytes, row_count: rows, statistics }) => {
    const [, bucket = "primary", rest = key] = /^([^/:]+):\/\/(.*)$/s.exec(key) ?? [];
    const root = roots.get(bucket) ?? rootOf(await state.warehouse());
    return { uri: `${root}/${rest}`, bytes, rows, statistics };
  });
}

/** Every total, as readers' checks want them. */
function summaryOf(
  added: readonly AddedFile[],
  {
    parent,
    gone,
    isAppend,
    by,
  }: { parent: Snapshot | undefined; gone: number; isAppend: boolean; by: string },
): Record<string, string> {
  const sum = (of: (file: AddedFile) => number) => added.reduce((all, file) => all + of(file), 0);
  const earlier = (name: string) => Number(parent?.summary?.[`total-${name}`] ?? 0);
  const total = (name: string, more: number) => (isAppend ? earlier(name) : 0) + more;
  const [records, bytes] = [sum(({ rows }) => rows), sum((file) => file.bytes)];
  const numbers = {
    "added-data-files": added.length,
    "added-records": records,
    "added-files-size": bytes,
    ...(gone > 0 && {
      "deleted-data-files": gone,
      "deleted-records": earlier("records"),
      "removed-files-size": earlier("files-size"),
    }),
    "total-data-files": total("data-files", added.length),
    "total-records": total("records", records),
    "total-files-size": total("files-size", bytes),
    "total-delete-files": total("delete-files", 0),
    "total-position-deletes": total("position-deletes", 0),
    "total-equality-deletes": total("equality-deletes", 0),
  };
  return {
    operation: isAppend ? "append" : "overwrite",
    ...Object.fromEntries(Object.entries(numbers).map(([name, count]) => [name, String(count)])),
    "lakehouse.made-by": by,
  };
}
