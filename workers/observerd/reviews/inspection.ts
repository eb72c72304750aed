/** Reads every line of the reviews' log again. */
import { join } from "node:path";
import type { Inspected } from "../../../runtime/durable/durable.ts";
import { closedLog, inspectLineLog, logDamageOf, openToInspect } from "../../../runtime/line-log/line-log.ts";
import { checkJudged, type Reviews, reviewsFormat, reviewsName } from "./log.ts";

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
