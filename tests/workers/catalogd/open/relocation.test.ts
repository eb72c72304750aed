/** Open tables of a store that was moved: engines are told addresses that are there, and nothing else has changed. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { contentFilesOf } from "../../../../workers/catalogd/iceberg/content-files.ts";
import { decodeManifestList } from "../../../../workers/catalogd/iceberg/manifest.ts";
import { startCatalog } from "../../../support/stacks/catalogd.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";
import { deletionVector } from "../../../support/tables/engine-files.ts";
import { tablesOf } from "../../../support/tables/open-tables.ts";

// biome-ignore lint/suspicious/noExplicitAny: metadata as a client looks at it.
type Json = any;
const bytesOf = (address: string) => readFileSync(address.slice("file://".length));

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

test("its metadata, lists and manifests are written anew once; commits, versions and former addresses go on", async () => {
  const home = temporaryDirectory("moved");
  const [before, after] = [join(home.path, "a"), join(home.path, "b")];
  const begin = async (path: string) => {
    const catalog = await startCatalog(path);
    return { ...catalog, tables: tablesOf(catalog.send, catalog.storaged.peer.verbs) };
  };

  const [plain, deleted] = [{ name: "plain" }, { name: "deleted" }];
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
    const name = metadata.location.includes("plain") ? plain.name : deleted.name;
    const { status, body } = await catalog.tables.append(name, metadata, [added], { id: ++snapshots });
    expect([status, body.error]).toEqual([200, undefined]);
    return body.metadata;
  };
  let metadata = await put(await catalog.tables.make(plain.name), "1.parquet");
  const vector = deletionVector([0]);
  const of = `${metadata.location}/data/1.parquet`;
  const blob = { referenced_data_file: of, content_offset: 0, content_size_in_bytes: vector.length };
  metadata = await put(metadata, "v.puffin", { content: 1, format: "PUFFIN", more: blob }, vector);
  await put(metadata, "2.parquet");
  const positions = await put(await catalog.tables.make(deleted.name), "1.parquet");
  await put(positions, "deletes.parquet", { content: 1 });
  const files = (await catalog.verbs.files({ name: "open.plain", version: 4 })).files;
  await catalog.stop();

  renameSync(before, after);
  catalog = await begin(after);
  const moved = await load(plain.name);
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
  expect((await load(plain.name))["metadata-location"]).toBe(moved["metadata-location"]);
  metadata = await put(moved.metadata, "3.parquet");
  expect(metadata.snapshots).toHaveLength(4);
  for (const address of addressesOf(metadata)) expect(address).toStartWith(`file://${after}/`);
  // Files of deleted positions name data files themselves: such a table stays where it was, and SQL reads it.
  expect((await load(deleted.name)).metadata.location).toStartWith(`file://${before}/`);
  expect((await catalog.verbs.files({ name: "open.deleted", version: 3 })).files).toHaveLength(1);
  const { folder = "", layout } = await catalog.verbs.admit({ name: "open.deleted" });
  const key = `${folder.slice("warehouse://".length)}/ours.parquet`;
  const bytes = Buffer.from("x");
  const { etag } = await catalog.storaged.peer.verbs.write({ bucket: "warehouse", key, bytes });
  const object = { key: `warehouse://${key}`, bytes: 1, etag, row_count: 1, statistics: [] };
  const { columns } = await catalog.verbs.manifest({ name: "open.deleted" });
  const registration = { name: "open.deleted", columns, objects: [object], spec_id: layout?.spec_id ?? 0 };
  const { manifests } = await catalog.verbs.commit({
    registrations: [{ ...registration, operation: "append" }],
  });
  expect(manifests[0]?.version).toBe(4);
  expect((await catalog.verbs.files({ name: "open.deleted", version: 4 })).files).toHaveLength(2);
  await catalog.stop();
  home.remove();
});
