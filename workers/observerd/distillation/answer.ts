/** What a training set is made of: an answer to a prompt, judged, and where each comes from. */
import type { Static } from "@sinclair/typebox";
import type { Playbook as PlaybookSchema } from "../../matrixd/schemas/schemas.ts";
import type { Operation } from "../contract.ts";
import type { Judged, Review } from "../reviews/reviews.ts";

export type Playbook = Static<typeof PlaybookSchema>;

export interface Message {
  role: "system" | "user" | "assistant";
  content: string;
}

/** Where an answer comes from; stands beside it in every line. */
export interface Provenance {
  operation_ids?: string[];
  run_id?: string;
  review_id?: string;
  playbook_id?: string;
  trace_uids?: string[];
}

export interface Answer {
  /** What was asked: the conversation before the answer. */
  prompt: Message[];
  answer: string;
  verdict: "accept" | "reject";
  confidence: number;
  /** `judged`: by a review or correction. `outcome`: only by whether its run succeeded. */
  basis: "judged" | "outcome";
  /** RFC 3339: when it was given. */
  at: string;
  provenance: Provenance;
}

/** What a source gave: answers, and why others were left out. */
export interface Yield {
  answers: Answer[];
  skipped: string[];
}

/** Confidence in a run that nobody reviewed: judged by whether its operations succeeded. */
const unreviewed = 0.6;
/** Confidence in an answer that a person corrected. */
const corrected = 0.9;
/** The source of operations that correct the one before them. */
const correctionSource = "overseer_correction";

const hasText = (text: string | undefined): text is string => text !== undefined && text.trim() !== "";
const endOf = (operation: Operation): number => Date.parse(operation.timestamp) + operation.duration_ms;

/** What a run is judged by: its latest review. */
export type RunReview = Pick<Review, "id" | "verdict" | "confidence" | "by">;

/**
 * The answers of one run, its operations in order of time: a conversation of its turns. An operation that begins
 * before the one before it has ended is a step inside that turn. A correction takes the place of the last answer.
 */
export function answersOfRun(operations: readonly Operation[], review: RunReview | undefined): Yield {
  const { turns, steps, correction } = turnsOf(operations);
  const skipped = Array.from({ length: steps }, () => "nested_step");
  const last = turns.at(-1);
  if (!last) return { answers: [], skipped: [...skipped, "no_text"] };
  if (review?.verdict === "needs_human" && !correction)
    return { answers: [], skipped: [...skipped, "needs_human"] };
  const prompt = turns.flatMap((turn, at): Message[] => [
    { role: "user", content: turn.input_summary ?? "" },
    ...(at < turns.length - 1 ? [{ role: "assistant" as const, content: turn.output_summary ?? "" }] : []),
  ]);
  const base = {
    prompt,
    at: last.timestamp,
    provenance: provenanceOf(operations, review),
  };
  const given = last.output_summary ?? "";
  if (correction) {
    const right = correction.output_summary ?? "";
    const both: Answer[] = [
      { ...base, answer: right, verdict: "accept", confidence: corrected, basis: "judged" },
      { ...base, answer: given, verdict: "reject", confidence: corrected, basis: "judged" },
    ];
    return right === given
      ? { answers: [], skipped: [...skipped, "contradicted"] }
      : { answers: both, skipped };
  }
  const verdict = review?.verdict ?? (operations.every(({ success }) => success) ? "accept" : "reject");
  const confidence = review?.confidence ?? unreviewed;
  const judged = verdict === "accept" ? "accept" : "reject";
  const basis = review ? "judged" : "outcome";
  return { answers: [{ ...base, answer: given, verdict: judged, confidence, basis }], skipped };
}

function turnsOf(operations: readonly Operation[]) {
  const turns: Operation[] = [];
  let steps = 0;
  let correction: Operation | undefined;
  for (const operation of operations) {
    const before = turns.at(-1);
    if (operation.source === correctionSource) {
      if (hasText(operation.output_summary)) correction = operation;
      continue;
    }
    if (!hasText(operation.input_summary) || !hasText(operation.output_summary)) continue;
    if (before && Date.parse(operation.timestamp) < endOf(before)) steps += 1;
    else {
      turns.push(operation);
      correction = undefined;
    }
  }
  return { turns, steps, correction };
}

function provenanceOf(operations: readonly Operation[], review: RunReview | undefined): Provenance {
  const uids = [...new Set(operations.flatMap(({ trace_uid: uid }) => (uid === undefined ? [] : [uid])))];
  const [run] = operations.map(({ run_id: id }) => id);
  return {
    operation_ids: operations.map(({ id }) => id),
    ...(run !== undefined && { run_id: run }),
    ...(review && { review_id: review.id }),
    ...(uids.length > 0 && { trace_uids: uids }),
  };
}

/** The output that was reviewed, as an answer to its task. */
export function answersOfReview({ review, task, output, trace_uid: uid }: Judged): Yield {
  if (!hasText(output)) return { answers: [], skipped: ["no_text"] };
  const { id, verdict, confidence, at, run_id: run } = review;
  if (verdict === "needs_human") return { answers: [], skipped: ["needs_human"] };
  const provenance = {
    review_id: id,
    ...(run !== undefined && { run_id: run }),
    ...(uid !== undefined && { trace_uids: [uid] }),
  };
  const prompt: Message[] = [{ role: "user", content: task }];
  const answer: Answer = { prompt, answer: output, verdict, confidence, basis: "judged", at, provenance };
  return { answers: [answer], skipped: [] };
}

/** A playbook has no answer text, only the place of the answering row: what is trained is to choose that row. */
const playbookTask = "Name the row that answers the query, as JSON: the corpus and the id of the row in it.";

/** Every wording a playbook knows, with the answer that worked; one that misled more than it helped is rejected. */
export function answersOfPlaybook(playbook: Playbook): Yield {
  const { helpful, harmful, score } = playbook;
  const misled = harmful > helpful;
  const [most, all] = [Math.max(helpful, harmful), helpful + harmful];
  // Laplace's rule of succession over the votes, and the recorded score as the first of them.
  const votes = (most + 1) / (all + 1);
  const answer = JSON.stringify({ corpus: playbook.corpus, id: playbook.answer_id });
  const wordings = [...new Set([playbook.query_text, ...(playbook.aliases ?? [])])];
  const answers = wordings.map(
    (wording): Answer => ({
      prompt: [
        { role: "system", content: playbookTask },
        { role: "user", content: wording },
      ],
      answer,
      verdict: misled ? "reject" : "accept",
      confidence: Math.round((misled ? votes : votes * score) * 1000) / 1000,
      basis: "judged",
      at: playbook.updated_at,
      provenance: {
        playbook_id: playbook.playbook_id,
        ...(playbook.trace_uid !== undefined && { trace_uids: [playbook.trace_uid] }),
      },
    }),
  );
  return { answers, skipped: [] };
}
