/** The deadlines of one call: for the entire call, and for the wait for its next chunk. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { failure } from "../providers/providers.ts";

export interface Deadline {
  /** Aborted with a ProviderFailure when a deadline passed, or with the caller's own reason. */
  signal: AbortSignal;
  /** Fails the call when `rest` or `expect` is not called again within `ms`; `what` names what was expected. */
  expect: (ms: number, what: string) => void;
  /** Disarms the wait until `expect` is called again. */
  rest: () => void;
  /** Stops all timers. */
  end: () => void;
  /** Stops all timers and aborts the call. */
  abort: (reason: unknown) => void;
}

/** `who` is as `ollama (model 'x')`. */
export function createDeadline(
  outer: AbortSignal,
  { clock, totalMs, who }: { clock: Pick<Clock, "elapsed" | "after">; totalMs: number; who: string },
): Deadline {
  const controller = new AbortController();
  const expire = (message: string) =>
    controller.abort(failure("deadline_exceeded", `${who} ${message}`, "next"));
  const onAbort = () => controller.abort(outer.reason);
  let due = Number.POSITIVE_INFINITY;
  let waitedFor = "";
  let allowed = 0;
  let stopSilence: (() => void) | undefined;
  // One timer for all tokens: when it fires too early, it is set anew for what is left.
  const arm = () => {
    stopSilence = clock.after(Math.max(1, due - clock.elapsed()), () => {
      stopSilence = undefined;
      if (due === Number.POSITIVE_INFINITY) return;
      if (clock.elapsed() < due) return arm();
      expire(`sent no ${waitedFor} within ${allowed} ms`);
    });
  };
  const stopTotal = clock.after(totalMs, () => expire(`did not finish within ${totalMs} ms`));
  if (outer.aborted) onAbort();
  else outer.addEventListener("abort", onAbort, { once: true });
  const end = () => {
    stopTotal();
    stopSilence?.();
    stopSilence = undefined;
    due = Number.POSITIVE_INFINITY;
    outer.removeEventListener("abort", onAbort);
  };
  return {
    signal: controller.signal,
    end,
    rest: () => {
      due = Number.POSITIVE_INFINITY;
    },
    abort: (reason) => {
      end();
      controller.abort(reason);
    },
    expect: (ms, what) => {
      const isSooner = clock.elapsed() + ms < due;
      due = clock.elapsed() + ms;
      waitedFor = what;
      allowed = ms;
      if (isSooner) {
        stopSilence?.();
        stopSilence = undefined;
      }
      if (!stopSilence && !controller.signal.aborted) arm();
    },
  };
}
