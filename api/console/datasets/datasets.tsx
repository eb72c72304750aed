/** @jsxImportSource hono/jsx */
/** The datasets and views by name. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { bytes, count, Layout, type PageContext, since, Table } from "../parts/parts.ts";
import { datasets as says } from "../texts/texts.ts";

export { dataset } from "./dataset.tsx";

type Listed = ReplyOf<Catalogd["endpoints"]["list"]>;
type Views = ReplyOf<Queryd["endpoints"]["views"]>;

/** Of more the first are shown, and the search finds the others. */
const shownMax = 500;

export async function datasets({ api, query, isPart, path, nonce }: PageContext) {
  const wanted = fold((query.get("q") ?? "").trim());
  const found: Listed["datasets"] = [];
  let token: string | undefined;
  do {
    const page = await api.get<Listed>(
      `/v1/catalog/list?page_size=1000${token === undefined ? "" : `&page_token=${encodeURIComponent(token)}`}`,
    );
    found.push(...page.datasets.filter(({ name }) => fold(name).includes(wanted)));
    token = page.next_page_token;
  } while (token !== undefined && found.length < shownMax);
  const { views } = await api.get<Views>(`/v1/catalog/views?page_size=${shownMax}`);
  const foundViews = views.filter(({ name }) => fold(name).includes(wanted));
  const list = (
    <>
      <Table
        label={says.title}
        heads={says.heads}
        rows={found
          .slice(0, shownMax)
          .map((each) => [
            <a href={`/datasets/${each.name}`}>{each.name}</a>,
            count(each.row_count),
            each.columns,
            bytes(each.bytes),
            each.version,
            since(each.created_at),
          ])}
        empty={wanted === "" ? says.none : says.noneNamed}
      />
      {(found.length > shownMax || token !== undefined) && <p class="quiet">{says.firstShown(shownMax)}</p>}
      {foundViews.length > 0 && (
        <Table
          label={says.views}
          heads={says.viewHeads}
          rows={foundViews.map((each) => [
            <a href={`/datasets/${each.name}`}>{each.name}</a>,
            each.columns.length,
            each.version,
            since(each.created_at),
            each.problem ?? each.description ?? "",
          ])}
          empty=""
        />
      )}
    </>
  );
  if (isPart) return list;
  return (
    <Layout title={says.title} at={path} nonce={nonce}>
      <p class="row">
        <label class="grow">
          {says.search}{" "}
          <input
            type="search"
            name="q"
            value={query.get("q") ?? ""}
            hx-get="/datasets"
            hx-trigger="input changed delay:200ms"
            hx-target="#list"
            hx-replace-url="true"
          />
        </label>
        <a class="button" href="/upload">
          {says.loadFile}
        </a>
      </p>
      <div id="list">{list}</div>
    </Layout>
  );
}
