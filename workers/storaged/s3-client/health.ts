/** Health of a bucket's server: probed at the start, and again after a failure until it answers. */

import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";

/** Pause between two probes of an unhealthy server. */
const pauseMs = 5000;

export interface Health<T> {
  /** The probe's result; probes again when it has failed so far, and throws its error. */
  probed: () => Promise<T>;
  /** The probe's result, if there is one. */
  found: () => T | undefined;
  reasons: () => string[];
  /** Runs work against the server; a failure of the server starts probing again. */
  note: <R>(work: () => Promise<R>) => Promise<R>;
  stop: () => Promise<void>;
}

interface HealthOptions<T> {
  name: string;
  probe: (signal: AbortSignal) => Promise<T>;
  clock: Clock;
  log: Log;
}

const serverFaults = new Set(["bad_gateway", "deadline_exceeded", "storage_full"]);

export function createHealth<T>({ name, probe, clock, log }: HealthOptions<T>): Health<T> {
  const stopping = new AbortController();
  let found: T | undefined;
  let trouble: string | undefined = `bucket '${name}' has not answered yet`;
  let running: Promise<T> | undefined;
  let asking: Promise<void> | undefined;

  const ask = (): Promise<T> => {
    running ??= probe(stopping.signal)
      .then((result) => {
        found = result;
        trouble = undefined;
        return result;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  const doubt = (error: unknown) => {
    trouble = error instanceof ServiceError ? error.message : `bucket '${name}' cannot be used: see the log`;
    asking ??= askUntilWell().finally(() => {
      asking = undefined;
    });
  };
  const askUntilWell = async () => {
    while (trouble !== undefined && !stopping.signal.aborted) {
      await ask().catch((error) => {
        if (stopping.signal.aborted) return;
        trouble = error instanceof ServiceError ? error.message : trouble;
        log.warn("an S3 bucket is not well", { bucket: name, ...describe(error) });
      });
      if (trouble !== undefined) await clock.sleep(pauseMs, stopping.signal).catch(() => undefined);
    }
  };
  asking = askUntilWell().finally(() => {
    asking = undefined;
  });

  return {
    probed: async () => found ?? ask(),
    found: () => found,
    reasons: () => (trouble === undefined ? [] : [trouble]),
    note: async (work) => {
      try {
        return await work();
      } catch (error) {
        if (error instanceof ServiceError && serverFaults.has(error.type)) doubt(error);
        throw error;
      }
    },
    stop: async () => {
      stopping.abort();
      await asking;
    },
  };
}
