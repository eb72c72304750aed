/** @jsxImportSource hono/jsx */
/** Latency and cost over time, as observerd counts them in steps of a window. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Observerd } from "../../../workers/observerd/contract.ts";
import { count, duration, Failure, moment, type PageContext, Table } from "../parts/parts.ts";
import { orFailure } from "../session/session.ts";
import { operations as says } from "../texts/texts.ts";

type Stats = ReplyOf<Observerd["endpoints"]["stats"]>;
type Group = NonNullable<Stats["groups"]>[number];

export async function course({ api, query }: PageContext) {
  const chosen = says.windows.find(([window]) => window === query.get("window")) ?? says.windows[0];
  const [window, every] = chosen;
  const stats = await orFailure(api.get<Stats>(`/v1/observer/stats?window=${window}&every=${every}`));
  return (
    <>
      <label>
        {says.window}{" "}
        <select name="window" hx-get="/operations?part=course" hx-target="#course" hx-trigger="change">
          {says.windows.map((each) => (
            <option value={each[0]} selected={each === chosen}>
              {each[2]}
            </option>
          ))}
        </select>
      </label>
      {stats instanceof ServiceError ? <Failure error={stats} /> : <Steps groups={stats.groups ?? []} />}
      {!(stats instanceof ServiceError) && stats.more && <p class="quiet">{says.moreSteps}</p>}
    </>
  );
}

const Steps = ({ groups }: { groups: readonly Group[] }) => {
  const slowest = Math.max(...groups.map(({ p99_ms }) => p99_ms), 1);
  return (
    <Table
      label={says.course}
      heads={says.courseHeads}
      rows={groups.toReversed().map((each) => [
        moment(each.start ?? ""),
        count(each.total),
        count(each.failures),
        duration(each.p50_ms),
        duration(each.p90_ms),
        duration(each.p99_ms),
        count((each.prompt_tokens ?? 0) + (each.completion_tokens ?? 0)),
        each.cost_usd === undefined ? "" : says.usd(each.cost_usd.toFixed(each.cost_usd < 1 ? 4 : 2)),
        <svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
          <rect width={(100 * each.p99_ms) / slowest} height="1" class="soft" />
          <rect width={(100 * each.p50_ms) / slowest} height="1" />
        </svg>,
      ])}
      empty={says.noCourse}
    />
  );
};
