/** Memory that a process has for itself. */
import { readFileSync } from "node:fs";

const pageBytes = 4096;

/**
 * Bytes of a process that it does not share with others, 0 when it is gone. Where /proc does not exist, all that is
 * resident counts.
 */
export function ownMemory(pid: number): number {
  if (process.platform !== "linux") return residentByPs(pid);
  try {
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ").map(Number);
    return (resident - shared) * pageBytes;
  } catch {
    return 0; // It ended meanwhile.
  }
}

function residentByPs(pid: number): number {
  const { stdout } = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]);
  return Number(stdout.toString().trim()) * 1024;
}
