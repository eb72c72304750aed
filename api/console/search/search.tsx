/** @jsxImportSource hono/jsx */
/** Search: corpora asked in words, with why each hit stands where it stands. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { Action, Empty, Failure, Layout, type PageContext } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";

type Corpora = ReplyOf<Matrixd["endpoints"]["corpora"]>["corpora"];
type Found = ReplyOf<Matrixd["endpoints"]["search"]>;

const modes = [
  ["hybrid", "by meaning and words"],
  ["vector", "by meaning"],
  ["lexical", "by words"],
] as const;

export async function search({ api, query, isPart, path, nonce }: PageContext) {
  const text = (query.get("q") ?? "").trim();
  const { corpora } = await api.get<{ corpora: Corpora }>("/v1/matrix/corpora?page_size=1000");
  const corpus = query.get("corpus") ?? corpora[0]?.name ?? "";
  const mode = modes.find(([name]) => name === query.get("mode"))?.[0] ?? "hybrid";
  const where = (query.get("where") ?? "").trim();
  const found =
    text === "" || corpus === ""
      ? undefined
      : await orFailure(
          api.post<Found>("/v1/matrix/search", {
            query_text: text,
            corpora: [corpus],
            k: 20,
            mode,
            include_text: true,
            use_playbook: true,
            ...(where !== "" && { sql_filter: where }),
          }),
        );
  const hits = found === undefined ? null : <Hits found={found} text={text} />;
  if (isPart) return hits;
  if (corpora.length === 0)
    return (
      <Layout title="Search" at={path} nonce={nonce}>
        <Empty>
          There are no corpora yet. Open a <a href="/datasets">dataset</a> and choose “Search it by meaning”.
        </Empty>
      </Layout>
    );
  return (
    <Layout title="Search" at={path} nonce={nonce}>
      <form class="row" hx-get="/search" hx-target="#hits" hx-push-url="true" action="/search">
        <label class="grow">
          What are you looking for?{" "}
          <input
            type="search"
            name="q"
            value={text}
            required
            autofocus
            placeholder="forklift operator for nights"
          />
        </label>
        <label>
          In{" "}
          <select name="corpus">
            {corpora.map((each) => (
              <option value={each.name} selected={each.name === corpus}>
                {`${each.name}${each.state === "ready" ? "" : ` (${each.state})`}`}
              </option>
            ))}
          </select>
        </label>
        <label>
          How{" "}
          <select name="mode">
            {modes.map(([name, label]) => (
              <option value={name} selected={name === mode}>
                {label}
              </option>
            ))}
          </select>
        </label>
        <label>
          Where <input name="where" value={where} placeholder="city = 'Chicago'" />
        </label>
        <button type="submit" class="primary">
          Search
        </button>
      </form>
      <div id="hits" aria-live="polite">
        {hits}
      </div>
    </Layout>
  );
}

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
        <Empty>Nothing was found.</Empty>
      ) : (
        <p class="quiet">{`${found.hits.length} hits in ${Math.round(found.took_ms.total ?? 0)} ms`}</p>
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
      <strong>{hit.id}</strong> {hit.text ?? ""}
    </p>
    <p class="quiet">
      {Object.entries(hit.metadata)
        .map(([name, value]) => `${name}: ${String(value)}`)
        .join(" · ")}
    </p>
    <details>
      <summary>Why it is here</summary>
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
    <Action
      method="POST"
      path="/v1/matrix/playbooks/record"
      body={{ query_text: text, answer_id: hit.id, corpus: hit.corpus, score: 1 }}
    >
      This fits
    </Action>
  </li>
);
