/** Datasets as Iceberg tables: each version a snapshot, made when it is asked for, of the version chain alone. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { decodeAvroFile } from "../../../../runtime/avro/avro.ts";
import type { TableMetadata } from "../../../../workers/catalogd/iceberg/table-metadata.ts";
import { decodeManifest, encodeManifest } from "../../../../workers/catalogd/manifests/manifest.ts";
import {
  type Catalog,
  type Registration,
  startCatalog,
  twoColumns,
} from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const directory = temporaryDirectory("publishing");
/** Keys that catalogd read and wrote. */
const [readKeys, written] = [[] as string[], [] as string[]];
const watched = {
  between: (verbs: Catalog["storaged"]["peer"]["verbs"]) => ({
    ...verbs,
    read: (input: { key: string }, options?: object) => {
      readKeys.push(input.key);
      return verbs.read(input, options);
    },
    write: (input: Parameters<typeof verbs.write>[0], options?: object) => {
      written.push(input.key);
      return verbs.write(input, options);
    },
  }),
};
let catalog: Catalog;
beforeAll(async () => {
  catalog = await startCatalog(directory.path, watched);
});
afterAll(async () => {
  await catalog.stop();
  directory.remove();
});
const restart = async () => {
  await catalog.stop();
  catalog = await startCatalog(directory.path, watched);
};

const register = (name: string, objects: Registration["objects"], more: Partial<Registration> = {}) =>
  catalog.verbs.register({ name, columns: twoColumns, objects, ...more });
/** An append of one object with these rows. */
const append = async (name: string, at: number) =>
  register(name, [await catalog.object(`datasets/${name}/${at}`, `${at}`, 10)], { operation: "append" });
const load = async (name: string, from = catalog) => {
  const response = await from.send(
    new Request(`http://localhost/iceberg/v1/main/namespaces/main/tables/${name}`),
  );
  const body = (await response.json()) as { metadata: TableMetadata; "metadata-location": string };
  return { status: response.status, etag: response.headers.get("etag"), ...body };
};
const bytesAt = (uri: string) => Bun.file(uri.replace("file://", "")).bytes();
const manifestsOf = async (snapshot: TableMetadata["snapshots"][number] | undefined) =>
  decodeAvroFile(await bytesAt(snapshot?.["manifest-list"] ?? "")).records;
/** Entries of all manifests of a snapshot. */
const entriesOf = async (snapshot: TableMetadata["snapshots"][number] | undefined) => {
  const manifests = await manifestsOf(snapshot);
  const entries = await Promise.all(
    manifests.map(async (each) => decodeAvroFile(await bytesAt(String(each.manifest_path))).records),
  );
  return entries.flat().map(({ status, sequence_number, data_file }) => ({
    ...{ status, sequence_number },
    path: (data_file as { file_path: string }).file_path,
  }));
};
const [deleted, statuses] = [2, ["existing", "added", "deleted"]];
const filesOf = async (snapshot: TableMetadata["snapshots"][number] | undefined) =>
  (await entriesOf(snapshot)).filter(({ status }) => status !== deleted).map(({ path }) => path);
/** What a reader of changes sees: `added 3`, with the number of the version that added the file where it is another one. */
const changesOf = async (snapshot: TableMetadata["snapshots"][number] | undefined) =>
  (await entriesOf(snapshot)).map(
    ({ status, path, sequence_number: of }) =>
      `${statuses[Number(status)]} ${path.replace(/.*\//, "")}${of === null ? "" : ` of ${of}`}`,
  );

