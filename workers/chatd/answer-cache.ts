/** Answers that callers asked to be remembered: by the exact request, bounded in bytes and time. Failures never come in. */
import { LRUCache } from "lru-cache";
import type { Clock } from "../../runtime/clock.ts";
import type { Target } from "../../runtime/model-names.ts";
import type { Ask } from "./conversation.ts";

/** Who answered, and what: a completion, or the chunks of a stream, as JSON. */
export interface Remembered {
  target: Target;
  texts: readonly string[];
}

export type AnswerCache = LRUCache<string, Remembered>;

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

interface Limits {
  bytesMax: number;
  ttlMs: number;
  clock: Pick<Clock, "elapsed">;
}

export const createAnswerCache = ({ bytesMax, ttlMs, clock }: Limits): AnswerCache =>
  new LRUCache({
    // With 0 bytes every answer is too large to be kept.
    maxSize: Math.max(1, bytesMax),
    sizeCalculation: bytesOf,
    ttl: ttlMs,
    ttlResolution: 0,
    perf: { now: clock.elapsed },
  });
