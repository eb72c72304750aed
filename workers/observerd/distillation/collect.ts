/** What a distillation reads, into its working set; and which of it may be used. */
import type { CallContext } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Matrixd } from "../../matrixd/contract.ts";
import type { Pathwayd } from "../../pathwayd/contract.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { isTraceUid, type Operations } from "../operations/operations.ts";
import type { Reviews } from "../reviews/reviews.ts";
import { answersOfPlaybook, answersOfReview, answersOfRun, type Yield } from "./answer.ts";
import type { DistillStore } from "./working-set.ts";

/** Traces asked about at once; pathwayd takes 10,000. */
const tracesAtOnce = 1000;
/** A run with more operations is no conversation. */
const runOperationsMax = 200;
/** How often the work lets others of this thread have their turn. */
const pauseEvery = 50;

/** RFC 3339, the end excluded. */
export interface Span {
  since?: string | undefined;
  until?: string | undefined;
}

interface Asked extends Span {
  sources?: readonly string[] | undefined;
  context: CallContext;
}

export interface Read {
  operations: number;
  reviews: number;
  playbooks: number;
  /** Playbooks that matrixd held back because their trace is retired. */
  retiredPlaybooks: number;
}

/** Where a distillation reads, and where its sets go. */
export interface Sources {
  deps: Deps<{ storaged: Storaged; pathwayd: Pathwayd; matrixd: Matrixd }>;
  operations: Pick<Operations, "recorded">;
  reviews: Pick<Reviews, "all">;
}

/** Reads operations, reviews and playbooks of the span, and asks pathwayd which traces still live. */
export async function collect(
  { deps, operations, reviews }: Sources,
  store: DistillStore,
  { since, until, sources, context }: Asked,
): Promise<Read> {
  const { signal, requestId } = context;
  const wants = (source: string) => sources === undefined || sources.includes(source);
  const read: Read = { operations: 0, reviews: 0, playbooks: 0, retiredPlaybooks: 0 };
  for await (const operation of operations.recorded({ since, until })) {
    signal.throwIfAborted();
    if (!wants(operation.source)) continue;
    read.operations += 1;
    store.addOperation(operation);
  }
  const inSpan = (at: string) =>
    (since === undefined || Date.parse(at) >= Date.parse(since)) &&
    (until === undefined || Date.parse(at) < Date.parse(until));
  for await (const judged of reviews.all()) {
    signal.throwIfAborted();
    const { review } = judged;
    // A run may be reviewed long after it ended.
    if (review.run_id !== undefined) store.addVerdict(review.run_id, review);
    // A person's score of a run has no output of its own.
    if (!wants("review") || !inSpan(review.at) || (judged.task === "" && judged.output === "")) continue;
    read.reviews += 1;
    store.addReview(judged);
  }
  const options = { requestId, signal };
  if (wants("playbook")) {
    const { playbooks, retired } = await deps.peers.matrixd.verbs
      .playbooksSince(
        { ...(since !== undefined && { since }), ...(until !== undefined && { until }) },
        options,
      )
      .catch(failed("matrixd", "list its playbooks"));
    // Notes say no row that answers.
    for (const playbook of playbooks) if (playbook.answer_id !== undefined) store.addPlaybook(playbook);
    read.playbooks = playbooks.length;
    read.retiredPlaybooks = retired;
  }
  for (let uids = store.tracesAfter("", tracesAtOnce); uids.length > 0; ) {
    const { alive } = await deps.peers.pathwayd.verbs
      .alive({ uids }, options)
      .catch(failed("pathwayd", "say which traces live"));
    store.markAlive(alive);
    uids = store.tracesAfter(uids.at(-1) ?? "", tracesAtOnce);
  }
  return read;
}

/** What a peer that is down, late or broken means to our caller: 503 or 502, nothing was made. */
const failed =
  (peer: string, what: string) =>
  (cause: unknown): never => {
    const type = cause instanceof ServiceError ? cause.type : "internal";
    if (type === "client_closed" || type === "unavailable" || type === "overloaded") throw cause;
    throw fail("bad_gateway", `${peer} could not ${what} (${type}): nothing was written`, { cause });
  };

/** Turns what was read into answers; counts what is left out, by reason. */
export async function settle(
  store: DistillStore,
  { confidenceMin, unreviewed }: { confidenceMin: number; unreviewed: boolean },
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const skipped: Record<string, number> = {};
  const skip = (reason: string, count = 1) => {
    if (count > 0) skipped[reason] = (skipped[reason] ?? 0) + count;
  };
  let done = 0;
  for (const found of yields(store)) {
    for (const reason of found.skipped) skip(reason);
    for (const answer of found.answers) {
      if (!store.areAlive(answer.provenance)) skip(whyNotAlive(answer.provenance));
      else if (!unreviewed && isUnreviewedSuccess(answer)) skip("unreviewed");
      else if (answer.confidence < confidenceMin) skip("low_confidence");
      else if (store.addAnswer(answer) === "duplicate") skip("duplicate");
    }
    if (++done % pauseEvery === 0) await turn(signal);
  }
  skip("contradicted", store.contradicted());
  return skipped;
}

/** That a call succeeded does not make its answer good. */
const isUnreviewedSuccess = ({ basis, verdict }: Yield["answers"][number]): boolean =>
  basis === "outcome" && verdict === "accept";

/** A trace that went, or a uid that no trace can have, as earlier releases took. */
const whyNotAlive = ({ trace_uids: uids = [] }: Yield["answers"][number]["provenance"]): string =>
  uids.every(isTraceUid) ? "retired_trace" : "invalid_trace_uid";

function* yields(store: DistillStore): Generator<Yield> {
  for (const run of store.runs(runOperationsMax))
    yield run
      ? answersOfRun(run, store.verdictOf(run[0]?.run_id))
      : { answers: [], skipped: ["run_too_long"] };
  for (const judged of store.reviews()) yield answersOfReview(judged);
  for (const playbook of store.playbooks()) yield answersOfPlaybook(playbook);
}

/** Lets the event loop go round. */
async function turn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  signal.throwIfAborted();
}