describe("versions are snapshots:", () => {
  test("an append shares the manifests before it; numbers, times and totals are the versions'", async () => {
    const first = await register("grown", [await catalog.object("datasets/grown/0", "zero", 5)], {
      made_by: "me",
    });
    await append("grown", 1);
    const last = await append("grown", 2);
    const { metadata, "metadata-location": location } = await load("grown");
    expect(metadata["table-uuid"]).toBe(first.dataset_id);
    expect(metadata.snapshots.map((each) => each["sequence-number"])).toEqual([1, 2, 3]);
    expect(metadata.snapshots.map((each) => each["timestamp-ms"])).toEqual(
      metadata["snapshot-log"].map((each) => each["timestamp-ms"]),
    );
    expect(metadata.snapshots[0]?.summary).toMatchObject({
      operation: "append",
      "total-records": "5",
      "lakehouse.version": "1",
      "lakehouse.made-by": "me",
    });
    expect(metadata.snapshots[2]).toMatchObject({
      "parent-snapshot-id": metadata.snapshots[1]?.["snapshot-id"],
      "timestamp-ms": Date.parse(last.created_at),
      summary: {
        operation: "append",
        "added-records": "10",
        "total-records": "25",
        "total-data-files": "3",
        "total-files-size": String(last.bytes),
        "total-delete-files": "0",
        "total-position-deletes": "0",
        "total-equality-deletes": "0",
      },
    });
    const lists = await Promise.all(metadata.snapshots.map(manifestsOf));
    expect(lists.map((each) => each.length)).toEqual([1, 2, 3]);
    expect(lists[2]?.slice(0, 2)).toEqual(lists[1] ?? []);
    const bucket = join(directory.path, "buckets/primary");
    expect(await filesOf(metadata.snapshots[2])).toEqual(
      [0, 1, 2].map((at) => `file://${bucket}/datasets/grown/${at}`),
    );
    expect(JSON.parse(await Bun.file(location.replace("file://", "")).text())).toEqual(metadata as never);
    expect(metadata.properties).toMatchObject({ "gc.enabled": "false", "lakehouse.dataset": "grown" });
    expect(Number(metadata["current-snapshot-id"])).toBeLessThan(2 ** 52 + 1);
  });

  test("a replacement has manifests of its own, and says what went", async () => {
    await append("replaced", 1);
    await append("replaced", 2);
    await register("replaced", [await catalog.object("datasets/replaced/3", "three", 1)]);
    const { metadata } = await load("replaced");
    expect(metadata.snapshots.map((each) => each.summary?.operation)).toEqual([
      "append",
      "append",
      "overwrite",
    ]);
    expect(metadata.snapshots[2]?.summary).toMatchObject({
      "deleted-data-files": "2",
      "deleted-records": "20",
      "total-records": "1",
    });
    expect(await changesOf(metadata.snapshots[2])).toEqual(["deleted 1 of 1", "deleted 2 of 2", "added 3"]);
  });

  test("a change of some rows says which files went, and which stay and are not new", async () => {
    const object = async (at: string) => catalog.object(`datasets/changed/${at}`, at, 10);
    const [one, two, three] = [await object("1"), await object("2"), await object("3")];
    await register("changed", [one, two, three]);
    await register("changed", [three, await object("4"), await object("5"), two]);
    await register("changed", [three]);
    await append("changed", 6);
    const { metadata } = await load("changed");
    const changes = await Promise.all(metadata.snapshots.map(changesOf));
    expect(changes).toEqual([
      ["added 1", "added 2", "added 3"],
      ["existing 2 of 1", "existing 3 of 1", "deleted 1 of 1", "added 4", "added 5"],
      ["existing 3 of 1", "deleted 2 of 1", "deleted 4 of 2", "deleted 5 of 2"],
      ["existing 3 of 1", "deleted 2 of 1", "deleted 4 of 2", "deleted 5 of 2", "added 6"],
    ]);
    expect(metadata.snapshots.slice(1).map((each) => each.summary)).toMatchObject([
      { operation: "overwrite", "added-data-files": "2", "deleted-data-files": "1", "total-data-files": "4" },
      { operation: "delete", "deleted-data-files": "3", "deleted-records": "30", "total-records": "10" },
      { operation: "append", "added-data-files": "1", "total-records": "20" },
    ]);
  });

  test("of an empty dataset too", async () => {
    await register("empty", []);
    const { metadata } = await load("empty");
    expect(await manifestsOf(metadata.snapshots[0])).toEqual([]);
  });

  test("what was dropped and made anew is another table", async () => {
    await append("again", 1);
    const before = await load("again");
    await catalog.verbs.drop({ name: "again" });
    expect((await load("again")).status).toBe(404);
    await append("again", 2);
    const { metadata } = await load("again");
    expect(metadata["table-uuid"]).not.toBe(before.metadata["table-uuid"]);
    expect(metadata.snapshots.map((each) => each["sequence-number"])).toEqual([3]);
  });

  test("the last hundred of them; many manifests become one, whose files keep their snapshots", async () => {
    for (let at = 1; at <= 103; at++) await append("many", at);
    await load("many");
    await append("many", 104);
    const { metadata } = await load("many");
    expect(metadata.snapshots).toHaveLength(100);
    expect([metadata.snapshots[0]?.["sequence-number"], metadata["last-sequence-number"]]).toEqual([5, 104]);
    const manifests = await manifestsOf(metadata.snapshots.at(-1));
    expect(
      manifests.map((each) => [each.existing_files_count, each.added_files_count, each.existing_rows_count]),
    ).toEqual([
      [103, 0, 1030],
      [0, 1, 0],
    ]);
    expect(await filesOf(metadata.snapshots.at(-1))).toHaveLength(104);
    const [merged] = await Promise.all(
      manifests.map(async (each) => decodeAvroFile(await bytesAt(String(each.manifest_path))).records),
    );
    expect([merged?.[0], merged?.[102]]).toMatchObject([
      { status: 0, sequence_number: 4, snapshot_id: expect.anything() },
      { status: 0, sequence_number: 103 },
    ]);
  });
});

