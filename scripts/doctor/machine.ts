/** What the machine offers: memory and clock. */
import { availableParallelism, totalmem } from "node:os";
import { broken, type Check, ok } from "./check.ts";

const GiB = 1024 ** 3;
const memoryBytesMin = 2 * GiB;

export function memory(): Check {
  const found = `${availableParallelism()} cores, ${(totalmem() / GiB).toFixed(1)} GiB`;
  if (totalmem() >= memoryBytesMin) return ok("memory", false, found);
  return broken(
    "memory",
    false,
    found,
    "set ingestd.memory_limit and queryd.memory_limit below what is there",
  );
}

/** A clock before the newest commit is wrong: versions and expiry stand on it. */
export function clock(root: string): Check {
  const commit = Bun.spawnSync(["git", "log", "-1", "--format=%ct"], {
    cwd: root,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const committedMs = Number(commit.stdout.toString().trim()) * 1000;
  const now = new Date();
  const found = now.toISOString();
  if (commit.exitCode !== 0 || now.getTime() >= committedMs) return ok("clock", false, found);
  return broken("clock", false, `${found} is before the newest commit`, "timedatectl set-ntp true");
}
