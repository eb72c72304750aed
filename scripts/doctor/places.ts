/** Where the product writes: the disk of data_dir, its locks, and who holds it. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Config } from "../../runtime/config/config.ts";
import { lockDirectory } from "../../runtime/store/store.ts";
import { messageOf, run } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";

const GiB = 1024 ** 3;
/** Below this an ingest of the default size may fill the disk. */
const freeBytesMin = GiB;
/** An object is two files, and a dataset some. */
const freeFilesMin = 10_000;
const lockTimeoutMs = 10_000;

/** The folder itself, or the nearest one above it that exists. */
export const existing = (path: string): string => (existsSync(path) ? path : existing(dirname(path)));

/** Writes one block, makes it durable and takes it away again; in milliseconds. */
function timeFsync(directory: string): number {
  const file = join(directory, `.doctor-${crypto.randomUUID()}`);
  try {
    const descriptor = openSync(file, "wx");
    try {
      const startedAt = performance.now();
      writeSync(descriptor, new Uint8Array(4096));
      fsyncSync(descriptor);
      return performance.now() - startedAt;
    } finally {
      closeSync(descriptor);
    }
  } finally {
    rmSync(file, { force: true });
  }
}

/** Whether it can be written durably, and has room for bytes and files. */
export function dataDirectory({ data_dir }: Config): Check {
  const name = "data directory";
  const at = existing(data_dir);
  try {
    const { bavail, bsize, files, ffree } = statfsSync(at);
    const free = bavail * bsize;
    // Some file systems make inodes as they need them and count none.
    const lacksFiles = files > 0 && ffree < freeFilesMin;
    const inodes = files > 0 ? `, ${ffree} inodes free` : "";
    const space = `${data_dir}: ${(free / GiB).toFixed(1)} GiB free${inodes}`;
    if (free < freeBytesMin)
      return missing(name, true, space, `free at least 1 GiB there, or set LH_DATA_DIR to a larger disk`);
    if (lacksFiles)
      return missing(name, true, space, `remove files there, or set LH_DATA_DIR to a disk with more inodes`);
    return ok(name, true, `${space}, fsync ${timeFsync(at).toFixed(1)} ms`);
  } catch (cause) {
    const fix = `make ${at} writable for this user, or set LH_DATA_DIR to a folder that is`;
    return missing(name, true, `${data_dir}: ${messageOf(cause)}`, fix);
  }
}

/** `f_type` of file systems that lie on other machines: statfs(2), and linux/magic.h. */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB2"],
  [0x5346414f, "AFS"],
  [0x00c36400, "Ceph"],
  [0x01021997, "9p"],
  [0x65735546, "FUSE"],
  [0x0bd00bd0, "Lustre"],
]);

/** A lock that this process takes must keep another one out. */
export async function fileLocks({ data_dir }: Config, type?: number): Promise<Check> {
  const name = "file locks";
  const at = existing(data_dir);
  const network = networkTypes.get((type ?? statfsSync(at).type) >>> 0);
  const where = network === undefined ? "" : `, on a network file system (${network})`;
  const fix = `set LH_DATA_DIR to a folder on a local disk (ext4, xfs): data may be lost on ${network ?? "this one"}`;
  const folder = join(at, `.doctor-${crypto.randomUUID()}`);
  try {
    await Bun.write(join(folder, "lock.sqlite"), "");
    const giveBack = lockDirectory(folder);
    try {
      const code = `const { Database } = require("bun:sqlite"); const database = new Database(process.argv.at(-1)); try { database.run("BEGIN EXCLUSIVE") } catch { process.exit(3) }`;
      const file = join(folder, "lock.sqlite");
      const { code: ended } = await run([process.execPath, "-e", code, file], { timeoutMs: lockTimeoutMs });
      if (ended !== 3) return missing(name, true, `a lock keeps no other process out${where}`, fix);
    } finally {
      giveBack();
    }
  } catch (cause) {
    return missing(name, true, `cannot be taken in ${at}: ${messageOf(cause)}${where}`, fix);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return network === undefined
    ? ok(name, true, "keep other processes out")
    : missing(name, false, `work${where}`, fix);
}

/** The processes that hold the data directory's locks, by /proc/locks, which shows a lock's inode and its process. */
function holders(data_dir: string): number[] {
  const names = existsSync(data_dir) ? readdirSync(data_dir) : [];
  const inodes = names
    // Our own probe's lock has a name with a dot.
    .filter((name) => !name.startsWith("."))
    .map((name) => join(data_dir, name, "lock.sqlite"))
    .filter((file) => existsSync(file))
    .map((file) => String(statSync(file).ino));
  const lines = readFileSync("/proc/locks", "utf8").matchAll(/ (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /g);
  const pids = [...lines].filter(([, , inode]) => inodes.includes(inode ?? "")).map(([, pid]) => Number(pid));
  return [...new Set(pids)].filter((pid) => mayHaveOpen(pid, realpathSync(data_dir)));
}

/** A file elsewhere may have the same inode: the process must have one of ours open, or hide what it has. */
function mayHaveOpen(pid: number, folder: string): boolean {
  try {
    const files = readdirSync(`/proc/${pid}/fd`).map((each) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${each}`);
      } catch {
        return ""; // closed meanwhile
      }
    });
    return files.some((file) => file.startsWith(`${folder}/`) && file.endsWith("/lock.sqlite"));
  } catch {
    // Another user's process hides what it has open.
    return true;
  }
}

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim().slice(0, 120);
  } catch {
    // The kernel shows it to its user and to root alone.
    return "of another user";
  }
};

/** Whether any process holds a lock of the data directory, where the system does not tell which. */
function isHeld(data_dir: string): boolean {
  const names = existsSync(data_dir) ? readdirSync(data_dir) : [];
  const folders = names.filter((name) => !name.startsWith(".")).map((name) => join(data_dir, name));
  return folders
    .filter((folder) => existsSync(join(folder, "lock.sqlite")))
    .some((folder) => {
      try {
        lockDirectory(folder)();
        return false;
      } catch (cause) {
        if (/in use by another process/.test(messageOf(cause))) return true;
        throw cause;
      }
    });
}

/**
 * Another Lakehouse on the same data directory keeps this one from starting. `answers`: one answers at our ports.
 * `locks` is where Linux tells of locks.
 */
export function owner({ data_dir }: Config, answers: boolean, locks = "/proc/locks"): Check {
  const name = "data owner";
  if (!existsSync(locks)) {
    if (answers || !isHeld(data_dir)) return ok(name, true, "no other process holds the data directory");
    const fix = `stop the process that lsof ${join(data_dir, "*/lock.sqlite")} names, or set LH_DATA_DIR to another folder`;
    return missing(name, true, "held by a process which does not listen where this configuration says", fix);
  }
  const pids = holders(data_dir);
  if (pids.length === 0) return ok(name, true, "no process holds the data directory");
  const list = pids.map((pid) => `${pid} (${commandOf(pid)})`).join(", ");
  if (answers) return ok(name, true, `held by the Lakehouse that answers here: ${list}`);
  const found = `held by ${list}, which does not listen where this configuration says`;
  return missing(name, true, found, `kill ${pids.join(" ")}, or set LH_DATA_DIR to another folder`);
}
