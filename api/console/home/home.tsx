/** @jsxImportSource hono/jsx */
/** Home: what there is, what runs now, and the way in for whoever is new. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Catalogd } from "../../../workers/catalogd/contract.ts";
import type { Ingestd } from "../../../workers/ingestd/contract.ts";
import type { Matrixd } from "../../../workers/matrixd/contract.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import type { Vectord } from "../../../workers/vectord/contract.ts";
import type { Gateway } from "../../gateway/contract.ts";
import {
  bytes,
  count,
  duration,
  Empty,
  Failure,
  Layout,
  type PageContext,
  Stat,
  State,
  since,
  Table,
} from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { home as says } from "../texts/texts.ts";

type System = ReplyOf<Gateway["endpoints"]["system"]>;
type Datasets = ReplyOf<Catalogd["endpoints"]["list"]>;
type Corpora = ReplyOf<Matrixd["endpoints"]["corpora"]>;
type Indexes = ReplyOf<Vectord["endpoints"]["list"]>;

export async function home({ api, isPart, path, nonce }: PageContext) {
  if (isPart) return <Running api={await running(api)} />;
  const [system, datasets, corpora, indexes, now] = await Promise.all([
    orFailure(api.get<System>("/v1/system")),
    orFailure(api.get<Datasets>("/v1/catalog/list?page_size=10")),
    orFailure(api.get<Corpora>("/v1/matrix/corpora?page_size=10")),
    orFailure(api.get<Indexes>("/v1/vectors/index?page_size=10")),
    running(api),
  ]);
  const isNew = !(datasets instanceof ServiceError) && datasets.datasets.length === 0;
  return (
    <Layout title={says.title} at={path} nonce={nonce} islands={["home.js"]}>
      {isNew && <Welcome />}
      {system instanceof ServiceError ? <Failure error={system} /> : <Services system={system} />}
      <section aria-labelledby="now">
        <h2 id="now">{says.now}</h2>
        <div id="running" hx-get="/" hx-trigger="every 2s, ended" hx-swap="innerHTML">
          <Running api={now} />
        </div>
      </section>
      <section aria-labelledby="datasets">
        <h2 id="datasets">{says.datasets}</h2>
        {datasets instanceof ServiceError ? (
          <Failure error={datasets} />
        ) : (
          <Table
            label={says.datasets}
            heads={says.datasetHeads}
            rows={datasets.datasets.map((each) => [
              <a href={`/datasets/${each.name}`}>{each.name}</a>,
              count(each.row_count),
              bytes(each.bytes),
              each.version,
              since(each.created_at),
            ])}
            empty={says.noDatasets}
          />
        )}
      </section>
      <section aria-labelledby="corpora">
        <h2 id="corpora">{says.corpora}</h2>
        {corpora instanceof ServiceError ? (
          <Failure error={corpora} />
        ) : (
          <Table
            label={says.corpora}
            heads={says.corpusHeads}
            rows={corpora.corpora.map((each) => [
              <a href={`/search?corpus=${encodeURIComponent(each.name)}`}>{each.name}</a>,
              <State of={each.state} />,
              count(each.rows),
              each.dataset ?? says.ofStatement,
            ])}
            empty={says.noCorpora}
          />
        )}
      </section>
      <section aria-labelledby="indexes">
        <h2 id="indexes">{says.indexes}</h2>
        {indexes instanceof ServiceError ? (
          <Failure error={indexes} />
        ) : (
          <Table
            label={says.indexes}
            heads={says.indexHeads}
            rows={indexes.indexes.map((each) => [
              each.name,
              each.engine,
              count(each.count),
              count(each.dimension),
              each.metric,
            ])}
            empty={says.noIndexes}
          />
        )}
      </section>
    </Layout>
  );
}

const Welcome = () => (
  <section class="welcome" aria-labelledby="welcome">
    <h2 id="welcome">{says.welcome}</h2>
    <p>{says.welcomeHelp}</p>
    <ol>
      {says.steps.map((step) => (
        <li>{step}</li>
      ))}
    </ol>
    <p class="row">
      <a class="button" href="/upload">
        {says.loadFile}
      </a>
      <button type="button" data-sample="/console/assets/workers.csv" data-to="/datasets/workers">
        {says.loadSample}
      </button>
    </p>
  </section>
);

const Services = ({ system }: { system: System }) => {
  const { memory, services } = system;
  return (
    <section aria-labelledby="services">
      <h2 id="services">{says.services}</h2>
      <dl class="stats">
        <Stat label={says.state}>
          <State of={system.ready ? says.ready : says.notReady} />
        </Stat>
        {system.disk && (
          <Stat label={says.diskFree}>
            {says.freeOf(bytes(system.disk.free_bytes), bytes(system.disk.total_bytes))}
          </Stat>
        )}
        <Stat label={says.memory}>{bytes(memory.resident_bytes)}</Stat>
        <Stat label={says.planned}>{bytes(memory.planned_bytes)}</Stat>
        <Stat label={says.available}>{bytes(memory.available_bytes)}</Stat>
      </dl>
      <ul class="services">
        {services.map((service) => (
          <li title={service.last_error}>
            <strong>{service.name}</strong> <State of={service.state} />
            <small>
              {service.uptime_seconds === undefined ? "" : says.up(duration(service.uptime_seconds * 1000))}
              {service.latency_ms === undefined ? "" : says.answersIn(duration(service.latency_ms))}
              {service.restarts ? says.restarts(service.restarts) : ""}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
};

interface Work {
  what: string;
  name: string;
  state: string;
  at: string;
  /** From 0 to 1, where it is known. */
  progress?: number | undefined;
  /** Where its events are. */
  events?: string;
}

