/**
 * The folder DuckDB may read: a hard link for each object of a version in use, and nothing else. What no statement may
 * read is not there, by whatever name it is called: objects of dropped datasets, of nobody, and the catalog's own.
 */
import { linkSync, rmSync } from "node:fs";
import { mkdir, realpath, rm, stat } from "node:fs/promises";
import { join } from "node:path";

export interface Readable {
  path: string;
  /** The object goes out of reach when all who added it have removed it. */
  remove: () => void;
}

export interface ReadableFolder {
  /**
   * Brings a file of this machine within reach; all who give the same id (letters and digits) share one path. Rejects
   * when the file cannot be linked: it is gone, or on another file system.
   */
  add: (id: string, source: string) => Promise<Readable>;
}

/** Opens the folder empty. */
export async function openReadableFolder(directory: string): Promise<ReadableFolder> {
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
      rmSync(path, { force: true });
    };
  };
  return {
    add: async (id, source) => {
      const path = join(directory, `${id}.parquet`);
      // DuckDB follows symbolic links, and would find itself outside.
      const file = await realpath(source);
      if (!(await stat(file)).isFile()) throw new TypeError("not a file");
      // Counting and linking are one step: nobody's removal comes between.
      if (!users.has(path)) linkSync(file, path);
      users.set(path, (users.get(path) ?? 0) + 1);
      return { path, remove: remover(path) };
    },
  };
}
