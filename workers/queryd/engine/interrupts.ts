/** Calls into DuckDB that end when the signal aborts: interrupts are repeated until the call has returned. */
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { EngineError, engineError } from "../errors/errors.ts";

interface Interruptible {
  interrupt: () => void;
}

const interruptEveryMs = 10;

/** Interrupts until the call has ended: an interrupt that comes before it has begun is lost. */
async function interruptUntil(
  connection: Interruptible,
  call: Promise<unknown>,
  clock: Clock,
): Promise<void> {
  let hasEnded = false;
  const end = () => {
    hasEnded = true;
  };
  const ended = call.then(end, end);
  while (!hasEnded) {
    connection.interrupt();
    await Promise.race([ended, clock.sleep(interruptEveryMs)]);
  }
}

/** One call at a time on a connection, interrupted when the signal aborts. */
export function createCalls(connection: Interruptible, signal: AbortSignal, clock: Clock) {
  let busy: Promise<unknown> | undefined;
  let ended = false;
  const quiet = async () => busy && interruptUntil(connection, busy, clock);
  const onAbort = () => void quiet();
  signal.addEventListener("abort", onAbort, { once: true });
  return {
    call: async <T>(work: () => Promise<T>): Promise<T> => {
      if (signal.aborted || ended) throw new EngineError("INTERRUPT", "the service is stopping");
      busy = work();
      try {
        return await (busy as Promise<T>);
      } catch (cause) {
        throw engineError(cause);
      } finally {
        busy = undefined;
      }
    },
    /** Interrupts what runs and waits for it; nothing runs afterwards. */
    end: async (): Promise<void> => {
      ended = true;
      signal.removeEventListener("abort", onAbort);
      await quiet();
    },
  };
}

/** Reads what is left of a stream while interrupting it, so that DuckDB lets go of it. */
export async function drain(
  connection: Interruptible,
  result: { fetchChunk: () => Promise<{ rowCount: number } | null> },
  clock: Clock,
): Promise<void> {
  for (let rows: number | undefined = 1; rows; ) {
    const fetched = result.fetchChunk();
    await interruptUntil(connection, fetched, clock);
    // An interrupted stream holds nothing any more.
    rows = (await fetched.catch(() => null))?.rowCount;
  }
}
