/** @jsxImportSource hono/jsx */
/** Latency and cost by the hour, of the operations at hand. */
import type { Operation } from "../../../workers/observerd/contract.ts";
import { count, duration, Table } from "../parts/parts.ts";
import { operations as says } from "../texts/texts.ts";

const hourDigits = "2026-11-30T12".length;

export const Course = ({ events }: { events: readonly Operation[] }) => {
  const hours = [...Map.groupBy(events, ({ timestamp }) => timestamp.slice(0, hourDigits))].map(
    ([hour, those]) => ({ hour, ...summary(those) }),
  );
  const slowest = Math.max(...hours.map(({ late }) => late), 1);
  return (
    <>
      <p class="quiet">{says.courseHelp(count(events.length))}</p>
      <Table
        label={says.course}
        heads={says.courseHeads}
        rows={hours.map(({ hour, number, failed, median, late, tokens, usd }) => [
          `${hour.replace("T", " ")}:00`,
          count(number),
          count(failed),
          duration(median),
          duration(late),
          count(tokens),
          says.usd(usd.toFixed(usd > 0 && usd < 1 ? 4 : 2)),
          <svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
            <rect width={(100 * late) / slowest} height="1" class="soft" />
            <rect width={(100 * median) / slowest} height="1" />
          </svg>,
        ])}
        empty={says.noCourse}
      />
    </>
  );
};

function summary(events: readonly Operation[]) {
  const took = events.map(({ duration_ms: ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0;
  const sum = (...names: string[]) =>
    events
      .flatMap(({ attributes = {} }) => names.map((name) => Number(attributes[name] ?? 0)))
      .filter(Number.isFinite)
      .reduce((total, value) => total + value, 0);
  return {
    number: events.length,
    failed: events.filter(({ success }) => !success).length,
    median: at(0.5),
    late: at(0.95),
    tokens: sum(
      "prompt_tokens",
      "completion_tokens",
      "gen_ai.usage.input_tokens",
      "gen_ai.usage.output_tokens",
    ),
    usd: sum("cost_usd", "gen_ai.usage.cost"),
  };
}
