/** What the machine offers: cores, memory, open files, clock. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { machineMemory } from "../../runtime/machine-memory.ts";
import { memoryBytes } from "../../runtime/setting.ts";
import type { Config } from "../../runtime/settings.ts";
import { run } from "../command.ts";
import { type Check, missing, ok } from "./check.ts";

const GiB = 1024 ** 3;
const inGiB = (bytes: number): string => `${(bytes / GiB).toFixed(1)} GiB`;
/** The product itself, idle: Bun, its threads and what they have loaded (docs/benchmarks.md), with room to work. */
const ownBytes = 0.5 * GiB;
/** Connections, segments of indexes and DuckDB's files together; what the units of systemd allow is 65536. */
const openFilesMin = 8192;

/** What the configuration lets grow, in bytes, largest first. */
const allowed = (config: Config): [string, number][] =>
  (
    [
      ["queryd.memory_limit", memoryBytes(config.queryd.memory_limit)],
      ["ingestd.memory_limit", memoryBytes(config.ingestd.memory_limit)],
      ["embedd.cache_max_bytes", config.embedd.cache_max_bytes],
      ["queryd.resident_max_bytes", config.queryd.resident_max_bytes],
      ["chatd.cache_max_bytes", config.chatd.cache_max_bytes],
      ["observerd.ring_max_bytes", config.observerd.ring_max_bytes],
    ] satisfies [string, number][]
  ).sort((a, b) => b[1] - a[1]);

/** Required is that each DuckDB alone fits; that all fit at once is better. Vector indexes come on top. */
export function memory(config: Config, there = machineMemory()): Check {
  const parts = allowed(config);
  const wanted = parts.reduce((sum, [, bytes]) => sum + bytes, ownBytes);
  const whose = there < totalmem() ? " (limit of the cgroup)" : "";
  const found = `${inGiB(there)}${whose}; the configuration lets ${inGiB(wanted)} be used, and vector indexes beside`;
  const isAlone = parts.every(([, bytes]) => ownBytes + bytes <= there);
  if (wanted <= there) return ok("memory", false, found);
  const each = Math.max(0.1, (there - ownBytes) / 3e9).toFixed(1);
  const fix = `LH_QUERYD_MEMORY_LIMIT=${each}GB LH_INGESTD_MEMORY_LIMIT=${each}GB, or give it more memory`;
  return missing("memory", !isAlone, found, fix);
}

export function cores(): Check {
  const count = availableParallelism();
  if (count >= 2) return ok("cores", false, `${count}`);
  return missing("cores", false, `${count}`, "give it 2 cores: queries and ingests keep one busy");
}

/** Linux alone shows a process its limits as a file; elsewhere a shell's `ulimit` says the same. */
export function ownLimits(file = "/proc/self/limits"): string {
  if (existsSync(file)) return readFileSync(file, "utf8");
  const hard = Bun.spawnSync(["sh", "-c", "ulimit -Hn"]).stdout.toString().trim();
  return `Max open files  ${hard}  ${hard}  files`;
}

/** Bun raises the soft limit to the hard one. */
export function openFiles(limits = ownLimits()): Check {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? "unlimited";
  if (hard === "unlimited" || Number(hard) >= openFilesMin) return ok("open files", false, `at most ${hard}`);
  const fix = `ulimit -Hn ${openFilesMin} as root before the start, or LimitNOFILE=65536 in the unit`;
  return missing("open files", false, `at most ${hard}`, fix);
}

/** A clock before the newest commit is wrong: versions and expiry stand on it. S3 servers are asked for theirs. */
export async function clock(root: string): Promise<Check> {
  const { code, out } = await run(["git", "log", "-1", "--format=%ct"], { cwd: root, timeoutMs: 5000 });
  const now = new Date();
  const found = now.toISOString();
  if (code !== 0 || now.getTime() >= Number(out) * 1000) return ok("clock", true, found);
  return missing("clock", true, `${found} is before the newest commit`, "timedatectl set-ntp true");
}
