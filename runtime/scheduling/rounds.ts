/** What a service does again and again, one round after the other. */
import type { Clock } from "./clock.ts";

interface Pace {
  clock: Pick<Clock, "sleep">;
  signal: AbortSignal;
  /** Before the first round, in milliseconds. */
  firstMs: number;
  /** Between two rounds. */
  restMs: number;
  /** After a round that failed, so that nothing is tried without end: a peer may be away, or a disk full. */
  afterFailureMs: number;
}

/** Resolves when the signal has ended it. */
export async function inRounds(
  { clock, signal, firstMs, restMs, afterFailureMs }: Pace,
  round: () => Promise<void>,
  failed: (cause: unknown) => void,
): Promise<void> {
  const rest = (ms: number) => clock.sleep(ms, signal);
  const run = async () => {
    for (await rest(firstMs); ; )
      try {
        await round();
        await rest(restMs);
      } catch (cause) {
        signal.throwIfAborted();
        failed(cause);
        await rest(afterFailureMs);
      }
  };
  await run().catch((cause) => {
    if (!signal.aborted) throw cause;
  });
}
