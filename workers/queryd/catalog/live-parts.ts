/** The parts of a live table on this disk: Parquet files, kept while the table consists of them or a statement reads them. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { storageError } from "../../../runtime/durable/durable.ts";
import { invalidField } from "../../../runtime/errors/errors.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";

export interface PartFile {
  /** In the version's list of objects. */
  key: string;
  path: string;
  bytes: number;
  rows: number;
}

interface Part {
  files: PartFile[];
  isWhole: boolean;
  users: number;
}

export interface LiveParts {
  /** Those that are not here. */
  missing: (ids: readonly string[]) => string[];
  /** One file of a part; `last` makes it whole. Throws `storage_full` and the like. */
  add: (file: { id: string; index: number; bytes: Uint8Array; rows: number; last: boolean }) => Promise<void>;
  /** What the table consists of from now on; others go as soon as no statement reads them. */
  publish: (ids: readonly string[]) => Promise<void>;
  /** The files as they are now, until the release. The version grows with each change. */
  hold: () => { version: number; changedAt: string; files: PartFile[]; release: () => void };
}

/** Keeps the parts in the directory, which is emptied: they are made again of what their service has. */
export async function openLiveParts(
  directory: string,
  table: string,
  clock: Pick<Clock, "now">,
): Promise<LiveParts> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const parts = new Map<string, Part>();
  let current: readonly string[] = [];
  let version = 1;
  // Versions begin anew with each start: with the time they are others than those before.
  let changedAt = timestamp(clock);

  const dropUnused = async () => {
    for (const [id, { users, files }] of [...parts]) {
      if (users > 0 || current.includes(id)) continue;
      parts.delete(id);
      for (const { path } of files) await rm(path, { force: true });
    }
  };
  return {
    missing: (ids) => ids.filter((id) => !parts.get(id)?.isWhole),
    add: async ({ id, index, bytes, rows, last }) => {
      const part = index === 0 ? { files: [], isWhole: false, users: 0 } : parts.get(id);
      if (!part || part.isWhole || part.files.length !== index)
        throw invalidField("index", `expected the files of part ${id} one after another`);
      parts.set(id, part);
      const path = join(directory, `${id}-${index}.parquet`);
      await Bun.write(path, bytes).catch((cause) => Promise.reject(storageError(cause, "write")));
      part.files.push({ key: `${table}/${id}-${index}`, path, bytes: bytes.length, rows });
      part.isWhole = last;
    },
    publish: async (ids) => {
      if (JSON.stringify(ids) === JSON.stringify(current)) return;
      current = ids;
      version += 1;
      changedAt = timestamp(clock);
      await dropUnused();
    },
    hold: () => {
      const held = current.flatMap((id) => parts.get(id) ?? []);
      for (const part of held) part.users += 1;
      const files = held.flatMap((part) => part.files);
      const release = () => {
        for (const part of held.splice(0)) part.users -= 1;
        // What a disk that takes no writes keeps, the next start removes.
        void dropUnused().catch(() => undefined);
      };
      return { version, changedAt, files, release };
    },
  };
}
