/** Answers that callers asked to be remembered: by the exact request, bounded in bytes and time. Failures never come in. */
import type { Clock } from "../../runtime/clock.ts";
import type { Target } from "../../runtime/model-names.ts";
import type { Ask } from "./conversation.ts";

/** Who answered, and what: a completion, or the chunks of a stream, as JSON. */
export interface Remembered {
  target: Target;
  texts: readonly string[];
}

export interface AnswerCache {
  get: (key: string) => Remembered | undefined;
  put: (key: string, answer: Remembered) => void;
  bytes: () => number;
  entries: () => number;
}

/** Memory of an entry and of each of its texts beside their characters: map slot, objects, headers of strings. */
const entryBytes = 512;
const textBytes = 64;

/** The key: all that decides the answer, in the order it was sent. */
export const cacheKey = ({ body, streamed, contextTokens }: Ask, targets: readonly Target[]): string =>
  new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([streamed, targets.map(({ id }) => id), contextTokens ?? 0, body]))
    .digest("base64");

const bytesOf = ({ texts }: Remembered): number =>
  texts.reduce((sum, text) => sum + textBytes + 2 * text.length, entryBytes);

export function createAnswerCache({
  bytesMax,
  ttlMs,
  clock,
}: {
  bytesMax: number;
  ttlMs: number;
  clock: Pick<Clock, "elapsed">;
}): AnswerCache {
  // A Map lists its keys in the order of insertion: what is used is inserted anew, so the first is the oldest.
  const kept = new Map<string, { answer: Remembered; bytes: number; until: number }>();
  let bytes = 0;
  const remove = (key: string) => {
    bytes -= kept.get(key)?.bytes ?? 0;
    kept.delete(key);
  };
  return {
    bytes: () => bytes,
    entries: () => kept.size,
    get: (key) => {
      const found = kept.get(key);
      if (!found) return undefined;
      remove(key);
      if (found.until <= clock.elapsed()) return undefined;
      kept.set(key, found);
      bytes += found.bytes;
      return found.answer;
    },
    put: (key, answer) => {
      remove(key);
      const size = bytesOf(answer);
      if (size > bytesMax) return;
      for (const oldest of kept.keys()) {
        if (bytes + size <= bytesMax) break;
        remove(oldest);
      }
      kept.set(key, { answer, bytes: size, until: clock.elapsed() + ttlMs });
      bytes += size;
    },
  };
}
