/** What the system says of a thread of this process. Linux alone says it; elsewhere nothing is known of a thread. */
import { readFileSync, readlinkSync } from "node:fs";

export interface ThreadUse {
  /** Processor time since the thread began, in milliseconds. */
  cpuMs: number;
  /** It runs, waits for a processor or waits for a disk: whatever holds it up, it is not stuck in itself. */
  isRunnable: boolean;
}

/** Undefined where the system does not say, or the thread is gone. */
export type ReadThread = (threadId: number) => ThreadUse | undefined;

/** USER_HZ, in which Linux counts here; 100 on x86-64 and arm64 (proc(5), sysconf(_SC_CLK_TCK)). */
const ticksPerSecond = 100;

export const readThread: ReadThread = (threadId) => {
  try {
    return parseThreadStat(readFileSync(`/proc/self/task/${threadId}/stat`, "utf8"));
  } catch {
    return undefined; // no /proc, or the thread is gone
  }
};

/** The fields of proc(5)'s `stat`: the state is the first behind the name in brackets, which may hold anything. */
export function parseThreadStat(line: string): ThreadUse | undefined {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state = "", user, system] = [fields[0], Number(fields[11]), Number(fields[12])];
  if (!Number.isFinite(user) || !Number.isFinite(system)) return undefined;
  return { cpuMs: ((user + system) * 1000) / ticksPerSecond, isRunnable: "RD".includes(state) };
}

/** The system's number of the thread that asks, or undefined where it does not say. */
export function ownThreadId(): number | undefined {
  try {
    const id = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    return Number.isInteger(id) ? id : undefined;
  } catch {
    return undefined; // no /proc
  }
}
