/** @jsxImportSource hono/jsx */
/** The staffing co-pilot: a job order in words becomes candidates with reasons. It needs no model. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { count, Empty, Failure, Layout, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
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
      <Layout title="Co-pilot" at={path} nonce={nonce}>
        <Empty>
          There are no corpora yet. Open a <a href="/datasets">dataset</a> of people and choose “Search it by
          meaning”.
        </Empty>
      </Layout>
    );
  return (
    <Layout title="Co-pilot" at={path} nonce={nonce} islands={["shortlist.js"]}>
      <p class="note">
        No model is asked: templates read the order, and search finds the candidates. What you accept or
        reject is remembered, and moves who is found next time.
      </p>
      <form id="order" class="row" hx-get="/copilot" hx-target="#candidates" action="/copilot">
        <label class="grow">
          The job order, in your words{" "}
          <textarea
            name="order"
            rows={3}
            required
            placeholder="2 forklift operators near Chicago, OSHA 10, under $30, from 2026-12-15"
          >
            {order}
          </textarea>
        </label>
        <label>
          Among{" "}
          <select name="corpus">
            {corpora.map(({ name }) => (
              <option value={name} selected={name === corpus.name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" class="primary">
          Find candidates
        </button>
      </form>
      <div id="candidates" aria-live="polite">
        {shown}
      </div>
      <section aria-labelledby="shortlist-title">
        <h2 id="shortlist-title">Shortlist</h2>
        <p id="shortlist" class="empty">
          Nobody is accepted yet.
        </p>
        <button type="button" id="shortlist-csv" disabled>
          Download as CSV
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
        <p class="note">
          No requirement was recognized in the order: its words alone were searched. Name a place, a
          certificate, a rate or a date as the rows have them.
        </p>
      ) : (
        <fieldset>
          <legend>What the order asks for (ticked: nobody without it)</legend>
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
        <Empty>Nobody is like that. Untick what need not be.</Empty>
      ) : (
        <p class="quiet">
          {count(candidates.length)} candidates{wanted === undefined ? "" : `; ${wanted} wanted`}, the best
          first: by how much of the order they meet, then by likeness.
        </p>
      )}
      <ol class="hits">
        {candidates.map((each) => (
          <Card candidate={each} order={order} corpus={corpus} />
        ))}
      </ol>
    </>
  );
};

const marks = new Map<boolean | undefined, string>([
  [true, "meets"],
  [false, "lacks"],
  [undefined, "does not say"],
]);

const Card = ({ candidate, order, corpus }: { candidate: Candidate; order: string; corpus: string }) => {
  const { id, text, facts, reasons, km, score, rejected, playbooks } = candidate;
  return (
    <li data-candidate={JSON.stringify({ id, corpus, order, score, facts, reasons, playbooks, km })}>
      <p>
        <strong>{String(facts.name ?? facts.full_name ?? id)}</strong> {text}
      </p>
      <ul class="reasons">
        {reasons.map(({ words, met }) => (
          <li
            class={met === true ? "good" : met === false ? "bad" : "quiet"}
          >{`${marks.get(met)} ${words}`}</li>
        ))}
        {km !== undefined && <li class="quiet">{`${km} km away`}</li>}
        <li class="quiet">{`likeness ${score.toPrecision(3)}`}</li>
        {playbooks.map(({ because }) => (
          <li class="quiet">{`worked before: ${because}`}</li>
        ))}
        {rejected && <li class="bad">was rejected for this order</li>}
      </ul>
      <p class="row">
        <button type="button" data-decide="accept">
          Accept
        </button>
        <button type="button" data-decide="reject">
          Reject
        </button>
      </p>
    </li>
  );
};
