/** Open tables of a store that was moved: engines are told addresses that are there, and nothing else has changed. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentFilesOf } from "../../../../workers/catalogd/iceberg/content-files.ts";
import { decodeManifestList } from "../../../../workers/catalogd/iceberg/manifest.ts";
import { startCatalog } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { createEngineFiles, deletionVector, puffin } from "../../../support/tables/engine-files.ts";
import { tablesOf } from "../../../support/tables/open-tables.ts";

// biome-ignore lint/suspicious/noExplicitAny: metadata as a client looks at it.
type Json = any;
const bytesOf = (address: string): Uint8Array => readFileSync(address.slice("file://".length));

/** All addresses that whoever reads the table comes to. */
function* addressesOf(metadata: Json): Generator<string> {
  yield metadata.location;
  for (const entry of metadata["metadata-log"]) yield entry["metadata-file"];
  for (const snapshot of metadata.snapshots) {
    yield snapshot["manifest-list"];
    for (const line of decodeManifestList(bytesOf(snapshot["manifest-list"]))) {
      yield line.manifest_path;
      expect(line.manifest_length).toBe(bytesOf(line.manifest_path).length);
      for (const { path, of } of contentFilesOf(bytesOf(line.manifest_path), line))
        yield* of === undefined ? [path] : [path, of];
    }
  }
}

/** The files of the latest snapshot, as manifests name them. */
const contentsOf = (metadata: Json) =>
  decodeManifestList(bytesOf(metadata.snapshots.at(-1)["manifest-list"])).flatMap((line) =>
    contentFilesOf(bytesOf(line.manifest_path), line),
  );

