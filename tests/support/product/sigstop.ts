/** Whether a signal that holds a process (SIGSTOP) has reached every thread; until then it may still answer. */
import { readdirSync, readFileSync } from "node:fs";

export const isStopped = (pid: number): boolean =>
  readdirSync(`/proc/${pid}/task`).every((thread) =>
    /^State:\s+T/m.test(readFileSync(`/proc/${pid}/task/${thread}/status`, "utf8")),
  );
