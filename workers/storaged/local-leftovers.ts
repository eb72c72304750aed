/** What takes room in a local bucket and belongs to no object: a crash at the wrong moment leaves such files. */
import { readdir, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type { Finding } from "../../runtime/durable.ts";
import { errorCode, readOrNull } from "../../runtime/files.ts";
import type { KeyLock } from "../../runtime/key-lock.ts";
import type { Layout } from "./local-layout.ts";

/** Sidecars whose object is gone, and pieces of sidecars that were being written when the process ended. */
export async function* leftovers(layout: Layout, lock: KeyLock): AsyncGenerator<Finding> {
  for (const folder of await readdir(layout.records).catch(nothing)) {
    for (const name of await readdir(join(layout.records, folder)).catch(nothing)) {
      const path = join(layout.records, folder, name);
      const problem = await problemOf(path, layout, lock);
      if (problem === undefined) continue;
      const place = relative(layout.root, path);
      yield { severity: "leftover", place, problem, remedy: `stop Lakehouse and remove ${path}` };
    }
  }
}

async function problemOf(path: string, layout: Layout, lock: KeyLock): Promise<string | undefined> {
  if (basename(path).endsWith(".part")) {
    // One that is being written is in place, or gone, when the writers of this moment have ended.
    await lock.settled();
    return (await isThere(path)) ? "a sidecar that was never completed" : undefined;
  }
  const key = await keyOf(path);
  // What a damaged sidecar belonged to is found with its object.
  if (key === undefined || key === null || layout.record(key) !== path) return undefined;
  return lock(key, async () => {
    const isAlone = (await isThere(path)) && !(await isThere(layout.data(key)));
    return isAlone ? `the sidecar of '${key}', which is no object (any more)` : undefined;
  });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    (facts) => facts.isFile(),
    () => false,
  );

/** The key that a sidecar names; undefined when it cannot be read, null when it is gone. */
async function keyOf(path: string): Promise<string | undefined | null> {
  const bytes = await readOrNull(path);
  if (bytes === null) return null;
  try {
    const { record } = JSON.parse(new TextDecoder().decode(bytes));
    return typeof record.key === "string" ? record.key : undefined;
  } catch {
    return undefined;
  }
}

const nothing = (cause: unknown): string[] => {
  if (errorCode(cause) === "ENOENT" || errorCode(cause) === "ENOTDIR") return [];
  throw cause;
};
