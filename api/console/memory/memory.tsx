/** @jsxImportSource hono/jsx */
/** Memory: traces found by words, and playbooks. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import type { Pathwayd } from "../../../workers/pathwayd/contract.ts";
import { Action, count, Failure, Layout, moment, type PageContext, since, Table } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";

export { trace } from "./trace.tsx";

type Traces = ReplyOf<Pathwayd["endpoints"]["search"]>;
type Profiles = ReplyOf<Matrixd["endpoints"]["profiles"]>;
type Playbooks = ReplyOf<Matrixd["endpoints"]["playbooks"]>;

export async function memory({ api, query, isPart, path, nonce }: PageContext) {
  const text = (query.get("q") ?? "").trim();
  const asOf = (query.get("as_of") ?? "").trim();
  const traces = await orFailure(
    api.post<Traces>("/v1/pathway/search", {
      page_size: 50,
      ...(text !== "" && { text }),
      ...(asOf !== "" && { as_of: new Date(`${asOf}Z`).toISOString() }),
    }),
  );
  const list =
    traces instanceof ServiceError ? (
      <Failure error={traces} />
    ) : (
      <Table
        label="Traces"
        heads={["Trace", "Content", "Tags", "Changed", "Used"]}
        rows={traces.results.map((trace) => [
          <a href={`/memory/${encodeURIComponent(trace.uid)}`}>{trace.uid}</a>,
          <code class="cut">{JSON.stringify(trace.content)}</code>,
          trace.tags.join(", "),
          since(trace.updated_at),
          count(trace.replay_count),
        ])}
        empty={text === "" ? "Nothing is remembered yet." : "Nothing that is remembered has such words."}
      />
    );
  if (isPart) return list;
  const [playbooks, profiles] = await Promise.all([
    orFailure(api.get<Playbooks>("/v1/matrix/playbooks?page_size=50")),
    orFailure(api.get<Profiles>("/v1/matrix/profiles")),
  ]);
  return (
    <Layout title="Memory" at={path} nonce={nonce}>
      <section aria-labelledby="traces">
        <h2 id="traces">Traces</h2>
        <form class="row" hx-get="/memory" hx-target="#found" hx-push-url="true" action="/memory">
          <label class="grow">
            Words <input type="search" name="q" value={text} />
          </label>
          <label>
            As of (UTC) <input type="datetime-local" name="as_of" value={asOf} step={1} />
          </label>
          <button type="submit">Search</button>
        </form>
        <div id="found" aria-live="polite">
          {list}
        </div>
      </section>
      <section aria-labelledby="playbooks">
        <h2 id="playbooks">Playbooks</h2>
        {playbooks instanceof ServiceError ? <Failure error={playbooks} /> : <PlaybookTable {...playbooks} />}
        <Action
          method="POST"
          path="/v1/matrix/playbooks/consolidate"
          body={{}}
          says="Playbooks that say the same become one, and those that have faded or mislead are dropped."
        >
          Consolidate
        </Action>
      </section>
      <section aria-labelledby="profiles">
        <h2 id="profiles">Profiles</h2>
        {profiles instanceof ServiceError ? <Failure error={profiles} /> : <ProfileTable {...profiles} />}
      </section>
    </Layout>
  );
}

const ProfileTable = ({ profiles, active }: Profiles) => (
  <Table
    label="Profiles"
    heads={["Name", "Corpora", "Mode", "Model", ""]}
    rows={profiles.map((each) => [
      each.name,
      each.corpora.join(", "),
      each.mode ?? "",
      each.model ?? "",
      each.name === active ? (
        "active"
      ) : (
        <Action
          method="POST"
          path={`/v1/matrix/profiles/${encodeURIComponent(each.name)}/activate`}
          says={`Searches that name no corpora will use '${each.name}' from now on.`}
        >
          Activate
        </Action>
      ),
    ])}
    empty="There are no profiles: PUT /v1/matrix/profiles/NAME makes one."
  />
);

const PlaybookTable = ({ playbooks }: Playbooks) => (
  <Table
    label="Playbooks"
    heads={["Question", "Answer", "Corpus", "Score", "Helpful", "Harmful", "Confirmed", ""]}
    rows={playbooks.map((each) => [
      each.query_text,
      each.answer_id,
      each.corpus,
      each.score.toPrecision(2),
      each.helpful,
      each.harmful,
      moment(each.confirmed_at),
      <Action
        method="DELETE"
        path={`/v1/matrix/playbooks/${encodeURIComponent(each.playbook_id)}`}
        says={`What was learned of '${each.query_text}' will be forgotten.`}
        danger
      >
        Forget
      </Action>,
    ])}
    empty="No playbooks yet: “This fits” at a hit of a search makes one."
  />
);
