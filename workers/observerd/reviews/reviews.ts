/** The verb that judges outputs: rules first, a model when they are not sure, and the log before the answer. */

import { join } from "node:path";
import type { VerbsOf } from "../../../runtime/contract/contract.ts";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import { unlessFound } from "../../../runtime/idempotency/idempotency.ts";
import { closedLog, inspectLineLog, logDamageOf, openToInspect } from "../../../runtime/line-log/line-log.ts";
import { timestamp } from "../../../runtime/scheduling/scheduling.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Chatd } from "../../chatd/contract.ts";
import type { Observerd } from "../contract.ts";
import { checkJudged, type Review, type Reviews, reviewsFormat, reviewsName } from "./log.ts";
import { secondOpinion } from "./model.ts";
import { scored } from "./score.ts";
import { type Judgement, judge } from "./verdict.ts";
import { waitingPage } from "./waiting.ts";

export { type Judged, openReviews, type Review, type Reviews, reviewsName, saidIn } from "./log.ts";

/** The review is on stable storage when this answers. It is not recorded as an operation. */
export function reviewVerbs({
  deps,
  reviews,
}: {
  deps: Deps<{ chatd: Chatd }>;
  reviews: Pick<Reviews, "add" | "all">;
}): Pick<VerbsOf<Observerd>, "review" | "score" | "waiting"> {
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
    score: unlessFound(
      async (input, context) => {
        const judged = await scored(reviews, input, {
          id: context.operation?.id ?? newId(),
          at: timestamp(clock),
          signal: context.signal,
        });
        await reviews.add(judged);
        verdicts.add(1, { verdict: judged.review.verdict, reviewer: "human" });
        return judged.review;
      },
      (review: Review) => review,
    ),
    waiting: (asked, { signal }) => waitingPage(reviews, asked, signal),
  };
}

// Reads every line of the reviews' log again.

interface Inspection {
  directory: string;
  service: string;
  signal: AbortSignal;
  /** What to do about damage in the file, at a line or, for line 0, as a whole. */
  remedyOf: (file: string) => (line: number) => string;
}

export async function* inspectReviews(
  reviews: Pick<Reviews, "atRest">,
  { remedyOf, ...common }: Inspection,
): AsyncGenerator<Inspected> {
  try {
    yield* inspectLineLog({
      ...common,
      ...reviewsFormat,
      file: reviewsName,
      opened: await reviews.atRest((state) => openToInspect(join(common.directory, reviewsName), state)),
      check: checkJudged,
      remedy: remedyOf(reviewsName),
    });
  } catch (cause) {
    const refused = logDamageOf(cause);
    if (!refused) throw cause;
    yield closedLog(refused);
  }
}
