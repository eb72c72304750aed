/** The reviews, durable: a log of their own, read from the disk when training sets are made. */
import { join } from "node:path";
import type { Static } from "@sinclair/typebox";
import { type LineLog, openLineLog, readLineLog } from "../../runtime/line-log.ts";
import type { Review as ReviewSchema } from "./contract.ts";

export type Review = Static<typeof ReviewSchema>;

/** A review with what was judged: a training set needs both. */
export interface Judged {
  review: Review;
  task: string;
  output: string;
  trace_uid?: string;
}

export interface Reviews {
  /** Resolves when it is on stable storage. */
  add: (judged: Judged) => Promise<void>;
  /** All reviews that were there when this was called, oldest first; holds one at a time. */
  all: () => AsyncIterable<Judged>;
  atRest: LineLog<Judged>["atRest"];
  /** What opening found damaged, for `/readyz`; empty when all is well. */
  problems: () => string[];
  close: () => Promise<void>;
}

export const reviewsName = "reviews.log";
export const reviewsFormat = { format: "lakehouse.reviews", version: 1 } as const;

/** Throws for what is no review. */
export function checkJudged({ review, task, output }: Judged): void {
  if (typeof review?.id !== "string" || typeof task !== "string" || typeof output !== "string")
    throw new Error("not a review");
}

/** Opens `reviews.log` of the directory. Throws `corrupt` when a newer program wrote it. */
export async function openReviews({ directory }: { directory: string }): Promise<Reviews> {
  const path = join(directory, reviewsName);
  // Nothing is kept in memory; what is no review counts as damaged.
  const log = await openLineLog<Judged>({ path, ...reviewsFormat, replay: checkJudged });
  const { damagedCount, torn } = log.report;
  return {
    add: log.append,
    atRest: log.atRest,
    all: () => readLineLog<Judged>(path, { end: log.bytes() }),
    problems: () => {
      if (damagedCount === 0) return [];
      const [first] = log.report.damaged;
      const where = first ? `, the first at line ${first.line} (byte ${first.offset})` : "";
      const cut = torn ? `; a last line of ${torn.bytes} bytes was never finished` : "";
      return [`reviews.log: ${damagedCount} damaged lines were skipped${where}${cut}`];
    },
    close: log.close,
  };
}
