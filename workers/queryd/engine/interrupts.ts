/** Calls into DuckDB that end when the signal aborts: interrupts are repeated until the call has returned. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { EngineError, engineError } from "../errors/errors.ts";

interface Interruptible {
  interrupt: () => void;
}

/** An interrupt that comes before its call has begun is lost: it is repeated until the call has returned. */
const interruptEveryMs = 10;
/** What a call gets that comes after the end. */
const stopped = () => new EngineError("INTERRUPT", "the service is stopping");

/** One call at a time on a connection, interrupted when the signal aborts. */
export function createCalls(connection: Interruptible, signal: AbortSignal, clock: Clock) {
  let busy: Promise<unknown> | undefined;
  let ended = false;
  const quiet = async (): Promise<void> => {
    while (busy) {
      connection.interrupt();
      await Promise.race([busy.catch(() => {}), clock.sleep(interruptEveryMs)]);
    }
  };
  const onAbort = () => void quiet();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    call: async <T>(work: () => Promise<T>): Promise<T> => {
      if (signal.aborted || ended) throw stopped();
      const running = work();
      busy = running;
      try {
        return await running;
      } catch (cause) {
        throw engineError(cause);
      } finally {
        busy = undefined;
      }
    },
    /** Interrupts what runs and waits for it; nothing runs afterwards. */
    end: (): Promise<void> => {
      ended = true;
      signal.removeEventListener("abort", onAbort);
      return quiet();
    },
  };
}

/** Reads what is left of a stream while interrupting it, so that DuckDB lets go of it. */
export async function drain(
  connection: Interruptible,
  result: { fetchChunk: () => Promise<{ rowCount: number } | null> },
  clock: Clock,
): Promise<void> {
  for (let over = false; !over; ) {
    const fetched = result.fetchChunk().then(
      (chunk) => !chunk?.rowCount,
      () => true, // Interrupted: it holds nothing any more.
    );
    let settled = false;
    const watched = fetched.then((value) => {
      settled = true;
      over = value;
    });
    while (!settled) {
      connection.interrupt();
      await Promise.race([watched, clock.sleep(interruptEveryMs)]);
    }
  }
}
