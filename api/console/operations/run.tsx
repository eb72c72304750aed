/** @jsxImportSource hono/jsx */
/** One run: its operations beside each other in time, those of spans below the span that asked for them. */
import type { ReplyOf } from "../../../runtime/contract/contract.ts";
import type { Observerd, Operation } from "../../../workers/observerd/contract.ts";
import { duration, Empty, Layout, moment, type PageContext, State, Table } from "../parts/parts.ts";
import { operations as says } from "../texts/texts.ts";

type Events = ReplyOf<Observerd["endpoints"]["events"]>;

export async function run({ api, name, path, nonce }: PageContext) {
  const { events } = await api.get<Events>(
    `/v1/observer/events?page_size=1000&run_id=${encodeURIComponent(name)}`,
  );
  return (
    <Layout title={says.runTitle(name)} at={path} nonce={nonce}>
      {events.length === 0 ? <Empty>{says.runEmpty}</Empty> : <Waterfall events={events} />}
    </Layout>
  );
}

const startOf = ({ timestamp }: Operation): number => Date.parse(timestamp);

const Waterfall = ({ events }: Pick<Events, "events">) => {
  const rows = placed(events);
  const begin = Math.min(...events.map(startOf));
  const end = Math.max(...events.map((each) => startOf(each) + each.duration_ms));
  const total = Math.max(end - begin, 1);
  return (
    <>
      <p class="quiet">{says.runTotal(String(events.length), duration(end - begin))}</p>
      <Table
        label={says.all}
        heads={says.spanHeads}
        rows={rows.map(({ event, depth }) => [
          <Details event={event} depth={depth} />,
          <State of={event.success ? "ok" : "failed"} />,
          duration(event.duration_ms),
          <Bar
            after={startOf(event) - begin}
            took={event.duration_ms}
            total={total}
            isGood={event.success}
          />,
        ])}
        empty=""
      />
    </>
  );
};

/** Least width of a bar, in hundredths of the whole. */
const barMin = 0.5;

const Bar = ({
  after,
  took,
  total,
  isGood,
}: {
  after: number;
  took: number;
  total: number;
  isGood: boolean;
}) => (
  <svg
    class={`bar ${isGood ? "" : "bad"}`}
    viewBox="0 0 100 1"
    preserveAspectRatio="none"
    role="img"
    aria-label={says.spanAt(duration(after), duration(took))}
  >
    <rect
      x={Math.min(100 - barMin, (100 * after) / total)}
      width={Math.max(barMin, (100 * took) / total)}
      height="1"
    />
  </svg>
);

const Details = ({ event, depth }: { event: Operation; depth: number }) => (
  <details class={`depth-${Math.min(depth, depthMax)}`}>
    <summary>
      <code>{event.endpoint}</code> <small>{event.model ?? event.source}</small>
    </summary>
    <p class="quiet">{moment(event.timestamp)}</p>
    {event.error !== undefined && <p class="failure">{event.error}</p>}
    <Text label={says.input} of={event.input_summary} />
    <Text label={says.outputOf} of={event.output_summary} />
    <Text
      label={says.attributes}
      of={event.attributes === undefined ? undefined : JSON.stringify(event.attributes, null, 2)}
    />
  </details>
);

const Text = ({ label, of }: { label: string; of: string | undefined }) =>
  of === undefined ? null : (
    <>
      <strong>{label}</strong>
      <pre tabindex={0}>{of}</pre>
    </>
  );

/** As deep as the style sheet tells apart. */
const depthMax = 8;

/** Operations in order of their begin, each behind the span that it belongs to. */
export function placed(events: readonly Operation[]): { event: Operation; depth: number }[] {
  const ordered = events.toSorted((a, b) => startOf(a) - startOf(b));
  const spanOf = (event: Operation, name: string): string => String(event.attributes?.[name] ?? "");
  const known = new Set(ordered.map((event) => spanOf(event, "span_id")));
  const below = Map.groupBy(ordered, (event) => {
    const parent = spanOf(event, "parent_span_id");
    return known.has(parent) ? parent : "";
  });
  const rows: { event: Operation; depth: number }[] = [];
  const seen = new Set<Operation>();
  // A stack, since a chain of spans may be long.
  const waiting = (below.get("") ?? []).map((event) => ({ event, depth: 0 })).reverse();
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (seen.has(next.event)) continue;
    seen.add(next.event);
    rows.push(next);
    const id = spanOf(next.event, "span_id");
    const { depth } = next;
    if (id !== "")
      waiting.push(...(below.get(id) ?? []).map((event) => ({ event, depth: depth + 1 })).reverse());
  }
  // Spans that name each other as parents have no first one.
  return [...rows, ...ordered.filter((event) => !seen.has(event)).map((event) => ({ event, depth: 0 }))];
}
