/** @jsxImportSource hono/jsx */
/** Reviews that wait for a person, each with what it is about and a way to judge it. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Observerd } from "../../../workers/observerd/contract.ts";
import { Empty, moment, Table } from "../parts/parts.ts";
import { operations as says } from "../texts/texts.ts";

export type Waiting = ReplyOf<Observerd["endpoints"]["waiting"]>;

export const Reviews = ({ reviews, next_page_token: next }: Waiting) => (
  <>
    {reviews.length === 0 && <Empty>{says.noReviews}</Empty>}
    {reviews.map((each) => (
      <ReviewCard {...each} />
    ))}
    {next !== undefined && <p class="note">{says.moreReviews}</p>}
  </>
);

const ReviewCard = ({ review, task, output }: Waiting["reviews"][number]) => (
  <section class="card" aria-label={review.id}>
    <p class="quiet">
      {moment(review.at)} · {says.confidence(review.confidence.toFixed(2))} · {review.reviewer}{" "}
      {review.run_id !== undefined && (
        <a href={`/operations/${encodeURIComponent(review.run_id)}`}>{says.runTitle(review.run_id)}</a>
      )}
    </p>
    <strong>{says.task}</strong>
    <pre tabindex={0}>{task}</pre>
    <strong>{says.output}</strong>
    <pre tabindex={0}>{output}</pre>
    <details>
      <summary>{says.rule}</summary>
      <Table
        label={says.rule}
        heads={["", "", ""]}
        rows={review.reasons.map(({ rule, weight, detail }) => [rule, weight.toFixed(2), detail])}
        empty=""
      />
    </details>
    <form class="row" data-call="POST /v1/observer/scores">
      <input type="hidden" name="review_id" value={review.id} />
      <label>
        {says.judgement}{" "}
        <select name="score" data-json>
          {says.scores.map(([score, words]) => (
            <option value={score}>{words}</option>
          ))}
        </select>
      </label>
      <label>
        {says.by} <input name="by" required maxlength={200} />
      </label>
      <label class="grow">
        {says.comment} <input name="comment" maxlength={4096} />
      </label>
      <button type="submit" class="primary">
        {says.judge}
      </button>
    </form>
  </section>
);
