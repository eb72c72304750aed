/** What lies under the data directory of this machine, by service. */

import { statfsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Disk } from "./table.ts";

/** Walking a large lake takes a while, and its size changes slowly: it is done anew at most this often. */
const walkEveryMs = 30_000;

export interface Usage {
  /** Bytes by service; undefined where the folder cannot be read. */
  of: (service: string) => Promise<number | undefined>;
  disk: () => Disk | undefined;
}

/** `data_dir` is undefined where the product runs elsewhere. */
export function createUsage(data_dir: string | undefined): Usage {
  const known = new Map<string, { at: number; bytes: Promise<number | undefined> }>();
  const measure = async (service: string): Promise<number | undefined> => {
    if (data_dir === undefined) return undefined;
    const folders = service === "storaged" ? ["storaged", "buckets"] : [service];
    try {
      const sums = await Promise.all(folders.map((folder) => bytesUnder(join(data_dir, folder))));
      return sums.reduce((sum, bytes) => sum + bytes, 0);
    } catch {
      // Shown as unknown: another user's folder, or one that is not there yet.
      return undefined;
    }
  };
  return {
    of: (service) => {
      const last = known.get(service);
      if (last && performance.now() - last.at < walkEveryMs) return last.bytes;
      const bytes = measure(service);
      known.set(service, { at: performance.now(), bytes });
      return bytes;
    },
    disk: () => {
      if (data_dir === undefined) return undefined;
      try {
        const { bavail, blocks, bsize } = statfsSync(data_dir);
        return { path: data_dir, free_bytes: bavail * bsize, total_bytes: blocks * bsize };
      } catch {
        // Shown as unknown, as above.
        return undefined;
      }
    },
  };
}

/** What the files take on the disk. Those that go away meanwhile count nothing. */
async function bytesUnder(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  let sum = 0;
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const found = await stat(join(entry.parentPath, entry.name)).catch(() => undefined);
    sum += (found?.blocks ?? 0) * 512;
  }
  return sum;
}
