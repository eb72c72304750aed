/** Latencies, tokens and cost over time: a question of SQL to the operations, exact and in bounded memory. */
import type { InputOf, Peer, ReplyOf } from "../../../runtime/contract/contract.ts";
import { fail, invalidField, peerError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { operationsTable, type Queryd } from "../../queryd/contract.ts";
import type { Observerd } from "../contract.ts";

type Stats = Observerd["endpoints"]["stats"];
type Asked = InputOf<Stats>;
type Windowed = Required<Pick<ReplyOf<Stats>, "groups">> & Pick<ReplyOf<Stats>, "since" | "until" | "more">;
type Group = Windowed["groups"][number];

/** Groups of one answer, the largest of each step. */
const groupsMax = 1000;
/** Steps of one answer. */
const stepsMax = 1000;
const unitMs = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `15m`, `24h`, `7d` in milliseconds; the contract has its form. */
const msOf = (text: string): number => Number(text.slice(0, -1)) * unitMs[text.at(-1) as keyof typeof unitMs];

/** The statement and its parameters. Throws `invalid_field` for steps without a window, and for too many. */
export function statisticsSql({ window, by, every }: Asked, nowMs: number) {
  const windowMs = window === undefined ? undefined : msOf(window);
  const everyMs = every === undefined ? undefined : msOf(every);
  if (windowMs === 0) throw invalidField("window", `expected a time such as 24h, got ${window}`);
  if (everyMs !== undefined && windowMs === undefined)
    throw invalidField("every", "expected a window that it divides, as window=24h&every=1h");
  if (everyMs === 0 || (everyMs !== undefined && (windowMs ?? 0) / everyMs > stepsMax))
    throw invalidField("every", `expected at most ${stepsMax} steps in ${window}, got ${every}`);
  const until = new Date(nowMs);
  const since = windowMs === undefined ? undefined : new Date(nowMs - windowMs);
  const keys = [
    ...(everyMs === undefined
      ? []
      : [`epoch_ms(time_bucket(INTERVAL '${everyMs / 1000} seconds', timestamp)) AS start`]),
    ...(by === undefined ? [] : [`${by} AS key`]),
  ];
  const sql = `SELECT ${[...keys, ""].join(", ")}count(*) AS total, count(*) FILTER (NOT success) AS failures,
    quantile_cont(duration_ms, [0.5, 0.9, 0.99]) AS quantiles, max(duration_ms) AS max_ms,
    sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens, sum(cost_usd) AS cost_usd
    FROM ${operationsTable} WHERE timestamp <= $2 AND ($1 IS NULL OR timestamp >= $1)
    GROUP BY ALL HAVING total > 0 ORDER BY ${everyMs === undefined ? "" : "start, "}total DESC${by === undefined ? "" : ", key"}
    LIMIT ${groupsMax + 1}`;
  return { sql, since: since?.toISOString(), until: until.toISOString() };
}

/** What a row of the answer has; JSON has no other numbers. */
interface Row {
  start?: number;
  key?: string | null;
  total: number;
  failures: number;
  quantiles: [number, number, number];
  max_ms: number;
  prompt_tokens: number | null;
  completion_tokens: number | null;
  cost_usd: number | null;
}

const groupOf = ({ by }: Asked, row: Row): Group => {
  const { start, key, total, failures, quantiles, max_ms } = row;
  const [p50_ms, p90_ms, p99_ms] = quantiles;
  const sums = {
    prompt_tokens: row.prompt_tokens,
    completion_tokens: row.completion_tokens,
    cost_usd: row.cost_usd,
  };
  return {
    ...(start !== undefined && { start: new Date(start).toISOString() }),
    ...(by !== undefined && typeof key === "string" && { [by]: key }),
    total,
    failures,
    p50_ms,
    p90_ms,
    p99_ms,
    max_ms,
    ...Object.fromEntries(Object.entries(sums).filter(([, value]) => value !== null)),
  };
};

/** Asks queryd. Throws as it does. */
export function createStatistics(queryd: Pick<Peer<Queryd>, "fetch">, clock: Pick<Clock, "now">) {
  return async (asked: Asked, signal: AbortSignal): Promise<Windowed> => {
    const { sql, since, until } = statisticsSql(asked, clock.now());
    const response = await queryd.fetch("/sql?numbers=json", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ sql, params: [since ?? null, until] }),
      signal,
    });
    if (!response.ok) {
      const { type, message } = await peerError("queryd", response);
      throw fail(type, message);
    }
    const rows = (await response.json()) as Row[];
    return {
      ...(since !== undefined && { since }),
      until,
      groups: rows.slice(0, groupsMax).map((row) => groupOf(asked, row)),
      ...(rows.length > groupsMax && { more: true }),
    };
  };
}
