/** The product that copies are made of: filled, stopped, and with what its files were half-way. */
import { cpSync, renameSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createS3Connection, type S3Connection } from "../../../workers/storaged/s3-client/connection.ts";
import { elements, keyOf } from "../../../workers/storaged/s3-client/xml.ts";
import { startProduct } from "../product/product.ts";
import { bucketFlags } from "../s3/lake.ts";
import type { TestS3 } from "../s3/server.ts";
import { fillFirst, fillSecond } from "./controls.ts";
import { filesUnder, type Scene, type Stored, type StoredFile } from "./corruption.ts";

const { signal } = new AbortController();
const prefix = "buckets/primary/";

export async function makeScene(home: string, s3?: TestS3): Promise<Scene & { now: Stored; older: Stored }> {
  const flags = s3 ? await bucketFlags(home, { primary: s3, warehouse: "plain" }) : [];
  const bucketName = /bucket = "([^"]+)"/.exec(flags.join())?.[1];
  const connection =
    s3 && bucketName !== undefined
      ? createS3Connection({
          name: "direct",
          server: s3.server(bucketName),
          clock: systemClock,
          log: createLog("test", "error"),
        })
      : undefined;
  const data = join(home, "data");
  const look = async (folder: string): Promise<Map<string, StoredFile>> =>
    new Map([...filesUnder(folder), ...(connection ? await objectsOf(connection) : [])]);
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
    const there = await objectsOf(connection);
    for (const path of there.keys()) if (!now.has(path)) await put(connection, path, null);
    for (const [path, file] of now)
      if (path.startsWith(prefix) && !there.get(path)?.bytes.equals(file.bytes))
        await put(connection, path, file);
  };
  return { ...scene, bucket: { restore, write } };
}

/** All objects with the headers that must come with them again; the store's own, too. */
async function objectsOf(connection: S3Connection): Promise<Map<string, StoredFile>> {
  const keys: string[] = [];
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const query: Record<string, string> = {
      "list-type": "2",
      "encoding-type": "url",
      ...(token !== undefined && { "start-after": token }),
    };
    const { text } = await connection.expect({ method: "GET", query, signal }, 200);
    const page = elements(text, "Key").map(keyOf);
    keys.push(...page);
    token = page.length === 1000 ? page.at(-1) : undefined;
  }
  const found = new Map<string, StoredFile>();
  for (const key of keys.filter((each) => !each.startsWith(".lakehouse/probe/")).sort()) {
    const answer = await connection.expect({ method: "GET", key, streamed: true, signal }, 200);
    const bytes = Buffer.from(await new Response(answer.body).arrayBuffer());
    const kept = [...answer.headers].filter(
      ([name]) => name.startsWith("x-amz-meta-") || name === "content-type",
    );
    found.set(prefix + key, { bytes, headers: Object.fromEntries(kept) });
  }
  return found;
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
