/** The folders of objects in a local bucket: created for an object, removed with the last one in them. */
import { lstat, readdir, rmdir } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { errorCode, makeDirectory, renameDurably, syncDirectory } from "../../../runtime/durable/durable.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { type Layout, linkAbove } from "./layout.ts";

/** Retries when a concurrent delete removes the empty folder that a writer has just created. */
const renameTries = 5;

/** Moves a file to the object's place. Throws `conflict` where that is a folder. */
export async function moveTo(layout: Layout, key: string, staged: string): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      return await renameDurably(staged, layout.data(key), layout.staging);
    } catch (cause) {
      if (errorCode(cause) === "EISDIR") throw clash(key, `${key}/…`);
      if (errorCode(cause) !== "ENOENT" || tried === renameTries) throw cause;
      await makeParents(layout, key);
    }
  }
}

const clash = (key: string, other: string) => {
  const text = `a local bucket cannot hold both '${key}' and '${other}': one is a file where the other needs a folder`;
  return fail("conflict", `${text}; choose another key or delete the other`, { details: { key, other } });
};

/** A folder at the object's place: empty ones are removed, others hold objects. */
export async function refuseFolder(layout: Layout, key: string): Promise<void> {
  const facts = await lstat(layout.data(key)).catch(() => undefined);
  if (!facts?.isDirectory()) return;
  await removeEmptyTree(layout.data(key));
  const left = await lstat(layout.data(key)).catch(() => undefined);
  if (left?.isDirectory()) throw clash(key, `${key}/…`);
}

/** Makes the folders that the object stands in. Throws `conflict` where an object or a link is in the way. */
export async function makeParents(layout: Layout, key: string): Promise<void> {
  const link = await linkAbove(layout.root, key);
  if (link !== undefined)
    throw fail(
      "conflict",
      `'${link}' is a link in the bucket's folder, and links are not followed: choose another key, or give what it leads to a bucket of its own`,
      { details: { key, link } },
    );
  for (let tried = 1; ; tried++) {
    try {
      return await makeDirectory(dirname(layout.data(key)));
    } catch (cause) {
      const code = errorCode(cause);
      const isTaken = code === "ENOTDIR" || code === "EEXIST";
      const other = isTaken ? await fileAbove(layout, key) : undefined;
      if (other !== undefined) throw clash(key, other);
      // The folder was pruned while it was created: try again.
      if ((!isTaken && code !== "ENOENT") || tried === renameTries) throw cause;
    }
  }
}

/** The object that stands where the key needs a folder, if there is one. */
async function fileAbove(layout: Layout, key: string): Promise<string | undefined> {
  for (let path = dirname(layout.data(key)); path !== layout.root; path = dirname(path)) {
    const facts = await lstat(path).catch(() => undefined);
    if (facts && !facts.isDirectory()) return relative(layout.root, path);
  }
  return undefined;
}

/** Makes the removal durable: of the file, or of its folder when another delete has pruned that already. */
export async function syncNearest(folder: string): Promise<void> {
  for (let at = folder; ; at = dirname(at)) {
    try {
      await syncDirectory(at);
      return;
    } catch (cause) {
      if (errorCode(cause) !== "ENOENT" || at === dirname(at)) throw cause;
    }
  }
}

/** Removes empty folders from `path` upwards, up to the root, which stays. */
export async function pruneEmpty(root: string, path: string): Promise<void> {
  for (let at = path; at !== root && at.startsWith(root); at = dirname(at)) {
    try {
      await rmdir(at);
    } catch (cause) {
      if (errorCode(cause) === "ENOENT") continue;
      return;
    }
  }
}

/** Removes a tree of folders that holds no file; stops where it finds one. */
async function removeEmptyTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isDirectory()) return;
    await removeEmptyTree(join(path, entry.name));
  }
  await rmdir(path).catch(() => undefined);
}
