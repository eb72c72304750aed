/** @jsxImportSource hono/jsx */
/** Memory: traces found by words, and playbooks. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import type { Pathwayd } from "../../../workers/pathwayd/contract.ts";
import { Action, count, Failure, Layout, moment, type PageContext, since, Table } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { memory as says } from "../texts/texts.ts";

export { trace } from "./trace.tsx";

type Traces = ReplyOf<Pathwayd["endpoints"]["search"]>;
type Profiles = ReplyOf<Matrixd["endpoints"]["profiles"]>;
type Playbooks = ReplyOf<Matrixd["endpoints"]["playbooks"]>;

export async function memory({ api, query, isPart, path, nonce }: PageContext) {
  const text = (query.get("q") ?? "").trim();
  const asOf = (query.get("as_of") ?? "").trim();
  const at = Date.parse(`${asOf}Z`);
  if (asOf !== "" && Number.isNaN(at))
    throw fail("bad_request", `as_of=${asOf} is no time as 2026-11-30T12:00`);
  const traces = await orFailure(
    api.post<Traces>("/v1/pathway/search", {
      page_size: 50,
      ...(text !== "" && { text }),
      ...(asOf !== "" && { as_of: new Date(at).toISOString() }),
    }),
  );
  const list = <Found traces={traces} text={text} asOf={asOf} />;
  if (isPart) return list;
  const [playbooks, profiles] = await Promise.all([
    orFailure(api.get<Playbooks>("/v1/matrix/playbooks?page_size=50")),
    orFailure(api.get<Profiles>("/v1/matrix/profiles")),
  ]);
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["memory.js"]}>
      <section aria-labelledby="traces">
        <h2 id="traces">{says.traces}</h2>
        <form
          class="row"
          hx-get="/memory"
          hx-target="#found"
          hx-push-url="true"
          hx-trigger="submit, change from:#as-of, change from:#ago"
          autocomplete="off"
          action="/memory"
        >
          <label class="grow">
            {says.words} <input type="search" name="q" value={text} />
          </label>
          <label>
            {says.asOf} <input type="datetime-local" id="as-of" name="as_of" value={asOf} step={1} />
          </label>
          <label>
            {says.ago} <output id="ago-said"></output>
            <input
              type="range"
              id="ago"
              min={0}
              max={says.agoSteps.length - 1}
              value="0"
              data-steps={says.agoSteps.join("|")}
            />
          </label>
          <button type="submit">{says.search}</button>
        </form>
        <div id="found" aria-live="polite">
          {list}
        </div>
        <p>
          <a href="/erasures">{says.eraseSubject}</a>
        </p>
      </section>
      <section aria-labelledby="playbooks">
        <h2 id="playbooks">{says.playbooks}</h2>
        {playbooks instanceof ServiceError ? <Failure error={playbooks} /> : <PlaybookTable {...playbooks} />}
        <Action method="POST" path="/v1/matrix/playbooks/consolidate" body={{}} says={says.consolidateSays}>
          {says.consolidate}
        </Action>
      </section>
      <section aria-labelledby="profiles">
        <h2 id="profiles">{says.profiles}</h2>
        {profiles instanceof ServiceError ? <Failure error={profiles} /> : <ProfileTable {...profiles} />}
      </section>
    </Layout>
  );
}

const Found = ({ traces, text, asOf }: { traces: Traces | ServiceError; text: string; asOf: string }) =>
  traces instanceof ServiceError ? (
    <Failure error={traces} />
  ) : (
    <>
      {asOf !== "" && <p class="note">{says.wasAt(moment(asOf))}</p>}
      <Table
        label={says.traces}
        heads={says.traceHeads}
        rows={traces.results.map((trace) => [
          <a href={`/memory/${encodeURIComponent(trace.uid)}`}>{trace.uid}</a>,
          <code class="cut">{JSON.stringify(trace.content)}</code>,
          trace.tags.join(", "),
          since(trace.updated_at),
          count(trace.replay_count),
        ])}
        empty={text !== "" ? says.nothingFound : asOf === "" ? says.nothingRemembered : says.nothingThen}
      />
    </>
  );

const ProfileTable = ({ profiles, active }: Profiles) => (
  <Table
    label={says.profiles}
    heads={says.profileHeads}
    rows={profiles.map((each) => [
      each.name,
      each.corpora.join(", "),
      each.mode ?? "",
      each.model ?? "",
      each.name === active ? (
        says.active
      ) : (
        <Action
          method="POST"
          path={`/v1/matrix/profiles/${encodeURIComponent(each.name)}/activate`}
          says={says.activateSays(each.name)}
        >
          {says.activate}
        </Action>
      ),
    ])}
    empty={says.noProfiles}
  />
);

const PlaybookTable = ({ playbooks }: Playbooks) => (
  <Table
    label={says.playbooks}
    heads={says.playbookHeads}
    rows={playbooks.map((each) => [
      each.query_text,
      each.answer_id ?? each.note ?? "",
      each.corpus,
      each.score.toPrecision(2),
      each.helpful,
      each.harmful,
      moment(each.confirmed_at),
      <Action
        method="DELETE"
        path={`/v1/matrix/playbooks/${encodeURIComponent(each.playbook_id)}`}
        says={says.forgetSays(each.query_text)}
        danger
      >
        {says.forget}
      </Action>,
    ])}
    empty={says.noPlaybooks}
  />
);
