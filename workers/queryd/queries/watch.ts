/** What ends a query from outside: its time, and its caller who went away. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
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
