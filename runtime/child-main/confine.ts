/**
 * What a child process may do on Linux, set by system calls before its program runs: no network, no file but those it
 * was given, no core dump, first to go when memory is short, and gone when its parent is.
 *
 * Files are bound by Landlock (landlock(7)), sockets by a seccomp filter (seccomp(2)). A kernel without them leaves
 * out what it cannot do, and the reply says so. Elsewhere than on Linux nothing of this exists.
 */
import { FFIType, ptr } from "bun:ffi";
import { closeSync, existsSync, openSync, statSync, writeFileSync } from "node:fs";
import { openLibc, RLIMIT_NOFILE } from "../libc/libc.ts";

export interface Confinement {
  /** Files and folders, with all below, that may be read and run. */
  readable: readonly string[];
  /** Folders in which files may be made, changed and removed. */
  writable: readonly string[];
  /** Folders whose names may be seen, with all below, as a resolver of modules does; their files may not be read. */
  listable: readonly string[];
  openFilesMax: number;
}

/** Names of what this machine could not do. */
export type Missing = "files" | "network";

const { i32, i64, pointer, u64 } = FFIType;
const symbols = {
  syscall: { args: [i64, i64, i64, i64, i64, i64], returns: i64 },
  prctl: { args: [i32, u64, u64, u64, u64], returns: i32 },
  getrlimit: { args: [i32, pointer], returns: i32 },
  setrlimit: { args: [i32, pointer], returns: i32 },
  fcntl: { args: [i32, i32, i32], returns: i32 },
  execve: { args: [pointer, pointer, pointer], returns: i32 },
} as const;
type Libc = ReturnType<typeof openLibc<typeof symbols>>;

/** prctl(2), getrlimit(2) and linux/seccomp.h, the same on all architectures. */
const PR_SET_PDEATHSIG = 1;
const PR_SET_SECCOMP = 22;
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_MODE_FILTER = 2;
const RLIMIT_CORE = 4;
const SIGKILL = 9;

/** Binds this process and those that it becomes. Linux alone. */
export function confine(confinement: Confinement): Missing[] {
  const libc = openLibc(symbols);
  libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  limit(libc, RLIMIT_CORE, 0);
  limit(libc, RLIMIT_NOFILE, confinement.openFilesMax);
  // Above every service (at most 0 there), so that the kernel ends a child first when memory is short.
  writeFileSync("/proc/self/oom_score_adj", "500");
  libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return [
    ...(confineFiles(libc, confinement) ? [] : (["files"] as const)),
    ...(confineNetwork(libc) ? [] : (["network"] as const)),
  ];
}

/** Becomes another program with its environment; returns only when that fails. `keep` is a descriptor it inherits. */
export function become(command: readonly string[], env: Record<string, string>, keep: number): void {
  const libc = openLibc(symbols);
  const clearCloseOnExec = 2;
  libc.fcntl(keep, clearCloseOnExec, 0);
  const words = [command, Object.entries(env).map(([name, value]) => `${name}=${value}`)].map((list) =>
    list.map((word) => Buffer.from(`${word}\0`)),
  ) as [Buffer[], Buffer[]];
  const [argv, envp] = words.map((list) => BigUint64Array.from([...list.map(addressOf), 0n])) as [
    BigUint64Array,
    BigUint64Array,
  ];
  libc.execve(ptr(words[0][0] as Buffer), ptr(argv), ptr(envp));
}

const addressOf = (bytes: Uint8Array): bigint => BigInt(ptr(bytes));

/** No more than the parent may have: only root could raise that. */
function limit(libc: Libc, resource: number, value: number): void {
  const given = new BigUint64Array(2);
  libc.getrlimit(resource, ptr(given));
  const most = BigInt(value) < (given[1] as bigint) ? BigInt(value) : (given[1] as bigint);
  libc.setrlimit(resource, ptr(BigUint64Array.of(most, most)));
}

