/**
 * A disk whose power can be lost at any instant: a file system on an image whose clone, taken in one step by the file
 * system below (XFS' reflink), holds what had reached the device then, and nothing of what was in memory. Only root may
 * mount one. A device that loses or reorders what it was not yet told to flush is not modelled.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, rmSync } from "node:fs";
import { temporaryDirectory } from "../stacks/in-process.ts";

export const fileSystems = ["ext4", "xfs"] as const;
export type FileSystem = (typeof fileSystems)[number];

export interface AfterPowerLoss {
  /** Mounts what had reached the disk, with its journal played, and gives the directory. */
  mount: () => string;
  remove: () => void;
}

export interface SnapshotDisk {
  /** A directory on it. */
  path: string;
  losePower: () => AfterPowerLoss;
  remove: () => void;
}

/** Of an image: XFS is not made on less. */
const smallest = 300 * 1024 * 1024;

function mustRun(...words: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(words, { stdout: "pipe", stderr: "pipe" });
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
}

function makeImage(path: string, bytes: number, ...make: string[]): void {
  const image = openSync(path, "wx");
  ftruncateSync(image, bytes);
  closeSync(image);
  mustRun(...make, path);
}

/** Throws where mounting is not allowed or a file system is missing. Images are sparse: they take what is written. */
export function makeSnapshotDisk(kind: FileSystem, bytes: number): SnapshotDisk {
  const home = temporaryDirectory(`power-${kind}`);
  const below = `${home.path}/below`;
  const mounted = `${home.path}/mounted`;
  for (const place of [below, mounted]) mkdirSync(place);
  let snapshots = 0;
  const mountAt = (image: string, place: string) => {
    // Two file systems with one identifier are not mounted side by side by XFS unless it is told to.
    const options = image.startsWith(below) && kind === "xfs" ? "loop,nouuid" : "loop";
    mustRun("mount", "-o", options, image, place);
  };
  const remove = () => {
    // Lazily: an open file must not keep the mounts when something has failed.
    for (const place of [mounted, below]) Bun.spawnSync(["umount", "-l", place]);
    home.remove();
  };
  const path = `${mounted}/lake`;
  try {
    makeImage(`${home.path}/image`, bytes * 4, "mkfs.xfs", "-q", "-m", "reflink=1");
    mountAt(`${home.path}/image`, below);
    makeImage(`${below}/disk`, bytes, `mkfs.${kind}`, "-q");
    mountAt(`${below}/disk`, mounted);
    mkdirSync(path);
  } catch (cause) {
    remove();
    throw cause;
  }
  return {
    path,
    losePower: () => {
      const image = `${below}/after-${++snapshots}`;
      const place = `${home.path}/after-${snapshots}`;
      mustRun("cp", "--reflink=always", `${below}/disk`, image);
      mkdirSync(place);
      return {
        mount: () => {
          mountAt(image, place);
          return `${place}/lake`;
        },
        remove: () => {
          Bun.spawnSync(["umount", "-l", place]);
          rmSync(image);
        },
      };
    },
    remove,
  };
}

/** Whether this machine and user have what such a disk takes. */
export const isSnapshotDiskPossible: boolean = (() => {
  try {
    const disk = makeSnapshotDisk("ext4", smallest);
    const after = disk.losePower();
    after.mount();
    after.remove();
    disk.remove();
    return true;
  } catch {
    return false;
  }
})();
