/** How much memory this process may have: the machine's, or less where a control group bounds it. */
import { readFileSync } from "node:fs";
import { totalmem } from "node:os";
import { dirname, join } from "node:path";

/**
 * Bytes. Of control groups (Linux, `man 7 cgroups`) the least limit from the process's own group up to the root counts,
 * in version 2 (`memory.max`) and 1 (`memory.limit_in_bytes`); inside a container its own group is the root.
 */
export function machineMemory(read: Read = readText, total = totalmem()): number {
  const limits = (read("/proc/self/cgroup") ?? "").split("\n").flatMap((line) => {
    const [, controllers = "", path = "/"] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === "") return limitsUp(read, "/sys/fs/cgroup", path, "memory.max");
    if (controllers.split(",").includes("memory"))
      return limitsUp(read, "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
    return [];
  });
  return Math.min(total, ...limits.filter((limit) => limit > 0));
}

type Read = (path: string) => string | undefined;

function limitsUp(read: Read, root: string, group: string, file: string): number[] {
  const found: number[] = [];
  for (let at = group; ; at = dirname(at)) {
    const text = read(join(root, at, file))?.trim() ?? "";
    if (/^\d+$/.test(text)) found.push(Number(text));
    if (at === "/" || at === ".") return found;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined; // Not this kind of machine, or not that version.
  }
}
