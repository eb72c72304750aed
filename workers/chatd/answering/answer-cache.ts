/** Cached answers, by the exact request: bounded in bytes and time. Failures are never cached. */
import { LRUCache } from "lru-cache";
import type { Target } from "../../../runtime/models/models.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { ChatRequest } from "../conversation/conversation.ts";

/** Who answered, and what: a completion, or the chunks of a stream, each as JSON. */
export interface CachedAnswer {
  target: Target;
  texts: readonly string[];
}

export type AnswerCache = LRUCache<string, CachedAnswer>;

/** Overhead of an entry and of each of its texts, in bytes: map slot, objects, string headers. */
const entryBytes = 512;
const textBytes = 64;

/** The hash of everything that decides the answer, in the order it was sent. */
export const cacheKey = (
  { body, streamed, contextTokens }: ChatRequest,
  targets: readonly Target[],
): string =>
  new Bun.CryptoHasher("sha256")
    .update(JSON.stringify([streamed, targets.map(({ id }) => id), contextTokens ?? 0, body]))
    .digest("base64");

const bytesOf = ({ texts }: CachedAnswer): number =>
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
