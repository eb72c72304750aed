/** How much processor time a work takes, which a busy machine does not lengthen as it does the time on the clock. */
import { readdirSync, readFileSync } from "node:fs";
import { ownThreadId, readThread } from "../../../runtime/thread-time/thread-time.ts";

/** Processor time of this thread so far, in milliseconds. */
export const threadMs = (): number =>
  readThread(ownThreadId() ?? -1)?.cpuMs ?? process.cpuUsage().user / 1000;

/** Milliseconds of this thread's processor, to ten of them. */
export async function processorMs(work: () => unknown): Promise<number> {
  const before = threadMs();
  await work();
  return threadMs() - before;
}

/** Processor time of a process and of its children, those that ended among them, so far: in ms, to ten of them. */
export function treeMs(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    // utime, stime, cutime and cstime of proc(5), in hundredths of a second.
    const own = fields.slice(11, 15).reduce((sum, field) => sum + Number(field) * 10, 0);
    const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" ").filter(Boolean),
    );
    return children.reduce((sum, child) => sum + treeMs(Number(child)), own);
  } catch {
    return 0; // It ended meanwhile, and counts with its parent from then on.
  }
}
