/** Background loops: each runs after its interval, never beside itself, and says what it did. */

import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { type Clock, timestamp } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Observerd } from "../contract.ts";

export interface Loop {
  name: string;
  enabled: boolean;
  intervalMs: number;
  /** Does one bounded piece of work and says what it did. The signal is aborted when the service stops. */
  run: (signal: AbortSignal) => Promise<string>;
}

type LoopStatus = ReplyOf<Observerd["endpoints"]["loops"]>["loops"][number];

export interface Loops {
  list: () => LoopStatus[];
  /** Ends what is under way. */
  stop: () => Promise<void>;
}

/** Starts those that are enabled; the first run comes after one interval, the next one an interval after its end. */
export function startLoops(loops: readonly Loop[], { clock, log }: { clock: Clock; log: Log }): Loops {
  const stopped = new AbortController();
  const started = loops.map((loop) => start(loop, { clock, log, signal: stopped.signal }));
  return {
    list: () => started.map(({ status }) => status()),
    stop: async () => {
      stopped.abort(new Error("observerd stops"));
      await Promise.all(started.map(({ ended }) => ended));
    },
  };
}

function start(
  { name, enabled, intervalMs, run }: Loop,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): { status: () => LoopStatus; ended: Promise<void> } {
  let status: LoopStatus = { name, enabled, interval_ms: intervalMs, runs: 0 };
  const runOnce = async () => {
    const began = clock.elapsed();
    const { last_error: _, last_result: __, ...before } = status;
    const at = timestamp(clock);
    const outcome = await run(signal).then(
      (last_result) => ({ last_result }),
      (cause) => {
        if (!signal.aborted) log.warn(`loop ${name} failed`, describe(cause));
        return { last_error: cause instanceof Error ? cause.message : String(cause) };
      },
    );
    const last_duration_ms = Math.round((clock.elapsed() - began) * 1000) / 1000;
    status = { ...before, runs: before.runs + 1, last_run_at: at, last_duration_ms, ...outcome };
  };
  const live = async () => {
    while (!signal.aborted) {
      await clock.sleep(intervalMs, signal).catch(() => undefined);
      if (!signal.aborted) await runOnce();
    }
  };
  return { status: () => status, ended: enabled ? live() : Promise.resolve() };
}
