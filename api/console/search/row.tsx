/** @jsxImportSource hono/jsx */
/** The row that a hit or a citation stands for, with all its columns, and the document that it is of. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { quoteName, quoteText } from "../../../runtime/sql/sql.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import { Empty, Fields, Layout, type PageContext } from "../parts/parts.ts";
import { search as says } from "../texts/texts.ts";

type Corpus = ReplyOf<Matrixd["endpoints"]["corpus"]>;

/** Characters of a value that are shown: a cell may hold megabytes. */
const shownMax = 20_000;

export async function row({ api, query, path, nonce }: PageContext) {
  const [name, id] = [query.get("corpus") ?? "", query.get("row") ?? ""];
  const corpus = await api.get<Corpus>(`/v1/matrix/corpora/${encodeURIComponent(name)}`);
  const source = corpus.dataset === undefined ? `(${corpus.sql})` : quoteName(corpus.dataset);
  const [found] = await api.post<Record<string, unknown>[]>("/v1/sql?numbers=string", {
    sql: `SELECT * FROM ${source} WHERE CAST(${quoteName(corpus.id_column)} AS VARCHAR) = ${quoteText(id)} LIMIT 1`,
  });
  return (
    <Layout title={says.rowTitle(name, id)} at={path} nonce={nonce}>
      <p class="row">
        {corpus.dataset !== undefined && (
          <a href={`/datasets/${corpus.dataset}`}>{says.openDataset(corpus.dataset)}</a>
        )}
        {isChunk(found) && (
          <a href={`/v1/documents/${encodeURIComponent(found.document)}?corpus=${encodeURIComponent(name)}`}>
            {says.openOriginal}
          </a>
        )}
        <a href={`/search?corpus=${encodeURIComponent(name)}`}>{says.searchCorpus(name)}</a>
      </p>
      {found === undefined ? (
        <Empty>{says.noRow(id)}</Empty>
      ) : (
        <Fields
          of={Object.entries(found).map(([column, value]) => [
            <code>{column}</code>,
            <span class="whole">{written(value).slice(0, shownMax)}</span>,
          ])}
        />
      )}
    </Layout>
  );
}

/** Rows of documents say which one they are a part of, and which part. */
const isChunk = (found: Record<string, unknown> | undefined): found is { document: string; chunk: unknown } =>
  typeof found?.document === "string" && "chunk" in found && "sha256" in found;

const written = (value: unknown): string =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
