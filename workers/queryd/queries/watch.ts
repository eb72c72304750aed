/** What bounds a query from outside: a free slot, its time, and its caller who went away. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock, Limiter } from "../../../runtime/scheduling/scheduling.ts";
import type { ActiveQuery } from "./registry.ts";

/** Stops the query when its time is over or its caller went away; the function returned ends the watch. */
export function watch(
  active: ActiveQuery,
  caller: AbortSignal,
  { clock, timeoutMs }: { clock: Clock; timeoutMs: number },
): () => void {
  const gone = () => active.stop(fail("client_closed", "the caller went away"));
  if (caller.aborted) gone();
  caller.addEventListener("abort", gone, { once: true });
  const forget = clock.after(timeoutMs, () => active.stop(late(timeoutMs)));
  return () => {
    forget();
    caller.removeEventListener("abort", gone);
  };
}

const late = (timeoutMs: number): ServiceError =>
  fail(
    "timeout",
    `the query did not end within ${timeoutMs} ms; give it more time by timeout_ms, or ask for less`,
  );

/** Work that takes a child of its own for a moment, when a slot is free. */
export async function limited<T>(limiter: Limiter, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const release = await limiter.take(signal);
  try {
    return await work();
  } finally {
    release();
  }
}
