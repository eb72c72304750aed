/** @jsxImportSource hono/jsx */
/** One view: its columns, its rows, the statement that it is, and what it reads. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { Action, Layout, moment, type PageContext, Stat, Table } from "../parts/parts.ts";
import { Elsewhere } from "./elsewhere.tsx";
import { MakeCorpus } from "./make-corpus.tsx";

export type View = ReplyOf<Queryd["endpoints"]["view"]>;

export function viewPage(view: View, { path, nonce }: Pick<PageContext, "path" | "nonce">) {
  const { name, sql, description, columns, reads = [], problem } = view;
  const source = `SELECT * FROM ${quoteName(name)}`;
  return (
    <Layout title={name} at={path} nonce={nonce} islands={["grid.js"]}>
      <dl class="stats">
        <Stat label="View">{description ?? "a statement that is read like a dataset"}</Stat>
        <Stat label="Version">{view.version}</Stat>
        <Stat label="Made">{moment(view.created_at)}</Stat>
      </dl>
      {problem !== undefined && (
        <p class="note" role="alert">
          It cannot be read now: {problem}
        </p>
      )}
      <p class="row">
        <a class="button" href={`/sql#sql=${encodeURIComponent(`${source} LIMIT 100`)}&run`}>
          Ask in SQL
        </a>
        <Action
          method="DELETE"
          path={`/v1/catalog/views/${name}`}
          says={`The view '${name}' will be dropped. What it reads stays.`}
          to="/datasets"
          danger
        >
          Drop
        </Action>
      </p>
      <section aria-labelledby="statement">
        <h2 id="statement">Statement</h2>
        <pre tabindex={0}>{sql}</pre>
        {reads.length > 0 && (
          <p>
            It reads{" "}
            {reads.map((each, at) => (
              <>
                {at > 0 && ", "}
                <a href={`/datasets/${each}`}>{each}</a>
              </>
            ))}
            .
          </p>
        )}
      </section>
      <section aria-labelledby="columns">
        <h2 id="columns">Columns</h2>
        <Table
          label="Columns"
          heads={["Name", "Type"]}
          rows={columns.map((column) => [<code>{column.name}</code>, <code>{column.type}</code>])}
          empty="It has no columns."
        />
      </section>
      {problem === undefined && (
        <section aria-labelledby="rows">
          <h2 id="rows">First rows</h2>
          <div class="grid" data-sql={source} data-limit="1000" data-label={`Rows of ${name}`} />
        </section>
      )}
      <MakeCorpus from={view} />
      <Elsewhere name={name} isView />
    </Layout>
  );
}
