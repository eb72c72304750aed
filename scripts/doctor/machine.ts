/** What the machine offers: cores, memory, open files, clock. */
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { type Config, overcommitted, planMemory } from "../../runtime/config/config.ts";
import { machineMemory } from "../../runtime/memory/memory.ts";
import { listening } from "../command-line/command-line.ts";
import { messageOf, run } from "../subprocess/subprocess.ts";
import { type Check, missing, ok } from "./check.ts";

const GiB = 1024 ** 3;
const inGiB = (bytes: number): string => `${(bytes / GiB).toFixed(1)} GiB`;
/** Connections, segments of indexes and DuckDB's files together; what the units of systemd allow is 65536. */
const openFilesMin = 8192;

/** Each part with its limit; required is that a start is not refused, and that no part alone is more than there is. */
export function memory(config: Config, there = machineMemory()): Check {
  const whose = there < totalmem() ? " (limit of the cgroup)" : "";
  const fix = "give it more memory, or take the limits that are set out of the configuration";
  try {
    const plan = planMemory(config, listening(config), there);
    const table = plan.parts.map(({ name, bytes }) => `${name} ${inGiB(bytes)}`).join(", ");
    const found = `${inGiB(there)}${whose}; the configuration lets ${inGiB(plan.planned)} be used: ${table}`;
    if (overcommitted(plan) === undefined) return ok("memory", false, found);
    return missing(
      "memory",
      plan.parts.some(({ bytes }) => bytes > there),
      found,
      fix,
    );
  } catch (cause) {
    return missing("memory", true, messageOf(cause), fix);
  }
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