/** What runs, of ingests, queries and jobs. */
async function running(api: PageContext["api"]): Promise<Work[] | ServiceError> {
  const asked = await Promise.all([
    orFailure(api.get<ReplyOf<Ingestd["endpoints"]["jobs"]>>("/v1/ingest/jobs?page_size=50")),
    orFailure(api.get<ReplyOf<Queryd["endpoints"]["queries"]>>("/v1/sql/queries?page_size=50")),
    orFailure(api.get<ReplyOf<Matrixd["endpoints"]["jobs"]>>("/v1/matrix/jobs?page_size=50")),
  ]);
  const failure = asked.find((each) => each instanceof ServiceError);
  if (failure instanceof ServiceError) return failure;
  const [ingests, queries, jobs] = asked as Exclude<(typeof asked)[number], ServiceError>[] as [
    ReplyOf<Ingestd["endpoints"]["jobs"]>,
    ReplyOf<Queryd["endpoints"]["queries"]>,
    ReplyOf<Matrixd["endpoints"]["jobs"]>,
  ];
  const over = new Set(["done", "failed", "interrupted", "cancelled"]);
  return [
    ...ingests.jobs.map(({ job_id, name, state, started_at: at, progress }) => ({
      what: says.ingest,
      name,
      state,
      at,
      progress,
      events: `/v1/ingest/jobs/${job_id}/events`,
    })),
    ...queries.queries.map(({ sql, state, started_at: at }) => ({ what: says.query, name: sql, state, at })),
    ...jobs.jobs.map(({ job_id, corpus: name, state, started_at: at, rows_read, rows_total }) => ({
      what: says.corpus,
      name,
      state,
      at,
      ...(rows_total && { progress: rows_read / rows_total }),
      events: `/v1/matrix/jobs/${job_id}/events`,
    })),
  ].filter(({ state }) => !over.has(state));
}

const Running = ({ api: now }: { api: Work[] | ServiceError }) =>
  now instanceof ServiceError ? (
    <Failure error={now} />
  ) : now.length === 0 ? (
    <Empty>{says.nothingRuns}</Empty>
  ) : (
    <Table
      label={says.running}
      heads={says.runningHeads}
      rows={now.map(({ what, name, state, at, progress, events }) => [
        what,
        <code class="cut">{name}</code>,
        <State of={state} />,
        events === undefined ? (
          ""
        ) : (
          <progress value={progress} max={1} data-events={events} aria-label={says.progressOf(name)} />
        ),
        since(at),
      ])}
      empty=""
    />
  );
