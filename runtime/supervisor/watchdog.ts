/** Tells a thread that is busy from one that is hung, by its progress and its processor time (ADR 0002). */
import type { ReadThread } from "../thread-time/thread-time.ts";

interface WatchdogLimits {
  heartbeatMs: number;
  /** Silence without any processor time after which it is hung. */
  timeoutMs: number;
  /** Processor time used in one silence after which it is hung: it goes round in circles. */
  busyMs: number;
}

export type Health =
  | { state: "well" }
  | { state: "busy"; message: string }
  /** `isCertain` is false where the system does not tell what the thread does. */
  | { state: "hung"; message: string; isCertain: boolean };

interface Watchdog {
  /** The thread answered, or said anything else. */
  heard: () => void;
  /**
   * Judges the thread, once a heartbeat. Silence is counted in heartbeats and not on a clock: a process that was
   * held (a stopped process, a laptop that slept, a busy machine) counts one for the whole time.
   */
  beat: (threadId: number | undefined, limits: WatchdogLimits) => Health;
}

export function createWatchdog(readThread: ReadThread): Watchdog {
  const nothing = { silentMs: 0, idleMs: 0, busyMs: 0 };
  let now = { ...nothing };
  let spokeUp = false;
  let cpuMs: number | undefined;
  return {
    heard: () => {
      spokeUp = true;
    },
    beat: (threadId, { heartbeatMs, timeoutMs, busyMs }) => {
      const use = threadId === undefined ? undefined : readThread(threadId);
      const usedMs = use && cpuMs !== undefined ? use.cpuMs - cpuMs : 0;
      cpuMs = use?.cpuMs;
      if (spokeUp) {
        spokeUp = false;
        now = { ...nothing };
        return { state: "well" };
      }
      now.silentMs += heartbeatMs;
      now.busyMs += usedMs;
      now.idleMs = usedMs > 0 || use?.isRunnable ? 0 : now.idleMs + heartbeatMs;
      const silent = `silent for ${now.silentMs} ms`;
      const used = `it used ${now.busyMs} ms of processor time`;
      if (now.idleMs >= timeoutMs)
        return {
          state: "hung",
          message: `hung: ${silent}; ${use ? used : "what it does is not known here"}`,
          isCertain: use !== undefined,
        };
      if (now.busyMs >= busyMs)
        return { state: "hung", message: `hung: ${silent}; ${used}`, isCertain: true };
      return now.silentMs >= timeoutMs ? { state: "busy", message: `${silent}; ${used}` } : { state: "well" };
    },
  };
}
