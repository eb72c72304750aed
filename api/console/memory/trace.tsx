/** @jsxImportSource hono/jsx */
/** One trace: as it is or was, every change of the chain it belongs to, and what may be done to it. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Pathwayd } from "../../../workers/pathwayd/contract.ts";
import { Action, Failure, Fields, Layout, moment, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { memory as says } from "../texts/texts.ts";

type Trace = ReplyOf<Pathwayd["endpoints"]["get"]>;
type History = ReplyOf<Pathwayd["endpoints"]["history"]>;
type Change = History["changes"][number];

export async function trace({ api, name, query, isPart, path, nonce }: PageContext) {
  const uid = encodeURIComponent(name);
  const { changes, traces } = await api.get<History>(`/v1/pathway/history/${uid}?page_size=200`);
  // The slider goes through the trace's own changes; those of its chain are of other traces.
  const own = changes.filter((change) => change.uid === name);
  const chosen = query.has("change") ? own[Number(query.get("change"))] : undefined;
  const asOf = chosen === undefined ? "" : `?as_of=${encodeURIComponent(chosen.at)}`;
  const found = await orFailure(api.get<Trace>(`/v1/pathway/get/${uid}${asOf}`));
  const state =
    found instanceof ServiceError ? <Failure error={found} /> : <TraceState found={found} chosen={chosen} />;
  if (isPart) return state;
  return (
    <Layout title={name} at={path} nonce={nonce}>
      {own.length > 1 && (
        <label>
          {says.change}{" "}
          <input
            type="range"
            name="change"
            min={0}
            max={own.length - 1}
            value={query.get("change") ?? String(own.length - 1)}
            hx-get={`/memory/${uid}`}
            hx-target="#state"
            hx-trigger="input changed delay:100ms"
            hx-sync="this:replace"
            hx-push-url="true"
          />
        </label>
      )}
      <div id="state" aria-live="polite">
        {state}
      </div>
      {chosen === undefined && !(found instanceof ServiceError) && isLive(found) && <Revise found={found} />}
      {!(found instanceof ServiceError) && <Erase name={name} chain={traces.map((each) => each.uid)} />}
      <h2>{says.history}</h2>
      <ol class="timeline">
        {changes.map((change) => (
          <li>
            <time datetime={change.at}>{moment(change.at)}</time> <strong>{change.kind}</strong>{" "}
            {linked(change.uid)} {change.reason ?? ""}
            {change.who === undefined ? "" : says.erasedBy(change.who, change.why ?? "")}
          </li>
        ))}
      </ol>
    </Layout>
  );
}

const isLive = (found: Trace): boolean => !found.retired && found.successor === undefined;

const TraceState = ({ found, chosen }: { found: Trace; chosen: Change | undefined }) => (
  <>
    {chosen !== undefined && <p class="note">{says.asItWas(moment(chosen.at), chosen.kind)}</p>}
    <Fields
      of={[
        [
          says.state,
          found.retired ? says.retired(found.reason) : isLive(found) ? says.live : says.superseded,
        ],
        [says.tags, found.tags.join(", ")],
        [says.made, moment(found.created_at)],
        [says.changed, moment(found.updated_at)],
        [says.used, found.replay_count],
        [says.supersedes, linked(found.predecessor)],
        [says.supersededBy, linked(found.successor)],
      ]}
    />
    <pre tabindex={0}>{JSON.stringify(found.content, null, 2)}</pre>
  </>
);

const Revise = ({ found }: { found: Trace }) => (
  <details>
    <summary>{says.revise}</summary>
    <p class="quiet">{says.reviseHelp}</p>
    <form data-call="POST /v1/pathway/revise" data-to="/memory/{uid}">
      <input type="hidden" name="uid" value={found.uid} />
      <label>
        {says.contentJson}
        <textarea name="content" rows={6} required data-json>
          {JSON.stringify(found.content, null, 2)}
        </textarea>
      </label>
      <p class="row">
        <label class="grow">
          {says.reason} <input name="reason" required maxlength={4096} />
        </label>
        <button type="submit" class="primary">
          {says.revise}
        </button>
        <Action
          method="POST"
          path="/v1/pathway/retire"
          body={{ uid: found.uid }}
          says={says.retireSays(found.uid)}
          danger
        >
          {says.retire}
        </Action>
      </p>
    </form>
  </details>
);

const Erase = ({ name, chain }: { name: string; chain: readonly string[] }) => (
  <details>
    <summary>{says.erase}</summary>
    <p class="quiet">{says.eraseHelp}</p>
    <form
      class="row"
      data-call="POST /v1/pathway/erase"
      data-says={says.eraseSays(chain)}
      data-notice={says.erased}
      data-to="/memory"
    >
      <input type="hidden" name="uids[]" value={name} />
      <label>
        {says.who} <input name="who" required maxlength={256} />
      </label>
      <label class="grow">
        {says.why} <input name="why" required maxlength={4096} />
      </label>
      <button type="submit" class="danger">
        {says.erase}
      </button>
    </form>
  </details>
);

const linked = (uid: string | undefined) =>
  uid === undefined ? "" : <a href={`/memory/${encodeURIComponent(uid)}`}>{uid}</a>;
