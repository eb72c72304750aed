/**
 * Files as they were at one moment. An append-only log is its first n bytes, and a file that is replaced by a rename
 * stays what it was for those who have it open: so a snapshot only needs to hold files open.
 */
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../errors/errors.ts";
import { opened, unlessAbsent } from "./files.ts";
import type { Snapshot } from "./inspection.ts";

const chunkBytes = 1024 * 1024;

/**
 * Opens the files, paths relative to the directory; those that do not exist are left out. Right for files that are
 * only appended to or replaced whole; not for a database that is written in place.
 */
export async function holdFiles(directory: string, paths: readonly string[]): Promise<Snapshot> {
  const held = new Map<string, { handle: FileHandle; bytes: number }>();
  const end = async () => {
    const handles = [...held.values()];
    held.clear();
    await Promise.all(handles.map(({ handle }) => handle.close()));
  };
  try {
    for (const path of paths) {
      const file = await openOrUndefined(join(directory, path));
      if (file) held.set(path, file);
    }
  } catch (error) {
    await end();
    throw error;
  }
  return {
    files: async function* () {
      for (const [path, { bytes }] of held) yield { path, bytes };
    },
    open: async (path) => {
      const file = held.get(path);
      if (!file) throw fail("not_found", `this snapshot has no file '${path}'`);
      return streamOf(file.handle, file.bytes, path);
    },
    end,
  };
}

const openOrUndefined = (path: string): Promise<{ handle: FileHandle; bytes: number } | undefined> =>
  opened(path, "r", async (handle) => ({ handle, bytes: (await handle.stat()).size })).catch(unlessAbsent);

function streamOf(handle: FileHandle, bytes: number, path: string): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull: async (controller) => {
      if (at >= bytes) return controller.close();
      const chunk = new Uint8Array(Math.min(chunkBytes, bytes - at));
      const { bytesRead } = await handle.read(chunk, 0, chunk.length, at);
      if (bytesRead === 0) throw new Error(`${path} became shorter while it was read`);
      at += bytesRead;
      controller.enqueue(chunk.subarray(0, bytesRead));
    },
  });
}

/** Two snapshots as one: what `first` fixes is fixed before what `second` does. Paths may not clash. */
export async function bothSnapshots(
  first: () => Promise<Snapshot>,
  second: () => Promise<Snapshot>,
): Promise<Snapshot> {
  const one = await first();
  const two = await second().catch(async (error) => {
    await one.end();
    throw error;
  });
  const ofOne = new Set<string>();
  return {
    files: async function* () {
      for await (const file of one.files()) {
        ofOne.add(file.path);
        yield file;
      }
      yield* two.files();
    },
    open: (path) => (ofOne.has(path) ? one : two).open(path),
    end: async () => void (await Promise.all([one.end(), two.end()])),
  };
}