describe("publishing", () => {
  test("writes when it is asked, once however many ask, the metadata last, and reads no data", async () => {
    await append("asked", 1);
    expect(written.filter((key) => key.startsWith("_catalog/iceberg/asked"))).toEqual([]);
    const loads = await Promise.all(Array.from({ length: 20 }, () => load("asked")));
    expect(new Set(loads.map(({ etag }) => etag)).size).toBe(1);
    const files = written.filter((key) => key.startsWith("_catalog/iceberg/asked"));
    expect(files.map((key) => key.replace(/.*-|.*\//, ""))).toEqual([
      "only",
      "manifest.avro",
      "list.avro",
      files[3]?.replace(/.*-/, "") ?? "",
    ]);
    expect(files[3]).toEndWith(".metadata.json");
    expect(readKeys.filter((key) => key.startsWith("datasets/"))).toEqual([]);
  });

  test("is the same after a restart, and extends what there was", async () => {
    await append("kept", 1);
    const before = await load("kept");
    await restart();
    written.length = 0;
    expect(await load("kept")).toEqual(before);
    expect(written).toEqual([]);
    await restart();
    await append("kept", 2);
    written.length = 0;
    const { metadata } = await load("kept");
    expect(metadata.snapshots[0]).toEqual(before.metadata.snapshots[0] as never);
    expect(written.filter((key) => key.endsWith("manifest.avro"))).toHaveLength(1);
  });

  test("is done anew where its metadata is damaged", async () => {
    await append("damaged", 1);
    const before = await load("damaged");
    await Bun.write(before["metadata-location"].replace("file://", ""), '{"format-version":');
    await restart();
    expect((await load("damaged")).metadata).toEqual(before.metadata);
  });

  test("is done anew for a store in another place", async () => {
    await append("moved", 1);
    const before = await load("moved");
    const copy = temporaryDirectory("publishing-moved");
    await catalog.stop();
    cpSync(directory.path, copy.path, { recursive: true });
    catalog = await startCatalog(directory.path, watched);
    const other = await startCatalog(copy.path);
    try {
      const { metadata, etag } = await load("moved", other);
      expect(etag).not.toBe(before.etag);
      expect(metadata.snapshots[0]?.["snapshot-id"]).toBe(
        before.metadata.snapshots[0]?.["snapshot-id"] as never,
      );
      expect(await filesOf(metadata.snapshots[0])).toEqual([
        `file://${copy.path}/buckets/primary/datasets/moved/1`,
      ]);
    } finally {
      await other.stop();
      copy.remove();
    }
  });

  test("has the schema of each version, and reads files without ids by all the names they had", async () => {
    await append("reshaped", 1);
    const columns = [
      { name: "id", type: "BIGINT", nullable: true },
      { name: "tags", type: "VARCHAR[]", nullable: true },
    ];
    await catalog.verbs.commit({
      registrations: [
        {
          name: "reshaped",
          columns,
          objects: [await catalog.object("datasets/reshaped/2")],
          new_columns: true,
        },
      ],
    });
    const { metadata } = await load("reshaped");
    expect(metadata.schemas.map((each) => each.fields.map(({ id, name }) => `${id} ${name}`))).toEqual([
      ["1 id", "2 name"],
      ["1 id", "3 tags"],
    ]);
    expect([metadata["current-schema-id"], metadata["last-column-id"]]).toEqual([1, 4]);
    expect(metadata.snapshots.map((each) => each["schema-id"])).toEqual([0, 1]);
    expect(JSON.parse(metadata.properties["schema.name-mapping.default"] ?? "")).toEqual([
      { "field-id": 1, names: ["id"] },
      { "field-id": 3, names: ["tags"], fields: [{ "field-id": 4, names: ["element"] }] },
    ]);
  });
});

test("a manifest of before there were field ids is a table: its columns have the ids of its files", async () => {
  const old = temporaryDirectory("publishing-old");
  const file = join(import.meta.dir, "../../../fixtures/catalogd/manifest-format-1.parquet");
  const { parent: _, ...stored } = await decodeManifest(await Bun.file(file).bytes());
  const { name } = stored;
  const before = await startCatalog(old.path);
  const key = `_catalog/manifests/${name}/v00000001.parquet`;
  await before.storaged.peer.verbs.write({ key, bytes: encodeManifest({ ...stored, version: 1 }) });
  await before.stop();
  const store = await startCatalog(old.path);
  try {
    const { columns, objects } = await store.verbs.manifest({ name });
    const { metadata } = await load(name, store);
    expect(metadata.schemas[0]?.fields.map(({ id, name }) => [id, name])).toEqual(
      columns.map((column, at) => [at + 1, column.name]),
    );
    expect(metadata.snapshots).toHaveLength(1);
    const keys = (await filesOf(metadata.snapshots[0])).map((uri) => uri.split("/buckets/primary/")[1]);
    expect(keys).toEqual(objects.map((object) => object.key.replace("primary://", "")));
  } finally {
    await store.stop();
    old.remove();
  }
});

describe("expiry", () => {
  const published = async (name: string) =>
    (await catalog.storaged.peer.verbs.list({ prefix: `_catalog/iceberg/${name}/` })).objects.map(
      ({ key }) => key,
    );

  test("takes the snapshots and files of the versions that went, and none that the table needs", async () => {
    for (const at of [1, 2, 3]) await append("expired", at);
    await load("expired");
    await register("expired", [await catalog.object("datasets/expired/4")]);
    await append("expired", 5);
    await load("expired");
    await catalog.verbs.expire({ name: "expired", keep_versions: 1, older_than_days: 0 });
    const { metadata } = await load("expired");
    expect(metadata.snapshots.map((each) => each["sequence-number"])).toEqual([5, 6]);
    const left = await published("expired");
    expect(left.filter((key) => /\/0000000[1-3]-/.test(key))).toEqual([]);
    for (const uri of await filesOf(metadata.snapshots.at(-1)))
      expect(await Bun.file(uri.replace("file://", "")).exists()).toBe(true);
  });

  test("of a dataset that was dropped takes all before", async () => {
    await append("ended", 1);
    await load("ended");
    await catalog.verbs.drop({ name: "ended" });
    await catalog.verbs.expire({ name: "ended", keep_versions: 1, older_than_days: 0 });
    expect((await published("ended")).map((key) => key.replace(/.*\//, ""))).toEqual(["read-only"]);
  });
});
