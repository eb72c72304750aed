/** A person's score as a review: of an output that was reviewed before, or of a run as a whole. */
import type { InputOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField } from "../../../runtime/errors/errors.ts";
import type { Observerd } from "../contract.ts";
import type { Judged, Reviews } from "./log.ts";

type Scoring = InputOf<Observerd["endpoints"]["score"]>;

/** From here on an answer is accepted. */
const acceptedMin = 0.5;

/**
 * The review to keep, with what it is about. Reads the log for the review it names. Throws `invalid_field` for both or
 * neither subject, `not_found` for a review that is not there.
 */
export async function scored(
  reviews: Pick<Reviews, "all">,
  { review_id: reviewId, run_id: runId, score, by, comment }: Scoring,
  { id, at, signal }: { id: string; at: string; signal: AbortSignal },
): Promise<Judged> {
  if ((reviewId === undefined) === (runId === undefined))
    throw invalidField(
      "review_id",
      `expected either review_id or run_id, got ${reviewId === undefined ? "neither" : "both"}`,
    );
  const about = reviewId === undefined ? undefined : await find(reviews, reviewId, signal);
  const run = about?.review.run_id ?? runId;
  const detail = comment ?? `scored ${score}`;
  return {
    // A run is judged by what its operations say.
    task: about?.task ?? "",
    output: about?.output ?? "",
    ...(about?.trace_uid !== undefined && { trace_uid: about.trace_uid }),
    ...(about && { settles: about.review.id }),
    review: {
      id,
      at,
      verdict: score >= acceptedMin ? "accept" : "reject",
      // 0.5 says as little as a coin, 0 and 1 say all.
      confidence: Math.max(score, 1 - score),
      reasons: [{ rule: "human", weight: score, detail }],
      reviewer: "human",
      by,
      ...(run !== undefined && { run_id: run }),
    },
  };
}

async function find(reviews: Pick<Reviews, "all">, id: string, signal: AbortSignal): Promise<Judged> {
  for await (const judged of reviews.all()) {
    signal.throwIfAborted();
    if (judged.review.id === id) return judged;
  }
  throw fail(
    "not_found",
    `there is no review '${id}': POST /observer/review answers the id of each that it makes`,
  );
}
