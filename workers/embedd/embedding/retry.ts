/** One provider call with a deadline and retries. */

import { fail, final } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { TransientFailure } from "../providers/providers.ts";

/** First wait between two tries when the provider names none; doubled each time. The openai package takes 500 ms. */
const backoffMs = 250;

interface RetryRules {
  /** Tries after the first. */
  retries: number;
  /** For all tries together, in milliseconds. */
  timeoutMs: number;
  clock: Clock;
  /** As `ollama (model 'ollama/x')`, for messages. */
  what: string;
}

/**
 * Runs the work, and again after a TransientFailure: after the provider's Retry-After or a backoff, never past the
 * deadline. Throws the failure's error when tries or time are used up, `deadline_exceeded` when the work takes
 * longer, and the signal's reason when that aborts.
 */
export async function withRetries<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
  { retries, timeoutMs, clock, what }: RetryRules,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => controller.abort(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const end = clock.elapsed() + timeoutMs;
  clock.sleep(timeoutMs, controller.signal).then(
    () => controller.abort(fail("deadline_exceeded", `${what} did not answer within ${timeoutMs} ms`)),
    () => {},
  );
  try {
    for (let attempt = 0; ; attempt++) {
      const failure = await tried(work, controller.signal);
      if (!(failure instanceof TransientFailure)) return failure.value;
      const waitMs = failure.retryAfterMs ?? backoffMs * 2 ** attempt;
      if (attempt >= retries || clock.elapsed() + waitMs >= end)
        throw attempt > 0 ? final(failure.error) : failure.error;
      await clock.sleep(waitMs, controller.signal);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    controller.abort();
  }
}

async function tried<T>(
  work: (signal: AbortSignal) => Promise<T>,
  signal: AbortSignal,
): Promise<{ value: T } | TransientFailure> {
  try {
    signal.throwIfAborted();
    return { value: await work(signal) };
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    if (cause instanceof TransientFailure) return cause;
    throw cause;
  }
}
