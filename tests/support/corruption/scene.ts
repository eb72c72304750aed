/** The product that copies are made of: filled, stopped, and with what its files were half-way. */
import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { S3Connection } from "../../../workers/storaged/s3-client/connection.ts";
import { startProduct } from "../product/product.ts";
import { bucketFlags } from "../s3/lake.ts";
import { connectionTo, objectsOf } from "../s3/objects.ts";
import type { TestS3 } from "../s3/server.ts";
import { fillFirst, fillSecond } from "./controls.ts";
import { filesUnder, type Scene, type Stored, type StoredFile } from "./corruption.ts";

const { signal } = new AbortController();
const prefix = "buckets/primary/";

export async function makeScene(home: string, s3?: TestS3): Promise<Scene & { now: Stored; older: Stored }> {
  const flags = s3 ? await bucketFlags(home, { primary: s3, warehouse: "plain" }) : [];
  const connection = s3 && connectionTo(s3, flags);
  const data = join(home, "data");
  const look = async (folder: string): Promise<Map<string, StoredFile>> =>
    new Map([...filesUnder(folder), ...(connection ? await objectsOf(connection, prefix) : [])]);
  const product = await startProduct({ dataDir: home, flags });
  let older: Stored;
  try {
    await fillFirst(product.url);
    const copy = join(home, "older");
    cpSync(data, copy, { recursive: true });
    older = await look(copy);
    await fillSecond(product.url);
  } finally {
    await product.end();
  }
  // Copies of it take its place, one after the other: open tables name their files by whole paths.
  const original = join(home, "original");
  renameSync(data, original);
  const now = await look(original);
  const scene = { original, all: [...now.keys()], flags, now, older };
  if (!connection) return scene;
  const changed = new Set<string>();
  const write = async (path: string, file: StoredFile | null) => {
    changed.add(path);
    await put(connection, path, file);
  };
  const restore = async () => {
    const there = await objectsOf(connection, prefix);
    for (const path of there.keys()) if (!now.has(path)) await put(connection, path, null);
    for (const [path, file] of now)
      if (path.startsWith(prefix) && !there.get(path)?.bytes.equals(file.bytes))
        await put(connection, path, file);
  };
  return { ...scene, bucket: { restore, write } };
}

async function put(connection: S3Connection, path: string, file: StoredFile | null): Promise<void> {
  const key = path.slice(prefix.length);
  if (file === null) {
    await connection.expect({ method: "DELETE", key, signal }, 200, 204, 404);
    return;
  }
  const body = new Uint8Array(file.bytes);
  await connection.expect({ method: "PUT", key, headers: file.headers ?? {}, body, signal }, 200);
}
