/** Storage may start later than vectord: it is asked until it answers. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";

/** Wait before storage is asked again, in milliseconds. */
const retryMs = 500;

export async function whenStored<T>(
  work: () => Promise<T>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof ServiceError && [502, 503, 504].includes(error.status);
      if (!passing || signal.aborted) throw error;
      log.warn("storage does not answer yet", describe(error));
      await clock.sleep(retryMs, signal);
    }
  }
}