test("its metadata, lists and manifests are written anew once; commits, versions and former addresses go on", async () => {
  const home = temporaryDirectory("moved");
  const [before, after] = [join(home.path, "a"), join(home.path, "b")];
  const begin = async (path: string) => {
    const catalog = await startCatalog(path);
    return { ...catalog, tables: tablesOf(catalog.send, catalog.storaged.peer.verbs) };
  };

  let catalog = await begin(before);
  let snapshots = 0;
  const load = async (name: string) =>
    (await catalog.tables.ask("GET", `/namespaces/open/tables/${name}`)).body;
  const put = async (
    metadata: Json,
    path: string,
    more: object = {},
    bytes: Uint8Array = Buffer.from("x"),
  ) => {
    const address = `${metadata.location}/data/${path}`;
    writeFileSync(address.slice("file://".length), bytes);
    const added = { path: address, rows: 1, bytes: bytes.length, ...more };
    const name = /open\/([a-z]+)-/.exec(metadata.location)?.[1] ?? "";
    const { status, body } = await catalog.tables.append(name, metadata, [added], { id: ++snapshots });
    expect([status, body.error]).toEqual([200, undefined]);
    return body.metadata;
  };
  let metadata = await put(await catalog.tables.make("plain"), "1.parquet");
  const vector = deletionVector([0]);
  const of = `${metadata.location}/data/1.parquet`;
  const { bytes: vectors, offset } = puffin(of, vector);
  const blob = { referenced_data_file: of, content_offset: offset, content_size_in_bytes: vector.length };
  metadata = await put(metadata, "v.puffin", { content: 1, format: "PUFFIN", more: blob }, vectors);
  await put(metadata, "2.parquet");
  const positions = await put(await catalog.tables.make("deleted"), "1.parquet");
  const engine = await createEngineFiles(catalog.storaged.peer.verbs);
  const rows = [
    [1, 7],
    [1, 2],
    [0, 4],
  ] // Rows need not be in order.
    .map(([file, at]) => `('${positions.location}/data/${file}.parquet', ${at}::BIGINT)`)
    .join(", ");
  const select = `SELECT * FROM (VALUES ${rows}) t(file_path, pos)`;
  const ids = "{file_path: 2147483546, pos: 2147483545}, CODEC 'zstd'";
  const deletes = await engine.file(positions.location, select, ids);
  const bound = [{ key: 2_147_483_546, value: Buffer.from(`${positions.location}/data/0.parquet`) }];
  const { status } = await catalog.tables.append(
    "deleted",
    positions,
    [{ ...deletes, content: 1, more: { lower_bounds: bound, split_offsets: [4] } }],
    { id: ++snapshots },
  );
  expect(status).toBe(200);
  const stuck = await put(await catalog.tables.make("stuck"), "1.parquet");
  await put(stuck, "deletes.parquet", { content: 1 });
  const files = (await catalog.verbs.files({ name: "open.plain", version: 4 })).files;
  await catalog.stop();

  renameSync(before, after);
  catalog = await begin(after);
  const moved = await load("plain");
  const all = [...addressesOf(moved.metadata), moved["metadata-location"]];
  for (const address of all) {
    expect(address).toStartWith(`file://${after}/`);
    expect([address, existsSync(address.slice("file://".length))]).toEqual([address, true]);
  }
  expect(moved.metadata.snapshots).toHaveLength(3);
  expect((await catalog.verbs.manifest({ name: "open.plain" })).made_by).toContain("moved");
  // The same rows, by the names that the catalog has for files, of the version now and of that before.
  const now = (await catalog.verbs.files({ name: "open.plain", version: 5 })).files;
  expect(now.map(({ key, positions: gone }) => [key, gone])).toEqual(
    files.map((each) => [each.key, each.positions]),
  );
  expect((await catalog.verbs.files({ name: "open.plain", version: 3 })).files).toHaveLength(1);
  // Once; and the engine goes on from there.
  expect((await load("plain"))["metadata-location"]).toBe(moved["metadata-location"]);
  metadata = await put(moved.metadata, "3.parquet");
  expect(metadata.snapshots).toHaveLength(4);
  for (const address of addressesOf(metadata)) expect(address).toStartWith(`file://${after}/`);
  // The vector's own file names its data file as well: there is where PyIceberg looks.
  const told = await contentsOf(moved.metadata);
  const [moved1] = told.filter(({ format }) => format === "PUFFIN");
  expect(moved1).toMatchObject({ of: `${moved.metadata.location}/data/1.parquet`, blob: { offset } });
  const footer = Buffer.from(bytesOf(moved1?.path ?? "")).toString("latin1");
  expect(footer).toContain(JSON.stringify(moved1?.of));
  expect(footer).not.toContain(before);
  expect(
    Buffer.from(bytesOf(moved1?.path ?? "").subarray(offset, offset + vector.length)).equals(vector),
  ).toBe(true);
  expect(bytesOf(moved1?.path ?? "")).toHaveLength(moved1?.bytes ?? 0);
  // Files of deleted positions name data files in their rows.
  const gone = await load("deleted");
  const [file] = (await contentsOf(gone.metadata)).filter(({ kind }) => kind === "positions");
  const place = `${gone.metadata.location}/data`;
  expect(place).toStartWith(`file://${after}/`);
  expect(await engine.rows(file?.path ?? "")).toEqual([
    [`${place}/0.parquet`, 4n],
    [`${place}/1.parquet`, 2n],
    [`${place}/1.parquet`, 7n],
  ]);
  expect(bytesOf(file?.path ?? "")).toHaveLength(file?.bytes ?? 0);
  expect((await catalog.verbs.files({ name: "open.deleted", version: 3 })).files).toHaveLength(1);
  engine.close();
  // What cannot be told anew is told to nobody, and tried once: SQL reads it, and takes rows.
  const objects = await catalog.storaged.peer.verbs.list({ bucket: "warehouse", page_size: 1000 });
  for (const times of [1, 2])
    expect([times, await load("stuck")]).toEqual([
      times,
      {
        error: expect.objectContaining({
          code: 422,
          message: expect.stringContaining("deletes.parquet names data files"),
        }),
      },
    ]);
  const commit = { requirements: [], updates: [{ action: "set-properties", updates: { a: "b" } }] };
  const refused = await catalog.tables.ask("POST", "/namespaces/open/tables/stuck", commit);
  expect([refused.status, refused.body.error?.type]).toEqual([422, "UnprocessableEntityException"]);
  expect(await catalog.storaged.peer.verbs.list({ bucket: "warehouse", page_size: 1000 })).toEqual(objects);
  expect((await catalog.verbs.files({ name: "open.stuck", version: 3 })).files).toHaveLength(1);
  const { folder = "", layout } = await catalog.verbs.admit({ name: "open.stuck" });
  const key = `${folder.slice("warehouse://".length)}/ours.parquet`;
  const bytes = Buffer.from("x");
  const { etag } = await catalog.storaged.peer.verbs.write({ bucket: "warehouse", key, bytes });
  const object = { key: `warehouse://${key}`, bytes: 1, etag, row_count: 1, statistics: [] };
  const { columns } = await catalog.verbs.manifest({ name: "open.stuck" });
  const registration = { name: "open.stuck", columns, objects: [object], spec_id: layout?.spec_id ?? 0 };
  const { manifests } = await catalog.verbs.commit({
    registrations: [{ ...registration, operation: "append" }],
  });
  expect(manifests[0]?.version).toBe(4);
  expect((await catalog.verbs.files({ name: "open.stuck", version: 4 })).files).toHaveLength(2);
  await catalog.stop();
  home.remove();
});
