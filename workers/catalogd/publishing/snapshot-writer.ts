/** Writes what a version needs to be a snapshot: the manifest of the objects it adds, then the list of all its manifests. */
import pMap from "p-map";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import {
  encodeManifestFile,
  encodeManifestList,
  entriesOf,
  type IcebergSchema,
  type ListedManifest,
  type ManifestContent,
  type TableMetadata,
  Unpublishable,
} from "../iceberg/iceberg.ts";
import type { DataObject, Manifest } from "../versions/versions.ts";
import { avroKey } from "./file-names.ts";
import { schemaAmong, snapshotFor, snapshotIdOf, withSnapshot } from "./snapshot.ts";
import { manifestsAfter } from "./snapshot-manifests.ts";

/** A table to which versions are added, and what the last of them is made of. */
export interface Extending {
  table: TableMetadata;
  keys?: readonly string[];
  manifests?: readonly ListedManifest[];
}

type Storage = Pick<Peer<Storaged>["verbs"], "read" | "write">;

const concurrency = 16;

/** Files that wait to be written together, in bytes. */
const owedBytesMax = 16 * 1024 * 1024;

/**
 * For one table at a time. `extend` adds a version; what it needs is written when there is enough of it, and by `flush`
 * at the latest. One whose columns Iceberg has no types for is left out, unless it is the head (`Unpublishable`).
 */
export function createSnapshotWriter(
  { read, write }: Storage,
  { uriOf }: { uriOf: (key: string) => Promise<string> },
) {
  let owed: { key: string; bytes: Uint8Array }[] = [];
  const flush = async (): Promise<void> => {
    const now = owed;
    owed = [];
    await pMap(now, ({ key, bytes }) => writeOnce(write, key, bytes), { concurrency });
  };
  const store = async (key: string, bytes: Uint8Array): Promise<string> => {
    owed.push({ key, bytes });
    if (owed.reduce((sum, each) => sum + each.bytes.length, 0) > owedBytesMax) await flush();
    return uriOf(key);
  };
  const writeManifest = async (version: Manifest, content: ManifestContent, place: Placed) => {
    const { bytes, line } = encodeManifestFile(content, place);
    return line(await store(avroKey({ ...version, ...place }, "manifest", bytes), bytes));
  };
  const filesOf = (objects: readonly DataObject[]) =>
    pMap(objects, async ({ key, bytes, row_count, statistics }) => ({
      ...{ uri: await uriOf(key), bytes, rows: row_count, statistics },
    }));
  const entriesIn = async (manifests: readonly ListedManifest[]) => {
    await flush();
    const root = (await uriOf("")).length;
    return pMap(
      manifests,
      async (line) => ({
        line,
        entries: entriesOf((await read({ key: line.manifest_path.slice(root) })).bytes, line),
      }),
      { concurrency },
    );
  };

  const extend = async (
    state: Extending,
    version: Manifest,
    { mark, isHead }: { mark: string; isHead: boolean },
  ): Promise<Extending> => {
    const schema = schemaUnless(isHead, state.table, version);
    if (!schema) return state;
    const place = { snapshotId: snapshotIdOf(version), sequenceNumber: version.version, schema, mark };
    const write = (content: ManifestContent) => writeManifest(version, content, place);
    const { manifests, news } = await manifestsAfter(state, version, { write, entriesIn, filesOf, uriOf });
    const parent = state.table.snapshots.at(-1);
    const parentId = parent === undefined ? undefined : Number(parent["snapshot-id"]);
    const bytes = encodeManifestList(manifests, { ...place, parentId });
    const uri = await store(avroKey({ ...version, ...place }, "list", bytes), bytes);
    const snapshot = {
      ...snapshotFor(version, news, { schemaId: schema["schema-id"], before: parent }),
      "manifest-list": uri,
    };
    const table = withSnapshot(state.table, snapshot, schema);
    return { table, keys: version.objects.map(({ key }) => key), manifests };
  };
  return { extend, flush };
}

interface Placed {
  snapshotId: number;
  sequenceNumber: number;
  schema: IcebergSchema;
  mark: string;
}

function schemaUnless(isHead: boolean, table: TableMetadata, version: Manifest): IcebergSchema | undefined {
  try {
    return schemaAmong(table.schemas, version);
  } catch (cause) {
    if (isHead || !(cause instanceof Unpublishable)) throw cause;
    return undefined;
  }
}

/** Writes what is not there yet; false where it is. */
export async function writeOnce(write: Storage["write"], key: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await write({ key, bytes, if_none_match: "*" });
    return true;
  } catch (cause) {
    if (cause instanceof ServiceError && cause.type === "precondition_failed") return false;
    throw cause;
  }
}
