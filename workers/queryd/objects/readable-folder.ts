/**
 * The folder DuckDB may read: a hard link for each object of a version in use, and nothing else. Objects of dropped
 * datasets, orphans and the catalog's own are not in it, so that no name can reach them.
 */
import { copyFileSync, existsSync, linkSync, readdirSync, rmSync, statSync } from "node:fs";
import { mkdir, realpath, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface Readable {
  path: string;
  /** The object goes out of reach when all who added it have removed it. */
  remove: () => void;
}

export interface ReadableFolder {
  /**
   * Brings a file of this machine within reach; all who give the same id (letters and digits) share one path. Rejects
   * when the file cannot be placed there: it is gone, or on another file system.
   */
  add: (id: string, source: string) => Promise<Readable>;
  /** Removes the folder. */
  close: () => Promise<void>;
}

/** Opens the folder empty. `place` brings a file to a path in it. */
export async function openReadableFolder(
  directory: string,
  place: (file: string, path: string) => void = linkSync,
): Promise<ReadableFolder> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const users = new Map<string, number>();

  const remover = (path: string) => {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (users.get(path) ?? 0) - 1;
      users.set(path, left);
      if (left > 0) return;
      users.delete(path);
      try {
        rmSync(path, { force: true });
      } catch {
        // A disk that takes no writes keeps it; the next start empties the folder.
      }
    };
  };
  return {
    add: async (id, source) => {
      const path = join(directory, `${id}.parquet`);
      // DuckDB follows symbolic links, and would find itself outside.
      const file = await realpath(source);
      if (!(await stat(file)).isFile()) throw new TypeError("not a file");
      // Counting and linking are one synchronous step: no removal comes between.
      if (!users.has(path)) place(file, path);
      users.set(path, (users.get(path) ?? 0) + 1);
      return { path, remove: remover(path) };
    },
    close: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Where Linux has files in memory. */
const memoryFolder = "/dev/shm";
/** Bytes that copies in memory may take together. */
const inMemoryBytesMax = 256 * 1024 * 1024;

/**
 * A folder in memory, for copies of objects while the disk takes neither links nor copies. `name` is the same at each
 * start, so that what a crash left behind is found. Undefined where the system has no files in memory.
 */
export async function openMemoryFolder(
  name: string,
): Promise<{ directory: string; folder: ReadableFolder } | undefined> {
  if (!existsSync(memoryFolder)) return undefined;
  const directory = join(memoryFolder, name);
  const folder = await openReadableFolder(directory, (file, path) => {
    const taken = readdirSync(dirname(path)).map((each) => statSync(join(dirname(path), each)).size);
    const bytes = taken.reduce((sum, size) => sum + size, statSync(file).size);
    if (bytes > inMemoryBytesMax) throw new RangeError(`copies in memory would take ${bytes} bytes`);
    copyFileSync(file, path);
  });
  return { directory, folder };
}
