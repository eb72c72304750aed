/** @jsxImportSource hono/jsx */
/** Operations: what was done, what failed, and failures alike. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Observerd } from "../../../workers/observerd/contract.ts";
import { count, duration, Layout, moment, type PageContext, Stat, State, Table } from "../parts/parts.ts";

type Stats = ReplyOf<Observerd["endpoints"]["stats"]>;
type Failures = ReplyOf<Observerd["endpoints"]["failures"]>;
type Loops = ReplyOf<Observerd["endpoints"]["loops"]>;
type Events = ReplyOf<Observerd["endpoints"]["events"]>;

export async function operations({ api, path, nonce }: PageContext) {
  const [stats, { clusters }, { events }, { loops }] = await Promise.all([
    api.get<Stats>("/v1/observer/stats"),
    api.get<Failures>("/v1/observer/failures?page_size=50"),
    api.get<Events>("/v1/observer/events?page_size=100"),
    api.get<Loops>("/v1/observer/loops"),
  ]);
  return (
    <Layout title="Operations" at={path} nonce={nonce}>
      <dl class="stats">
        <Stat label="Operations">{count(stats.total)}</Stat>
        <Stat label="Succeeded">{count(stats.successes)}</Stat>
        <Stat label="Failed">{count(stats.failures)}</Stat>
        {Object.entries(stats.by_source).map(([source, number]) => (
          <Stat label={source}>{count(number)}</Stat>
        ))}
      </dl>
      <h2>Failures alike</h2>
      <Table
        label="Failures alike"
        heads={["Endpoint", "Error", "Message", "Times", "An hour", "Last"]}
        rows={clusters.map((each) => [
          <code>{each.endpoint}</code>,
          each.error_class,
          each.message,
          count(each.count),
          each.rate_per_hour.toPrecision(2),
          moment(each.last_seen),
        ])}
        empty="Nothing failed."
      />
      <h2>Latest</h2>
      <Table
        label="Latest operations"
        heads={["When", "Source", "Endpoint", "Outcome", "Took", "Model", "Error"]}
        rows={events.map((each) => [
          moment(each.timestamp),
          each.source,
          <code>{each.endpoint}</code>,
          <State of={each.success ? "ok" : "failed"} />,
          duration(each.duration_ms),
          each.model ?? "",
          <span class="cut">{each.error ?? ""}</span>,
        ])}
        empty="No operation was reported yet."
      />
      <h2>Background loops</h2>
      <Table
        label="Background loops"
        heads={["Name", "State", "Every", "Runs", "Last", "Result"]}
        rows={loops.map((each) => [
          each.name,
          each.enabled ? "on" : "off",
          duration(each.interval_ms),
          count(each.runs),
          each.last_run_at === undefined ? "" : moment(each.last_run_at),
          <span class="cut">{each.last_error ?? each.last_result ?? ""}</span>,
        ])}
        empty="There are none."
      />
    </Layout>
  );
}
