/** What a folder takes on the disk. It imports Bun built-ins alone: set-up uses it before there are packages. */
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";

/** Bytes of all files below a folder, a file with several names once; 0 for a folder that is not there. */
export function bytesIn(folder: string, seen = new Set<bigint>()): number {
  let bytes = 0;
  for (const entry of entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) bytes += bytesIn(path, seen);
    else bytes += bytesOf(path, seen);
  }
  return bytes;
}

function bytesOf(path: string, seen: Set<bigint>): number {
  const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined || seen.has(stat.ino)) return 0;
  seen.add(stat.ino);
  return Number(stat.blocks) * 512;
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (cause) {
    // An installation that goes on moves folders about.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}
