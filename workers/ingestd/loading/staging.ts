/** Parquet files on their way to the store: written in place where the bucket is on this machine, else sent. */

import { access, constants, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Peer } from "../../../runtime/contract/contract.ts";
import { sha256Of } from "../../../runtime/durable/durable.ts";
import { fail, peerError, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Storaged } from "../../storaged/contract.ts";

interface StoredObject {
  key: string;
  bytes: number;
  etag: string;
}

export interface Committed {
  object: StoredObject;
  /** False when an object of these bytes was there already. */
  created: boolean;
}

export interface StagedObject {
  /** Where to write the file. */
  path: string;
  /** Hashes what was written, and makes it durable where it is; gives its SHA-256. `commit` has little left to do then. */
  seal: () => Promise<string>;
  /** Stores what was written under the key, durably. */
  commit: (key: string) => Promise<Committed>;
  /** Removes what was not committed. */
  discard: () => Promise<void>;
  /** Whether its place is gone before it was stored: a storaged that starts keeps none of those before. */
  isLost: () => Promise<boolean>;
}

interface ObjectsOptions {
  storaged: Peer<Storaged>;
  /** `primary` unless it is another one, whose keys are given as `bucket://key`. */
  bucket?: string | undefined;
  directory: string;
  newId: () => string;
  requestId: string;
}

/** The bucket that stands before a key, if any, and the key in it. */
export function placeOf(address: string): { bucket: string | undefined; key: string } {
  const [, bucket, key = address] = /^([^/:]+):\/\/(.*)$/s.exec(address) ?? [];
  return { bucket, key };
}

/** Reserves a place for one object. */
export async function stageObject({
  storaged,
  directory,
  newId,
  requestId,
  bucket,
}: ObjectsOptions): Promise<StagedObject> {
  const where = bucket === undefined ? {} : { bucket };
  const { token, path: staged } = await storaged.verbs.stage(where, { requestId });
  const discard = async () => {
    await storaged.verbs.discard({ token }, { requestId });
  };
  /** Stores unless the very object is there. */
  const once = async (
    key: string,
    store: () => Promise<{ bytes: number; etag: string }>,
  ): Promise<Committed> => {
    try {
      const { bytes, etag } = await store();
      return { object: { key, bytes, etag }, created: true };
    } catch (error) {
      if (!(error instanceof ServiceError) || error.type !== "precondition_failed") throw error;
      const { bytes, etag } = await storaged.verbs.head({ key }, { requestId });
      return { object: { key, bytes, etag }, created: false };
    }
  };
  if (staged !== undefined && (await isVisible(staged))) {
    const options = { requestId, timeoutMs: storeTimeoutMs };
    const { seal, commit } = storaged.verbs;
    let isTaken = false;
    return sealedOnce({
      path: staged,
      hashed: async () => (await seal({ token }, options).catch(unlessLost)).sha256,
      store: (key) => {
        isTaken = true;
        return once(key, () => commit({ token, key, if_none_match: "*" }, options).catch(unlessLost));
      },
      discard,
      isLost: async () => !isTaken && !(await isVisible(staged)),
    });
  }
  await discard();
  const path = join(directory, `${newId()}.parquet`);
  return sealedOnce({
    path,
    hashed: () => sha256Of(path),
    store: (key) => once(key, () => send(storaged, key, path)),
    discard: () => rm(path, { force: true }),
    isLost: async () => false,
  });
}

type StagingDeps = Pick<Deps<{ storaged: Storaged }>, "config" | "peers">;

/** The folders in which staged objects may lie beside `directory`. Rejects as storaged does: without it nothing is ingested. */
export async function stagingFolders({ config, peers }: StagingDeps): Promise<string[]> {
  const { storaged } = peers;
  const local = Object.entries(config.buckets).filter(([, { kind }]) => kind === "local");
  const buckets = ["primary", ...local.flatMap(([name]) => (name === "primary" ? [] : [name]))];
  const folders: string[] = [];
  for (const bucket of buckets) {
    const { token, path } = await storaged.verbs.stage({ bucket }).catch((cause) => {
      // Where others than the first are away, an ingest into them says so itself.
      if (bucket === "primary" || !(cause instanceof ServiceError)) throw cause;
      return { token: "", path: undefined };
    });
    if (token !== "") await storaged.verbs.discard({ token });
    // Each file lies in a folder of its own, in one folder for all.
    if (path !== undefined) folders.push(dirname(dirname(path)));
  }
  return folders;
}

/** Hashing and syncing a large object takes longer than other calls. */
const storeTimeoutMs = 10 * 60 * 1000;

/** True when this process may write the staged file: storaged can run on another machine, or as another user. */
async function isVisible(path: string): Promise<boolean> {
  try {
    await access(dirname(path), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** What was written is gone with its place: nothing of it can have been registered. */
export const lost = (cause: unknown): ServiceError =>
  fail("unavailable", "storage was started anew meanwhile: nothing was registered", {
    retryAfterSeconds: 1,
    cause,
  });

/** The one thing that storaged does not find then is the token. */
function unlessLost(error: unknown): never {
  if (error instanceof ServiceError && error.type === "not_found") throw lost(error);
  throw error;
}

interface StagedParts extends Pick<StagedObject, "path" | "discard" | "isLost"> {
  hashed: () => Promise<string>;
  store: (key: string) => Promise<Committed>;
}

/** A file is hashed once, and discarded only after that. */
function sealedOnce({ path, hashed, store, discard, isLost }: StagedParts): StagedObject {
  let sealed: Promise<string> | undefined;
  const seal = () => {
    sealed ??= hashed();
    return sealed;
  };
  return {
    path,
    isLost,
    seal,
    commit: async (key) => {
      await seal();
      return store(key);
    },
    discard: async () => {
      await sealed?.catch(() => undefined);
      await discard();
    },
  };
}

async function send(
  storaged: Peer<Storaged>,
  key: string,
  path: string,
): Promise<{ bytes: number; etag: string }> {
  const { bucket = "primary", key: rest } = placeOf(key);
  const response = await storaged.fetch(`/storage/put/${rest}?bucket=${bucket}`, {
    method: "PUT",
    headers: { "if-none-match": "*" },
    body: Bun.file(path),
  });
  if (!response.ok) throw await peerError("storaged", response);
  const { bytes, etag } = (await response.json()) as { bytes: number; etag: string };
  return { bytes, etag };
}
