/** The reviews, durable: a log of their own, read from the disk when training sets are made. */
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import {
  type LineLog,
  logDamageOf,
  type MarkKeeping,
  openLineLog,
  readLineLog,
} from "../../../runtime/line-log/line-log.ts";
import type { Review as ReviewSchema } from "../contract.ts";

export type Review = Static<typeof ReviewSchema>;

/** A review with what was judged: a training set needs both. */
export interface Judged {
  review: Review;
  task: string;
  output: string;
  trace_uid?: string;
  /** Of a person's score of one review: which. */
  settles?: string;
}

export interface Reviews {
  /** Resolves when it is on stable storage. */
  add: (judged: Judged) => Promise<void>;
  /** All reviews that were there when this was called, oldest first; holds one at a time. */
  all: () => AsyncIterable<Judged>;
  atRest: LineLog<Judged>["atRest"];
  /** Those of which it is told go from every byte. */
  erase: (isMeant: (judged: Judged) => boolean) => Promise<void>;
  /** What opening found damaged, for `/readyz`; empty when all is well. */
  problems: () => string[];
  close: () => Promise<void>;
}

export const reviewsName = "reviews.log";
export const reviewsFormat = { format: "lakehouse.reviews", version: 1 } as const;

/** What callers, and models, have said in it: neither our own words nor our numbers. */
export const saidIn = ({
  task,
  output,
  trace_uid,
  review: { reasons, by, run_id, reviewer },
}: Judged): unknown[] => [
  ...[task, output, trace_uid, by, run_id, reviewer],
  ...reasons.map(({ detail }) => detail),
];

/** Throws for what is no review. */
export function checkJudged({ review, task, output }: Judged): void {
  if (typeof review?.id !== "string" || typeof task !== "string" || typeof output !== "string")
    throw new Error("not a review");
}

/**
 * Opens `reviews.log` of the directory; one that is not what was acknowledged stays closed. Throws `corrupt` when a newer
 * program wrote it.
 */
export async function openReviews({
  directory,
  marks,
  adopted,
  idempotency,
}: MarkKeeping & { directory: string; idempotency?: Pick<Idempotency, "found"> }): Promise<Reviews> {
  const path = join(directory, reviewsName);
  try {
    // Nothing is kept in memory; what is no review counts as damaged.
    const kept = { marks, adopted };
    const replay = (judged: Judged) => {
      checkJudged(judged);
      idempotency?.found(judged.review.id, () => judged.review);
    };
    return reviewsOf(path, await openLineLog<Judged>({ path, ...reviewsFormat, kept, replay }));
  } catch (cause) {
    if (!(cause instanceof ServiceError) || !logDamageOf(cause)) throw cause;
    return closedReviews(cause);
  }
}

/** A closed log: every call fails with the reason. */
function closedReviews(why: ServiceError): Reviews {
  const refuse = () => Promise.reject(why);
  return {
    add: refuse,
    all: () => {
      throw why;
    },
    atRest: refuse,
    erase: refuse,
    problems: () => [why.message],
    close: async () => {},
  };
}

function reviewsOf(path: string, log: LineLog<Judged>): Reviews {
  const { damagedCount, torn } = log.report;
  return {
    add: async (judged) => void (await log.append(judged)),
    atRest: log.atRest,
    erase: (isMeant) =>
      log.amend(
        (judged) => (isMeant(judged) ? undefined : judged),
        () => {},
      ),
    all: () => readLineLog<Judged>(path, { end: log.bytes() }),
    problems: () => {
      if (damagedCount === 0) return [];
      const [first] = log.report.damaged;
      const where = first ? `, the first at line ${first.line} (byte ${first.offset})` : "";
      const cut = torn ? `; a last line of ${torn.bytes} bytes was never finished` : "";
      return [`observerd/${reviewsName}: ${damagedCount} damaged lines were skipped${where}${cut}`];
    },
    close: log.close,
  };
}
