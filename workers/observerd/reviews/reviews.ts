/** The verb that judges outputs: rules first, a model when they are not sure, and the log before the answer. */

import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import { unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Chatd } from "../../chatd/contract.ts";
import type { Observerd } from "../contract.ts";
import type { Review, Reviews } from "./log.ts";
import { secondOpinion } from "./model.ts";
import { type Judgement, judge } from "./verdict.ts";

export { inspectReviews } from "./inspection.ts";
export { type Judged, openReviews, type Review, type Reviews, reviewsName } from "./log.ts";

/** The review is on stable storage when this answers. It is not recorded as an operation. */
export function reviewVerbs({
  deps,
  reviews,
}: {
  deps: Deps<{ chatd: Chatd }>;
  reviews: Pick<Reviews, "add">;
}): Pick<VerbsOf<Observerd>, "review"> {
  const { config, clock, metrics, newId, peers } = deps;
  const { review_model: model, review_timeout_ms: timeoutMs } = config.observerd;
  const verdicts = metrics.counter(
    "observerd_reviews_total",
    "Outputs judged, by verdict and kind of reviewer.",
  );
  return {
    review: unlessFound(
      async (input, context) => {
        const { task, output, evidence = [], run_id: runId, trace_uid: traceUid } = input;
        const subject = { task, output, evidence };
        const rules = judge(subject);
        const isUnsure = rules.verdict === "needs_human" && model !== "" && !input.heuristic_only;
        const chatd = peers.chatd.verbs;
        const judged: Judgement & { reviewer: string } = isUnsure
          ? await secondOpinion(subject, rules, { chatd, model, timeoutMs }, context)
          : { ...rules, reviewer: "heuristic" };
        const review: Review = {
          // With an Idempotency-Key a repetition is recognised by this id.
          id: context.operation?.id ?? newId(),
          at: timestamp(clock),
          ...judged,
          ...(runId !== undefined && { run_id: runId }),
        };
        await reviews.add({ review, task, output, ...(traceUid !== undefined && { trace_uid: traceUid }) });
        verdicts.add(1, {
          verdict: review.verdict,
          reviewer: review.reviewer === "heuristic" ? "heuristic" : "model",
        });
        return review;
      },
      (review: Review) => review,
    ),
  };
}
