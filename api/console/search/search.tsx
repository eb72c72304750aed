/** @jsxImportSource hono/jsx */
/** Search: corpora asked in words, with why each hit stands where it stands. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { rejection, rowAddress } from "../hits/hits.ts";
import { Action, Empty, Failure, Layout, type PageContext, shortened } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { search as says } from "../texts/texts.ts";
import { conditionsOf, filters, Pending } from "./filters.tsx";
import { picture } from "./picture.tsx";
import { row } from "./row.tsx";

type Corpora = ReplyOf<Matrixd["endpoints"]["corpora"]>["corpora"];
type Found = ReplyOf<Matrixd["endpoints"]["search"]>;

export async function search(context: PageContext) {
  const { api, query, isPart, path, nonce } = context;
  if (query.get("part") === "filters") return filters(context);
  if (query.get("part") === "picture") return picture(context);
  if (query.has("row")) return row(context);
  const text = (query.get("q") ?? "").trim();
  const { corpora } = await api.get<{ corpora: Corpora }>("/v1/matrix/corpora?page_size=1000");
  const chosen = corpora.find(({ name }) => name === query.get("corpus")) ?? corpora[0];
  const found = await hitsOf(context, { text, chosen });
  const hits = found === undefined ? null : <Hits found={found} text={text} />;
  if (isPart) return hits;
  return (
    <Layout title={says.title} at={path} nonce={nonce}>
      {chosen === undefined ? (
        <Empty>
          {says.noCorpora}
          <a href="/datasets">{says.noCorporaLink}</a>
          {says.noCorporaRest}
        </Empty>
      ) : (
        <>
          <Form query={query} corpora={corpora} chosen={chosen.name} />
          <div id="hits" aria-live="polite">
            {hits}
          </div>
          <details
            hx-get="/search?part=picture"
            hx-include="select[name=corpus]"
            hx-target="#picture"
            hx-trigger="toggle once"
          >
            <summary>{says.picture}</summary>
            <div id="picture"></div>
          </details>
        </>
      )}
    </Layout>
  );
}

/** Undefined where nothing is asked. */
async function hitsOf(
  { api, query }: PageContext,
  { text, chosen }: { text: string; chosen: Corpora[number] | undefined },
): Promise<Found | ServiceError | undefined> {
  if (text === "" || chosen === undefined) return undefined;
  const where = (query.get("where") ?? "").trim();
  const conditions = [
    ...conditionsOf(chosen.metadata_columns ?? [], query),
    ...(where === "" ? [] : [`(${where})`]),
  ];
  return orFailure(
    api.post<Found>("/v1/matrix/search", {
      query_text: text,
      corpora: [chosen.name],
      k: 20,
      mode: says.modes.find(([name]) => name === query.get("mode"))?.[0] ?? "hybrid",
      include_text: true,
      use_playbook: true,
      ...(conditions.length > 0 && { sql_filter: conditions.join(" AND ") }),
    }),
  );
}

const Form = ({ query, corpora, chosen }: { query: URLSearchParams; corpora: Corpora; chosen: string }) => (
  <form class="row" hx-get="/search" hx-target="#hits" hx-push-url="true" action="/search">
    <label class="grow">
      {says.what}{" "}
      <input
        type="search"
        name="q"
        value={query.get("q") ?? ""}
        required
        autofocus
        placeholder={says.example}
      />
    </label>
    <label>
      {says.corpus}{" "}
      <select name="corpus">
        {corpora.map((each) => (
          <option value={each.name} selected={each.name === chosen}>
            {`${each.name}${each.state === "ready" ? "" : ` (${each.state})`}`}
          </option>
        ))}
      </select>
    </label>
    <label>
      {says.how}{" "}
      <select name="mode">
        {says.modes.map(([name, label]) => (
          <option value={name} selected={name === query.get("mode")}>
            {label}
          </option>
        ))}
      </select>
    </label>
    <label>
      {says.where} <input name="where" value={query.get("where") ?? ""} placeholder={says.whereExample} />
    </label>
    <span
      class="row"
      id="filters"
      hx-get="/search"
      hx-include="closest form"
      hx-vals='{"part":"filters"}'
      hx-target="this"
      hx-push-url="false"
      hx-trigger="load, change from:select[name=corpus]"
    >
      <Pending query={query} />
    </span>
    <button type="submit" class="primary">
      {says.search}
    </button>
  </form>
);

const Hits = ({ found, text }: { found: Found | ServiceError; text: string }) => {
  if (found instanceof ServiceError) return <Failure error={found} />;
  return (
    <>
      {found.errors.map(({ corpus, type, message }) => (
        <p class="failure" role="alert">
          <strong>{type}</strong> {corpus}: {message}
        </p>
      ))}
      {found.hits.length === 0 ? (
        <Empty>{says.nothing}</Empty>
      ) : (
        <p class="quiet">{says.hits(found.hits.length, Math.round(found.took_ms.total ?? 0))}</p>
      )}
      <ol class="hits">
        {found.hits.map((hit) => (
          <Hit hit={hit} text={text} />
        ))}
      </ol>
    </>
  );
};

const Hit = ({ hit, text }: { hit: Found["hits"][number]; text: string }) => (
  <li>
    <p>
      <a href={rowAddress(hit.corpus, hit.id)}>{hit.id}</a> {shortened(hit.text ?? "")}
    </p>
    <p class="quiet">
      {Object.entries(hit.metadata)
        .map(([name, value]) => `${name}: ${shortened(String(value), 200)}`)
        .join(" · ")}
    </p>
    <details>
      <summary>{says.why}</summary>
      <p>
        {Object.entries(hit.parts)
          .map(
            ([part, score]) => `${part} ${typeof score === "number" ? score.toPrecision(3) : String(score)}`,
          )
          .join(" · ")}
      </p>
      {(hit.playbooks ?? []).map(({ because }) => (
        <p>{because}</p>
      ))}
    </details>
    <p class="row">
      <Action
        method="POST"
        path="/v1/matrix/playbooks/record"
        body={{ query_text: text, answer_id: hit.id, corpus: hit.corpus, score: 1 }}
      >
        {says.fits}
      </Action>
      <Action method="POST" path="/v1/matrix/playbooks/delta" body={rejection({ ...hit, query: text })}>
        {says.fitsNot}
      </Action>
    </p>
  </li>
);
