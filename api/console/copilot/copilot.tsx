/** @jsxImportSource hono/jsx */
/** The staffing co-pilot: a job order in words becomes candidates with reasons. It needs no model. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { rowAddress } from "../hits/hits.ts";
import { count, Empty, Failure, Layout, type PageContext, shortened } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { copilot as says } from "../texts/texts.ts";
import { type Candidate, type Found, findCandidates } from "./candidates.ts";
import { inWords } from "./job-order.ts";

type Corpora = ReplyOf<Matrixd["endpoints"]["corpora"]>["corpora"];

export async function copilot({ api, query, isPart, path, nonce }: PageContext) {
  const order = (query.get("order") ?? "").trim();
  const { corpora } = await api.get<{ corpora: Corpora }>("/v1/matrix/corpora?page_size=1000");
  const corpus = corpora.find(({ name }) => name === query.get("corpus")) ?? corpora[0];
  const must = new Set(query.getAll("must"));
  const found =
    order === "" || !corpus ? undefined : await orFailure(findCandidates(api, { order, corpus, must }));
  const shown = found === undefined ? null : <Candidates found={found} order={order} must={must} />;
  if (isPart) return shown;
  if (!corpus)
    return (
      <Layout title={says.title} at={path} nonce={nonce}>
        <Empty>
          {says.noCorpora}
          <a href="/datasets">{says.noCorporaLink}</a>
          {says.noCorporaRest}
        </Empty>
      </Layout>
    );
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["shortlist.js"]}>
      <p class="note">{says.help}</p>
      <form
        id="order"
        class="row"
        hx-get="/copilot"
        hx-target="#candidates"
        hx-push-url="true"
        action="/copilot"
        autocomplete="off"
      >
        <label class="grow">
          {says.order}{" "}
          <textarea name="order" rows={3} required placeholder={says.orderExample}>
            {order}
          </textarea>
        </label>
        <label>
          {says.among}{" "}
          <select name="corpus">
            {corpora.map(({ name }) => (
              <option value={name} selected={name === corpus.name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary">
          {says.find}
        </button>
      </form>
      <div id="candidates" aria-live="polite">
        {shown}
      </div>
      <section aria-labelledby="shortlist-title">
        <h2 id="shortlist-title">{says.shortlist}</h2>
        <p id="shortlist" class="empty">
          {says.nobodyAccepted}
        </p>
        <button type="button" id="shortlist-csv" disabled>
          {says.download}
        </button>
      </section>
    </Layout>
  );
}

const Candidates = ({
  found,
  order,
  must,
}: {
  found: Found | ServiceError;
  order: string;
  must: ReadonlySet<string>;
}) => {
  if (found instanceof ServiceError) return <Failure error={found} />;
  const { requirements, candidates, wanted, corpus } = found;
  return (
    <>
      {requirements.length === 0 ? (
        <p class="note">{says.nothingRecognized}</p>
      ) : (
        <fieldset>
          <legend>{says.asked}</legend>
          {requirements.map((each) => (
            <label>
              <input
                type="checkbox"
                name="must"
                form="order"
                value={inWords(each)}
                checked={must.has(inWords(each))}
                hx-get="/copilot"
                hx-include="#order, [name=must]"
                hx-target="#candidates"
                hx-trigger="change"
              />{" "}
              {inWords(each)}
            </label>
          ))}
        </fieldset>
      )}
      {candidates.length === 0 ? (
        <Empty>{says.nobody}</Empty>
      ) : (
        <p class="quiet">{says.candidates(count(candidates.length), wanted)}</p>
      )}
      <ol class="hits">
        {candidates.map((each) => (
          <Card candidate={each} order={order} corpus={corpus} />
        ))}
      </ol>
    </>
  );
};

const marked = (words: string, met: boolean | undefined): string =>
  met === undefined ? says.doesNotSay(words) : met ? says.meets(words) : says.lacks(words);

const Card = ({ candidate, order, corpus }: { candidate: Candidate; order: string; corpus: string }) => {
  const { id, text, facts, reasons, km, score, rejected, playbooks } = candidate;
  return (
    <li data-candidate={JSON.stringify({ id, corpus, order, score, facts, reasons, playbooks, km })}>
      <p>
        <a href={rowAddress(corpus, id)}>{String(facts.name ?? facts.full_name ?? id)}</a> {shortened(text)}
      </p>
      <ul class="reasons">
        {reasons.map(({ words, met }) => (
          <li class={met === true ? "good" : met === false ? "bad" : "quiet"}>{marked(words, met)}</li>
        ))}
        {km !== undefined && <li class="quiet">{says.away(km)}</li>}
        <li class="quiet">{says.likeness(score.toPrecision(3))}</li>
        {playbooks.map(({ because }) => (
          <li class="quiet">{says.workedBefore(because)}</li>
        ))}
        {rejected && <li class="bad">{says.wasRejected}</li>}
      </ul>
      <p class="row">
        <button type="button" data-decide="accept">
          {says.accept}
        </button>
        <button type="button" data-decide="reject">
          {says.reject}
        </button>
      </p>
    </li>
  );
};
