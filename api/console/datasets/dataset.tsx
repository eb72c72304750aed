/** @jsxImportSource hono/jsx */
/** One dataset: its columns, rows, versions, and what can be done with it. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { quoteName } from "../../../runtime/sql/sql.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import { viewIn } from "../../../workers/catalogd/contract.ts";
import {
  Action,
  bytes,
  count,
  Failure,
  Layout,
  moment,
  type PageContext,
  Stat,
  Table,
} from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { Elsewhere } from "./elsewhere.tsx";
import { MakeCorpus } from "./make-corpus.tsx";
import { profile } from "./profile.tsx";
import { type View, viewPage } from "./view.tsx";

type Manifest = ReplyOf<Catalogd["endpoints"]["manifest"]>;
type Versions = ReplyOf<Catalogd["endpoints"]["versions"]>;
type Difference = ReplyOf<Catalogd["endpoints"]["diff"]>;

export async function dataset(context: PageContext) {
  const { api, name, query, isPart, path, nonce } = context;
  const at = query.get("version");
  if (isPart && query.has("profile")) return profile(context);
  if (isPart && query.has("from")) return difference(context);
  const place = `/v1/catalog/manifest/${encodeURIComponent(name)}`;
  const manifest = await orFailure(
    api.get<Manifest>(at === null ? place : `${place}?version=${encodeURIComponent(at)}`),
  );
  const view = viewIn(manifest);
  if (view !== undefined) return viewPage(await api.get<View>(`/v1/catalog/views/${view}`), context);
  const versions = await orFailure(
    api.get<Versions>(`/v1/catalog/versions/${encodeURIComponent(name)}?page_size=50`),
  );
  if (versions instanceof ServiceError) throw versions;
  if (manifest instanceof ServiceError && at !== null) throw manifest;
  return (
    <Layout title={name} at={path} nonce={nonce} islands={["grid.js"]}>
      {manifest instanceof ServiceError ? (
        <Dropped name={name} error={manifest} />
      ) : (
        <Whole manifest={manifest} at={at} />
      )}
      <History name={name} versions={versions} />
    </Layout>
  );
}

const Dropped = ({ name, error }: { name: string; error: ServiceError }) => (
  <>
    <Failure error={error} />
    <p>
      <Action method="POST" path={`/v1/catalog/undrop/${name}`} body={{}}>
        Bring it back
      </Action>
    </p>
  </>
);

const Whole = ({ manifest, at }: { manifest: Manifest; at: string | null }) => {
  const { name, version } = manifest;
  const source = quoteName(at === null ? name : `${name}@${version}`);
  return (
    <>
      <dl class="stats">
        <Stat label="Rows">{count(manifest.row_count)}</Stat>
        <Stat label="Size">{bytes(manifest.bytes)}</Stat>
        <Stat label="Files">{count(manifest.objects.length)}</Stat>
        <Stat label="Version">{version}</Stat>
        <Stat label="Made">{`${moment(manifest.created_at)} by ${manifest.made_by}`}</Stat>
      </dl>
      {at !== null && (
        <p class="note">
          This is version {version}, as it was. <a href={`/datasets/${name}`}>To the latest</a>
        </p>
      )}
      <p class="row">
        <a class="button" href={`/sql#sql=${encodeURIComponent(`SELECT * FROM ${source} LIMIT 100`)}&run`}>
          Ask in SQL
        </a>
        <Action
          method="DELETE"
          path={`/v1/catalog/manifest/${name}`}
          says={`'${name}' will be dropped: nobody finds it any more. Its versions stay, and it can be brought back.`}
          to={`/datasets/${name}`}
          danger
        >
          Drop
        </Action>
      </p>
      <section aria-labelledby="columns">
        <h2 id="columns">Columns</h2>
        <div hx-get={`/datasets/${name}?profile&version=${version}`} hx-trigger="load" hx-swap="innerHTML">
          <Table
            label="Columns"
            heads={["Name", "Type", ""]}
            rows={manifest.columns.map((column) => [
              <code>{column.name}</code>,
              <code>{column.type}</code>,
              column.comment ?? "",
            ])}
            empty="It has no columns."
          />
        </div>
      </section>
      <section aria-labelledby="rows">
        <h2 id="rows">First rows</h2>
        <div
          class="grid"
          data-sql={`SELECT * FROM ${source}`}
          data-limit="1000"
          data-label={`Rows of ${name}`}
        />
      </section>
      <MakeCorpus from={manifest} />
      <Elsewhere name={name} />
    </>
  );
};

const History = ({ name, versions }: { name: string; versions: Versions }) => (
  <section aria-labelledby="versions">
    <h2 id="versions">Versions</h2>
    <div id="difference" aria-live="polite"></div>
    <Table
      label="Versions"
      heads={["Version", "Made", "By", "Rows", "Size", ""]}
      rows={versions.versions.map((each, index) => [
        <a href={`/datasets/${name}?version=${each.version}`}>{each.version}</a>,
        moment(each.created_at),
        `${each.operation}, ${each.made_by}`,
        count(each.row_count),
        bytes(each.bytes),
        index === 0 || each.operation === "drop" ? (
          ""
        ) : (
          <span class="row">
            <button
              type="button"
              hx-get={`/datasets/${name}?from=${each.version}`}
              hx-target="#difference"
              hx-swap="innerHTML"
            >
              Compare
            </button>
            <Action
              method="POST"
              path={`/v1/catalog/rollback/${name}`}
              body={{ version: each.version }}
              says={`'${name}' will be as it was in version ${each.version}, as a new version. Those between stay.`}
              to={`/datasets/${name}`}
            >
              Go back to it
            </Action>
          </span>
        ),
      ])}
      empty="It has no versions."
    />
  </section>
);

async function difference({ api, name, query }: PageContext) {
  const from = query.get("from") ?? "";
  const found = await orFailure(
    api.get<Difference>(`/v1/catalog/diff/${encodeURIComponent(name)}?from=${encodeURIComponent(from)}`),
  );
  if (found instanceof ServiceError) return <Failure error={found} />;
  const { columns, row_count: rows, bytes: size, objects, to } = found;
  const names = (list: readonly { name: string }[]) => list.map((each) => each.name).join(", ") || "none";
  return (
    <div class="note">
      <p>
        From version {from} to {to.version}: {rows >= 0 ? "+" : "−"}
        {count(Math.abs(rows))} rows, {size >= 0 ? "+" : "−"}
        {bytes(Math.abs(size))}; files {objects.added.count} added, {objects.removed.count} removed,{" "}
        {objects.kept.count} kept.
      </p>
      <p>
        Columns added: {names(columns.added)}; removed: {names(columns.removed)}; renamed:{" "}
        {columns.renamed.map((each) => `${each.from} to ${each.to}`).join(", ") || "none"}; other types:{" "}
        {names(columns.retyped)}.
      </p>
    </div>
  );
}
