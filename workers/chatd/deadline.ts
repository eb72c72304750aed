/** The deadlines of one call: for all of it, and for the silence before its next sign of life. */
import type { Clock } from "../../runtime/clock.ts";
import { failure } from "./provider.ts";

export interface Deadline {
  /** Aborted with a ProviderFailure when a deadline passed, or with the caller's own reason. */
  signal: AbortSignal;
  /** From now on, silence of `ms` is too long; `what` was waited for. */
  expect: (ms: number, what: string) => void;
  /** Silence is allowed until `expect` is called again. */
  rest: () => void;
  /** Stops all clocks. */
  end: () => void;
  /** Stops all clocks, and the call. */
  abort: (reason: unknown) => void;
}

/** `who` is as `ollama (model 'x')`. */
export function createDeadline(
  outer: AbortSignal,
  { clock, totalMs, who }: { clock: Pick<Clock, "elapsed" | "after">; totalMs: number; who: string },
): Deadline {
  const controller = new AbortController();
  const late = (message: string) =>
    controller.abort(failure("deadline_exceeded", `${who} ${message}`, "next"));
  const leave = () => controller.abort(outer.reason);
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
      late(`sent no ${waitedFor} within ${allowed} ms`);
    });
  };
  const stopTotal = clock.after(totalMs, () => late(`did not finish within ${totalMs} ms`));
  if (outer.aborted) leave();
  else outer.addEventListener("abort", leave, { once: true });
  const end = () => {
    stopTotal();
    stopSilence?.();
    stopSilence = undefined;
    due = Number.POSITIVE_INFINITY;
    outer.removeEventListener("abort", leave);
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
