/** Work that takes a child of its own for a moment, when a slot is free. */
import type { Limiter } from "../../../runtime/scheduling/scheduling.ts";

export async function limited<T>(limiter: Limiter, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  const release = await limiter.take(signal);
  try {
    return await work();
  } finally {
    release();
  }
}
