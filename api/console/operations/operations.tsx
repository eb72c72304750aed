/** @jsxImportSource hono/jsx */
/** Operations: what was done, what failed, how long it took and cost, and what waits for a person's judgement. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Observerd } from "../../../workers/observerd/contract.ts";
import {
  count,
  duration,
  Failure,
  Layout,
  moment,
  type PageContext,
  Stat,
  State,
  Table,
} from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { operations as says } from "../texts/texts.ts";
import { course } from "./course.tsx";
import { Reviews, type Waiting } from "./reviews.tsx";
import { type Listed, TrainingSets } from "./sets.tsx";

export { run } from "./run.tsx";

type Stats = ReplyOf<Observerd["endpoints"]["stats"]>;
type Failures = ReplyOf<Observerd["endpoints"]["failures"]>;
type Loops = ReplyOf<Observerd["endpoints"]["loops"]>;
type Events = ReplyOf<Observerd["endpoints"]["events"]>;

const latestMax = 100;

export async function operations(context: PageContext) {
  const { api, query, path, nonce } = context;
  if (query.get("part") === "course") return course(context);
  const [stats, { clusters }, { events }, { loops }, waiting, sets] = await Promise.all([
    api.get<Stats>("/v1/observer/stats"),
    api.get<Failures>("/v1/observer/failures?page_size=50"),
    api.get<Events>(`/v1/observer/events?page_size=${latestMax}`),
    api.get<Loops>("/v1/observer/loops"),
    orFailure(api.get<Waiting>("/v1/observer/reviews/waiting?page_size=10")),
    orFailure(api.get<Listed>("/v1/storage/list?bucket=primary&prefix=distill/&page_size=1000")),
  ]);
  return (
    <Layout title={says.title} at={path} nonce={nonce}>
      <dl class="stats">
        <Stat label={says.all}>{count(stats.total)}</Stat>
        <Stat label={says.succeeded}>{count(stats.successes)}</Stat>
        <Stat label={says.failed}>{count(stats.failures)}</Stat>
        {Object.entries(stats.by_source).map(([source, number]) => (
          <Stat label={source}>{count(number)}</Stat>
        ))}
      </dl>
      <h2>{says.reviews}</h2>
      {waiting instanceof ServiceError ? <Failure error={waiting} /> : <Reviews {...waiting} />}
      <h2>{says.course}</h2>
      <div id="course" hx-get="/operations?part=course" hx-trigger="load"></div>
      <h2>{says.alike}</h2>
      <FailureTable clusters={clusters} />
      <h2>{says.latest}</h2>
      <LatestTable events={events} />
      <h2>{says.sets}</h2>
      {sets instanceof ServiceError ? <Failure error={sets} /> : <TrainingSets {...sets} />}
      <h2>{says.loops}</h2>
      <LoopTable loops={loops} />
    </Layout>
  );
}

const FailureTable = ({ clusters }: Pick<Failures, "clusters">) => (
  <Table
    label={says.alike}
    heads={says.alikeHeads}
    rows={clusters.map((each) => [
      <code>{each.endpoint}</code>,
      each.error_class,
      each.message,
      count(each.count),
      each.rate_per_hour.toPrecision(2),
      moment(each.last_seen),
    ])}
    empty={says.nothingFailed}
  />
);

const LatestTable = ({ events }: Pick<Events, "events">) => (
  <Table
    label={says.latest}
    heads={says.latestHeads}
    rows={events.map((each) => [
      moment(each.timestamp),
      each.source,
      <code>{each.endpoint}</code>,
      <State of={each.success ? "ok" : "failed"} />,
      duration(each.duration_ms),
      each.model ?? "",
      each.run_id === undefined ? (
        ""
      ) : (
        <a class="cut" href={`/operations/${encodeURIComponent(each.run_id)}`}>
          {each.run_id}
        </a>
      ),
      <span class="cut">{each.error ?? ""}</span>,
    ])}
    empty={says.noOperation}
  />
);

const LoopTable = ({ loops }: Loops) => (
  <Table
    label={says.loops}
    heads={says.loopHeads}
    rows={loops.map((each) => [
      each.name,
      each.enabled ? says.on : says.off,
      duration(each.interval_ms),
      count(each.runs),
      each.last_run_at === undefined ? "" : moment(each.last_run_at),
      <span class="cut">{each.last_error ?? each.last_result ?? ""}</span>,
    ])}
    empty={says.noLoops}
  />
);
