/** A disk of a few megabytes that can be filled, emptied and made read-only: only root may mount one. */
import { closeSync, mkdirSync, openSync, rmSync, statfsSync, truncateSync, writeSync } from "node:fs";
import { temporaryDirectory } from "../stacks/in-process.ts";

export type DiskKind = "tmpfs" | "ext4";

export interface SmallDisk {
  /** A directory on it; beside the file that fills it. */
  path: string;
  /** Fills it until only so many bytes are free, within a page. */
  fill: (leave?: number) => void;
  /** Gives the space back. */
  empty: () => void;
  free: () => number;
  /** Fails while a file on it is open for writing: the kernel does not allow it. */
  remount: (how: "ro" | "rw") => void;
  /** Only ext4: what the kernel does when it finds the file system damaged. Read-only, whoever has files open. */
  fail: () => void;
  /** Only ext4, and after `fail`: unmounts, checks and mounts it again. Nobody may have files open. */
  repair: () => void;
  remove: () => void;
}

const run = (...words: string[]) => Bun.spawnSync(words, { stdout: "pipe", stderr: "pipe" });
const mustRun = (...words: string[]) => {
  const { exitCode, stderr } = run(...words);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
};

/** Mounts a disk of this size. Throws where that is not allowed. */
export function makeSmallDisk(kind: DiskKind, bytes: number): SmallDisk {
  const home = temporaryDirectory(`disk-${kind}`);
  const place = `${home.path}/mounted`;
  const image = `${home.path}/image`;
  const mountImage = () => mustRun("mount", "-o", "loop,errors=remount-ro", image, place);
  mkdirSync(place);
  if (kind === "tmpfs") mustRun("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "lakehouse-drill", place);
  else {
    closeSync(openSync(image, "w"));
    truncateSync(image, bytes);
    // Blocks smaller than a page: one that is mapped may lack room when it is written (ADR 0159).
    mustRun("mkfs.ext4", "-q", "-b", "1024", "-m", "0", image);
    mountImage();
  }
  const path = `${place}/lake`;
  mkdirSync(path);
  const filler = `${place}/filler`;
  const free = () => {
    const { bavail, bsize } = statfsSync(place);
    return bavail * bsize;
  };
  return {
    path,
    free,
    fill: (leave = 0) => fill(filler, free, leave),
    empty: () => rmSync(filler, { force: true }),
    remount: (how) => mustRun("mount", "-o", `remount,${how}`, place),
    // What ext4 does when it finds itself damaged, by request (`abort`, kernel.org's ext4 page).
    fail: () => mustRun("mount", "-o", "remount,abort", place),
    repair: () => {
      mustRun("umount", place);
      // 1: it found something and mended it.
      const { exitCode } = run("e2fsck", "-fy", image);
      if (exitCode > 1) throw new Error(`e2fsck ended with ${exitCode}`);
      mountImage();
    },
    remove: () => {
      // Lazily: an open file must not keep the mount when a test has failed.
      run("umount", "-l", place);
      home.remove();
    },
  };
}

function fill(filler: string, free: () => number, leave: number): void {
  const file = openSync(filler, "a");
  const piece = Buffer.alloc(64 * 1024);
  try {
    for (let left = free() - leave; left > 0 || leave === 0; left = free() - leave) {
      const wanted = leave === 0 ? piece.length : Math.min(piece.length, left);
      if (writeSync(file, piece, 0, wanted) < wanted) break;
    }
  } catch (cause) {
    if ((cause as { code?: string }).code !== "ENOSPC") throw cause;
  } finally {
    closeSync(file);
  }
}

/** Which disks this machine lets us mount. */
export const mountable: readonly DiskKind[] = (["tmpfs", "ext4"] as const).filter((kind) => {
  try {
    makeSmallDisk(kind, 8 * 1024 * 1024).remove();
    return true;
  } catch {
    return false;
  }
});
