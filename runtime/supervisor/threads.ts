/** The threads of this process: starts them, and gives all of them their heartbeat. */

import type { Config, ServiceSection } from "../config/config.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import type { Log } from "../telemetry/telemetry.ts";
import type { ReadThread } from "../thread-time/thread-time.ts";
import type { Topology } from "../topology.ts";
import { startUnit, type Unit } from "./unit.ts";
import type { Health } from "./watchdog.ts";

export interface ThreadsOptions {
  config: Config;
  topology: Topology;
  /** What a thread does: a busy one works or waits for a processor, a hung one does neither. */
  readThread: ReadThread;
  clock: Clock;
  log: Log;
}

interface Threads {
  start: (name: ServiceSection) => Unit;
  /** Ends those that still live, such as those whose service never began. */
  end: () => Promise<void>;
}

/** `onHealth` is called when the judgement of a thread changes. */
export function createThreads(
  { config, topology, readThread, clock, log }: ThreadsOptions,
  onHealth: (name: ServiceSection, unit: Unit, health: Health) => void,
): Threads {
  const { heartbeat_ms: everyMs, heartbeat_timeout_ms: timeoutMs } = config.supervisor;
  const units = new Set<Unit>();
  let cancel = () => {};
  const beat = () => {
    const dueAt = clock.elapsed() + everyMs;
    cancel = clock.after(everyMs, () => {
      const lateMs = Math.round(clock.elapsed() - dueAt);
      if (lateMs > timeoutMs)
        log.warn("this process was held: the silence is not counted", { held_ms: lateMs });
      for (const unit of units) unit.beat();
      beat();
    });
  };
  beat();
  return {
    start: (name) => {
      const unit = startUnit({
        ...topology[name],
        name,
        readThread,
        onHealth: (health) => onHealth(name, unit, health),
        settings: config.supervisor,
      });
      units.add(unit);
      void unit.ended.then(() => units.delete(unit));
      return unit;
    },
    end: async () => {
      await Promise.all([...units].map((unit) => unit.kill()));
      cancel();
    },
  };
}