/** Numbers of the Landlock calls, the same on all architectures, and of its rights: linux/landlock.h. */
const landlock = { createRuleset: 444, addRule: 445, restrictSelf: 446 };
const right = { execute: 1n << 0n, writeFile: 1n << 1n, readFile: 1n << 2n, readDir: 1n << 3n };
const truncate = 1n << 14n;
/** The rights each version of Landlock knows, by its number: 13 at first, then refer, truncate and ioctl. */
const knownRights = (abi: number): bigint =>
  (1n << BigInt(13 + (abi >= 2 ? 1 : 0) + (abi >= 3 ? 1 : 0) + (abi >= 5 ? 1 : 0))) - 1n;
/** Of those, what a rule on a file, not a folder, may name. */
const fileRights = right.execute | right.writeFile | right.readFile | truncate;
const O_PATH = 0o10000000;

function confineFiles(libc: Libc, { readable, writable, listable }: Confinement): boolean {
  const call = (number: number, ...words: (number | bigint)[]): number =>
    Number(libc.syscall(number, words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, words[3] ?? 0, 0));
  const askVersion = 1;
  const abi = call(landlock.createRuleset, 0, 0, askVersion);
  if (abi < 1) return false;
  const handled = knownRights(abi);
  const ruleset = call(landlock.createRuleset, ptr(BigUint64Array.of(handled)), 8, 0);
  if (ruleset < 0) return false;
  const allow = (path: string, rights: bigint): void => {
    if (!existsSync(path)) return;
    const fd = openSync(path, O_PATH);
    const rule = new DataView(new ArrayBuffer(12));
    rule.setBigUint64(0, handled & (statSync(path).isDirectory() ? rights : rights & fileRights), true);
    rule.setInt32(8, fd, true);
    const pathBeneath = 1;
    const failed = call(landlock.addRule, ruleset, pathBeneath, ptr(rule), 0) !== 0;
    closeSync(fd);
    if (failed) throw new Error(`Landlock takes no rule for ${path}`);
  };
  for (const path of readable) allow(path, right.execute | right.readFile | right.readDir);
  for (const path of listable) allow(path, right.readDir);
  for (const path of writable) allow(path, handled & ~right.execute);
  return call(landlock.restrictSelf, ruleset, 0) === 0;
}

/** The names of the architectures in linux/audit.h and their number of socket(2). */
const architectures: Partial<Record<string, { audit: number; socket: number }>> = {
  x64: { audit: 0xc000003e, socket: 41 },
  arm64: { audit: 0xc00000b7, socket: 198 },
};

/** Refuses socket(2) but for sockets between processes of this machine; those that are open stay. */
function confineNetwork(libc: Libc): boolean {
  const own = architectures[process.arch];
  if (own === undefined) return false;
  const [load, jumpIfEqual, reply] = [0x20, 0x15, 0x06];
  const [architecture, number, family] = [4, 0, 16];
  const unixFamily = 1;
  const [allowed, refused] = [0x7fff0000, 0x00050001];
  // [operation, where to go when equal, where to go when not, operand]; places are counted from the next instruction.
  const program: [number, number, number, number][] = [
    [load, 0, 0, architecture],
    [jumpIfEqual, 0, 5, own.audit],
    [load, 0, 0, number],
    [jumpIfEqual, 0, 2, own.socket],
    [load, 0, 0, family],
    [jumpIfEqual, 0, 1, unixFamily],
    [reply, 0, 0, allowed],
    [reply, 0, 0, refused],
  ];
  const bytes = new DataView(new ArrayBuffer(program.length * 8));
  program.forEach(([operation, ifEqual, ifNot, operand], at) => {
    bytes.setUint16(at * 8, operation, true);
    bytes.setUint8(at * 8 + 2, ifEqual);
    bytes.setUint8(at * 8 + 3, ifNot);
    bytes.setUint32(at * 8 + 4, operand, true);
  });
  const filter = BigUint64Array.of(BigInt(program.length), addressOf(new Uint8Array(bytes.buffer)));
  return libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ptr(filter), 0, 0) === 0;
}
