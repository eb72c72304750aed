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
import { datasets as says } from "../texts/texts.ts";
import { Elsewhere } from "./elsewhere.tsx";
import { MakeCorpus } from "./make-corpus.tsx";
import { profile } from "./profile.tsx";
import { type View, viewPage } from "./view.tsx";

type Manifest = ReplyOf<Catalogd["endpoints"]["manifest"]>;
type Versions = ReplyOf<Catalogd["endpoints"]["versions"]>;
/** Columns that are listed until they are looked at. */
const columnsShown = 100;
/** As ingests name what they set aside. */
const rejectsSuffix = "__rejects";

type Difference = ReplyOf<Catalogd["endpoints"]["diff"]>;

export async function dataset(context: PageContext) {
  const { api, name, query, isPart, path, nonce, origin } = context;
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
  const rejects = await orFailure(
    api.get<Manifest>(`/v1/catalog/manifest/${encodeURIComponent(`${name}${rejectsSuffix}`)}`),
  );
  if (manifest instanceof ServiceError && at !== null) throw manifest;
  return (
    <Layout title={name} at={path} nonce={nonce} islands={["grid.js"]}>
      {manifest instanceof ServiceError ? (
        <Dropped name={name} error={manifest} />
      ) : (
        <Whole
          manifest={manifest}
          at={at}
          origin={origin}
          rejects={rejects instanceof ServiceError ? undefined : rejects}
        />
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
        {says.bringBack}
      </Action>
    </p>
  </>
);

const Whole = ({
  manifest,
  at,
  origin,
  rejects,
}: {
  manifest: Manifest;
  at: string | null;
  origin: string;
  rejects: Manifest | undefined;
}) => {
  const { name, version } = manifest;
  const source = quoteName(at === null ? name : `${name}@${version}`);
  return (
    <>
      <dl class="stats">
        <Stat label={says.rows}>{count(manifest.row_count)}</Stat>
        <Stat label={says.size}>{bytes(manifest.bytes)}</Stat>
        <Stat label={says.files}>{count(manifest.objects.length)}</Stat>
        <Stat label={says.version}>{version}</Stat>
        <Stat label={says.made}>
          {says.madeBy(moment(manifest.created_at), {
            operation: manifest.operation,
            by: manifest.made_by,
            of: manifest.copy_of,
          })}
        </Stat>
      </dl>
      {at !== null && (
        <p class="note">
          {says.asItWas(version)}
          <a href={`/datasets/${name}`}>{says.toLatest}</a>
        </p>
      )}
      <p class="row">
        <a class="button" href={`/sql#sql=${encodeURIComponent(`SELECT * FROM ${source} LIMIT 100`)}&run`}>
          {says.askSql}
        </a>
        <Action
          method="DELETE"
          path={`/v1/catalog/manifest/${name}`}
          says={says.dropSays(name)}
          to={`/datasets/${name}`}
          danger
        >
          {says.drop}
        </Action>
      </p>
      {rejects && (
        <p class="note">
          {says.rejects(count(rejects.row_count))}
          <a href={`/datasets/${rejects.name}`}>{rejects.name}</a>
        </p>
      )}
      <section aria-labelledby="columns">
        <h2 id="columns">{says.columns}</h2>
        <div hx-get={`/datasets/${name}?profile&version=${version}`} hx-trigger="load" hx-swap="innerHTML">
          <Table
            label={says.columns}
            heads={says.columnHeads}
            rows={manifest.columns
              .slice(0, columnsShown)
              .map((column) => [
                <code>{column.name}</code>,
                <code>{column.type}</code>,
                column.comment ?? "",
              ])}
            empty={says.noColumns}
          />
        </div>
      </section>
      <section aria-labelledby="rows">
        <h2 id="rows">{says.firstRows}</h2>
        <div
          class="grid"
          data-sql={`SELECT * FROM ${source}`}
          data-limit="1000"
          data-label={says.rowsOf(name)}
        />
      </section>
      <MakeCorpus from={manifest} />
      <Elsewhere name={name} origin={origin} />
    </>
  );
};

const History = ({ name, versions }: { name: string; versions: Versions }) => (
  <section aria-labelledby="versions">
    <h2 id="versions">{says.versions}</h2>
    <p class="quiet">{says.versionsHelp}</p>
    <div id="difference" aria-live="polite"></div>
    <Table
      label={says.versions}
      heads={says.versionHeads}
      rows={versions.versions.map((each, index) => [
        <a href={`/datasets/${name}?version=${each.version}`}>{each.version}</a>,
        moment(each.created_at),
        says.operationBy(each.operation, each.made_by),
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
              {says.compare}
            </button>
            <Action
              method="POST"
              path={`/v1/catalog/rollback/${name}`}
              body={{ version: each.version }}
              says={says.goBackSays(name, each.version)}
              to={`/datasets/${name}`}
            >
              {says.goBack}
            </Action>
          </span>
        ),
      ])}
      empty={says.noVersions}
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
  const names = (list: readonly { name: string }[]) =>
    list.map((each) => each.name).join(", ") || says.noColumn;
  return (
    <div class="note">
      <p>
        {says.difference({
          from,
          to: to.version,
          rows: signed(rows, count),
          size: signed(size, bytes),
          added: objects.added.count,
          removed: objects.removed.count,
          kept: objects.kept.count,
        })}
      </p>
      <p>
        {says.columnDifference({
          added: names(columns.added),
          removed: names(columns.removed),
          renamed: names(columns.renamed.map(({ from, to }) => ({ name: says.renamed(from, to) }))),
          retyped: names(columns.retyped),
        })}
      </p>
    </div>
  );
}

const signed = (value: number, written: (value: number) => string): string =>
  `${value >= 0 ? "+" : "−"}${written(Math.abs(value))}`;
