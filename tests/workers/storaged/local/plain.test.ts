import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Bucket } from "../../../../workers/storaged/bucket/bucket.ts";
import { openPlainBucket } from "../../../../workers/storaged/local/local.ts";
import { testBucket } from "../../../conformance/bucket.ts";
import { temporaryDirectory } from "../../../support/stacks/in-process.ts";

const openAt = (root: string) => openPlainBucket({ name: "test", root, newId: () => crypto.randomUUID() });

testBucket("of plain files", async () => {
  const { path, remove } = temporaryDirectory("plain");
  const bucket = await openAt(path);
  return {
    bucket,
    leftovers: () => readdir(join(path, ".lakehouse", "staging")),
    stop: async () => {
      await bucket.stop();
      remove();
    },
  };
});

const { path, remove } = temporaryDirectory("plain");
let bucket: Bucket;
const signal = new AbortController().signal;
beforeAll(async () => {
  bucket = await openAt(path);
});
afterAll(remove);

test("what other programs write is an object, and no more one when they delete it", async () => {
  mkdirSync(join(path, "ns/t/data"), { recursive: true });
  writeFileSync(join(path, "ns/t/data/a.parquet"), "abc");
  const { body, info } = await bucket.open("ns/t/data/a.parquet", undefined, signal);
  expect([info.bytes, await new Response(body).text()]).toEqual([3, "abc"]);
  writeFileSync(join(path, "ns/t/data/a.parquet"), "abcd");
  expect((await bucket.head("ns/t/data/a.parquet", signal)).etag).not.toBe(info.etag);
  rmSync(join(path, "ns/t/data/a.parquet"));
  expect(bucket.head("ns/t/data/a.parquet", signal)).rejects.toMatchObject({ type: "not_found" });
  expect(bucket.notReady()).toEqual([]);
});

test("links are not followed: neither to a file nor through a folder", async () => {
  const outside = temporaryDirectory("outside");
  writeFileSync(join(outside.path, "secret"), "x");
  symlinkSync(outside.path, join(path, "folder"));
  symlinkSync(join(outside.path, "secret"), join(path, "file"));
  for (const key of ["folder/secret", "file"]) {
    expect(bucket.open(key, undefined, signal)).rejects.toMatchObject({ type: "not_found" });
    expect(bucket.locate(key, signal)).rejects.toMatchObject({ type: "not_found" });
  }
  const { objects } = await bucket.list({ prefix: "", pageSize: 100, signal });
  expect(objects.map(({ key }) => key)).toEqual([]);
  const upload = await bucket.receive("folder/new", (async function* () {})(), { bytesMax: 1, signal });
  expect(upload.commit({})).rejects.toMatchObject({ type: "conflict" });
  await upload.discard();
  expect(readdirSync(outside.path)).toEqual(["secret"]);
  outside.remove();
});
