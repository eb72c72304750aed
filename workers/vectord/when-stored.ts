/** Storage may start later than vectord: it is asked until it answers. */
import type { Clock } from "../../runtime/clock.ts";
import { ServiceError } from "../../runtime/errors.ts";
import { describe, type Log } from "../../runtime/log.ts";

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
