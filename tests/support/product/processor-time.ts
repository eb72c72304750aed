/** How much processor time a work takes, which a busy machine does not lengthen as it does the time on the clock. */
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
