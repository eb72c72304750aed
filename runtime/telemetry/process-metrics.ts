/** What one service takes of its process: services of one process share all but their JavaScript heaps. */
import { readdirSync, readFileSync } from "node:fs";
import { version } from "../../package.json";
import type { Metrics } from "./metrics.ts";

export function measureThread(metrics: Metrics): void {
  const startedAt = performance.now();
  metrics.gauge("uptime_seconds", "Time since this service started.", () =>
    Math.round((performance.now() - startedAt) / 1000),
  );
  metrics.gauge(
    "heap_bytes",
    "JavaScript heap of this service's thread.",
    () => process.memoryUsage().heapUsed,
  );
  metrics.gauge("process_id", "The process this service is in.", () => process.pid);
  metrics.info("build_info", "What runs.", {
    version,
    bun: Bun.version,
    platform: `${process.platform}-${process.arch}`,
  });
  measureProcess(metrics);
}

/** By the names that Prometheus' own clients have for them. */
function measureProcess(metrics: Metrics): void {
  metrics.standard(
    "process_cpu_seconds_total",
    "Processor time of the process, without its children.",
    () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  );
  metrics.standard(
    "process_resident_memory_bytes",
    "Resident memory of the process this service is in.",
    () => process.memoryUsage.rss(),
  );
  const began = Date.now() / 1000 - process.uptime();
  metrics.standard("process_start_time_seconds", "When the process began, since the epoch.", () => began);
  metrics.standard("process_virtual_memory_bytes", "Address space of the process.", () => {
    const pages = /^VmSize:\s+(\d+) kB$/m.exec(proc("status"))?.[1];
    return pages === undefined ? undefined : Number(pages) * 1024;
  });
  metrics.standard("process_open_fds", "Open descriptors.", openDescriptors);
  metrics.standard("process_max_fds", "Most descriptors that may be open.", () => {
    const limit = /^Max open files\s+(\d+)/m.exec(proc("limits"))?.[1];
    return limit === undefined ? undefined : Number(limit);
  });
}

/** Linux tells; elsewhere, and where no descriptor is left, nothing is said. */
function proc(file: string): string {
  try {
    return readFileSync(`/proc/self/${file}`, "utf8");
  } catch {
    return "";
  }
}

function openDescriptors(): number | undefined {
  try {
    return readdirSync("/proc/self/fd").length;
  } catch {
    return undefined;
  }
}
