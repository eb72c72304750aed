/** The reviews that wait for a person: needs_human, and not scored since. */
import type { InputOf, ReplyOf } from "../../../runtime/contract/contract.ts";
import { pageById } from "../../../runtime/pages/pages.ts";
import type { Observerd } from "../contract.ts";
import type { Judged, Reviews } from "./log.ts";

type Waiting = Observerd["endpoints"]["waiting"];

/** One that waits, without its texts: there may be many. */
interface Waits {
  /** Its place in the log, in a form whose order as text is that of the log. */
  place: string;
  id: string;
  runId: string | undefined;
  /** Of what was judged: scores of earlier releases do not say which review they settle. */
  digest: string;
}

const digestOf = ({ task, output }: Judged): string => Bun.hash(JSON.stringify([task, output])).toString(36);

/** Digits of a place: as many as the largest exact number has. */
const placeDigits = 16;

/** A page of them. Reads the log once to know which wait, and to the last of the page for their texts. */
export async function waitingPage(
  reviews: Pick<Reviews, "all">,
  asked: InputOf<Waiting>,
  signal: AbortSignal,
): Promise<ReplyOf<Waiting>> {
  const waiting = new Map<string, Waits>();
  let line = 0;
  for await (const judged of reviews.all()) {
    signal.throwIfAborted();
    line += 1;
    const { review } = judged;
    if (review.reviewer === "human") settle(waiting, judged);
    else if (review.verdict === "needs_human")
      waiting.set(review.id, {
        place: String(line).padStart(placeDigits, "0"),
        id: review.id,
        runId: review.run_id,
        digest: digestOf(judged),
      });
  }
  const { page, next } = pageById([...waiting.values()], asked, ({ place }) => place);
  const wanted = new Set(page.map(({ id }) => id));
  const found: ReplyOf<Waiting>["reviews"] = [];
  for await (const { review, task, output } of reviews.all()) {
    signal.throwIfAborted();
    if (found.length === wanted.size) break;
    if (wanted.has(review.id)) found.push({ review, task, output });
  }
  return { reviews: found, ...next };
}

/** A score of one review settles that one, a score of a run all of the run. */
function settle(waiting: Map<string, Waits>, judged: Judged): void {
  const { settles, output, review } = judged;
  if (settles !== undefined) {
    waiting.delete(settles);
    return;
  }
  const isOfRun = output === "";
  const digest = digestOf(judged);
  for (const each of [...waiting.values()])
    if (isOfRun ? each.runId === review.run_id : each.digest === digest) waiting.delete(each.id);
}
