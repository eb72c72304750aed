/** @jsxImportSource hono/jsx */
/** One view: its columns, its rows, the statement that it is, and what it reads. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { Action, Layout, moment, type PageContext, Stat, Table } from "../parts/parts.ts";
import { datasets as says } from "../texts/texts.ts";
import { Elsewhere } from "./elsewhere.tsx";
import { MakeCorpus } from "./make-corpus.tsx";

export type View = ReplyOf<Queryd["endpoints"]["view"]>;

export function viewPage(
  view: View,
  { path, nonce, origin }: Pick<PageContext, "path" | "nonce" | "origin">,
) {
  const { name, sql, description, columns, reads = [], problem } = view;
  const source = `SELECT * FROM ${quoteName(name)}`;
  return (
    <Layout title={name} at={path} nonce={nonce} islands={["grid.js"]}>
      <dl class="stats">
        <Stat label={says.view}>{description ?? says.viewHelp}</Stat>
        <Stat label={says.version}>{view.version}</Stat>
        <Stat label={says.made}>{moment(view.created_at)}</Stat>
      </dl>
      {problem !== undefined && (
        <p class="note" role="alert">
          {says.notReadable(problem)}
        </p>
      )}
      <p class="row">
        <a class="button" href={`/sql#sql=${encodeURIComponent(`${source} LIMIT 100`)}&run`}>
          {says.askSql}
        </a>
        <Action
          method="DELETE"
          path={`/v1/catalog/views/${name}`}
          says={says.dropViewSays(name)}
          to="/datasets"
          danger
        >
          {says.drop}
        </Action>
      </p>
      <section aria-labelledby="statement">
        <h2 id="statement">{says.statement}</h2>
        <pre tabindex={0}>{sql}</pre>
        {reads.length > 0 && (
          <p>
            {says.reads}{" "}
            {reads.map((each, at) => (
              <>
                {at > 0 && ", "}
                <a href={`/datasets/${each}`}>{each}</a>
              </>
            ))}
          </p>
        )}
      </section>
      <section aria-labelledby="columns">
        <h2 id="columns">{says.columns}</h2>
        <Table
          label={says.columns}
          heads={says.columnHeads.slice(0, 2)}
          rows={columns.map((column) => [<code>{column.name}</code>, <code>{column.type}</code>])}
          empty={says.noColumns}
        />
      </section>
      {problem === undefined && (
        <section aria-labelledby="rows">
          <h2 id="rows">{says.firstRows}</h2>
          <div class="grid" data-sql={source} data-limit="1000" data-label={says.rowsOf(name)} />
        </section>
      )}
      <MakeCorpus from={view} />
      <Elsewhere name={name} origin={origin} isView />
    </Layout>
  );
}
