/**
 * Where a local bucket keeps things. Objects are plain files under the root, so that DuckDB reads them in place
 * and people can look; everything else is under `<root>/.lakehouse/`.
 */

import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";

/** Longest file name of the usual Linux file systems, in bytes. */
const nameBytesMax = 255;

export interface Layout {
  root: string;
  data: (key: string) => string;
  /** Sidecars are named by the key's hash: no key is too long for it, and none clashes with another's folder. */
  record: (key: string) => string;
  /** The name that the sidecars of a key have in common: a hash in hex. */
  sidecarName: (key: string) => string;
  /** The sidecar of a write that is under way or was cut off: the bytes on disk are its or those before. */
  next: (key: string) => string;
  /** The sidecar of a delete that is under way or was cut off: there is no object any more, whatever is left. */
  deleted: (key: string) => string;
  /** Unfinished bodies; emptied at every start. */
  staging: string;
  /** Sidecars, in folders by the first two digits of their names. */
  records: string;
  /** Hard links of objects that a snapshot needs; emptied at every start. */
  points: string;
  /** The format version of this layout: an older program refuses a newer one. */
  format: string;
}

export function layoutOf(root: string): Layout {
  const own = join(root, ".lakehouse");
  const sidecarName = (key: string) => Bun.SHA256.hash(key, "hex");
  const sidecar = (key: string, end: string) => {
    const name = sidecarName(key);
    return join(own, "meta", name.slice(0, 2), `${name}.${end}`);
  };
  return {
    root,
    data: (key) => join(root, key),
    sidecarName,
    record: (key) => sidecar(key, "json"),
    next: (key) => sidecar(key, "next"),
    deleted: (key) => sidecar(key, "deleted"),
    staging: join(own, "staging"),
    records: join(own, "meta"),
    points: join(own, "points"),
    format: join(own, "format.json"),
  };
}

/** Throws `invalid_key` when a segment of the key is longer than a file name may be. */
export function checkFitsDisk(key: string): void {
  const long = key.split("/").find((segment) => Buffer.byteLength(segment) > nameBytesMax);
  if (long === undefined) return;
  const got = Buffer.byteLength(long);
  const text = `in a local bucket a segment of a key has at most ${nameBytesMax} bytes, got one of ${got}: put a '/' into it`;
  throw fail("invalid_key", text, { details: { segment: long.slice(0, 200) } });
}

/**
 * The first folder on the way to the key that is a link, if there is one: it may lead out of the bucket, so nothing
 * behind it is the bucket's. The root itself may be one, which the configuration names.
 */
export async function linkAbove(root: string, key: string): Promise<string | undefined> {
  const folders = key.split("/").slice(0, -1);
  for (let depth = 1; depth <= folders.length; depth++) {
    const folder = folders.slice(0, depth).join("/");
    const facts = await lstat(join(root, folder)).catch(unlessAbsence);
    if (facts === undefined) return undefined;
    if (facts.isSymbolicLink()) return folder;
  }
  return undefined;
}

/** Whether there is a file. */
export const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    (facts) => facts.isFile(),
    (cause) => unlessAbsence(cause) ?? false,
  );

const absent = new Set(["ENOENT", "ENOTDIR", "EISDIR", "ELOOP", "ENAMETOOLONG"]);

/** Whether the system says that there is no such file; other failures say nothing of it. */
export const isAbsence = (cause: unknown): boolean => absent.has(errorCode(cause) ?? "");

function unlessAbsence(cause: unknown): undefined {
  if (!isAbsence(cause)) throw cause;
}

/** The names in a folder; none where there is no such folder. */
export const namesIn = (path: string): Promise<string[]> =>
  readdir(path).catch((cause) => {
    if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return [];
    throw cause;
  });
