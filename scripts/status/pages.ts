/** What a metrics page says about a service's load. */
import type { Row } from "./table.ts";

/** The sums of one scrape. */
export interface Page {
  /** Monotonic milliseconds. */
  at: number;
  requests: number;
  open: number;
  waiting: number;
  uptimeSeconds?: number;
  heapBytes?: number;
  residentBytes?: number;
  pid?: number;
  /** Requests at most as slow as each bound, in seconds; ascending. */
  buckets: Map<number, number>;
}

/** Two histograms are one service's latency: its HTTP requests, and its calls over channels. */
const durations = /^lakehouse_(?:http_request|call)_duration_seconds_bucket\{(?:.*,)?le="([^"]+)"\} (\S+)$/;
const totals = /^lakehouse_(?:http_requests|calls)_total(?:\{.*\})? (\S+)$/;
const openNow = /^lakehouse_http_requests_open (\S+)$/;
const waitingNow = /^lakehouse_\w*waiting(?:\{.*\})? (\S+)$/;

const ofThread =
  /^(?:lakehouse_)?(uptime_seconds|heap_bytes|process_resident_memory_bytes|process_id) (\S+)$/;
const fields = {
  uptime_seconds: "uptimeSeconds",
  heap_bytes: "heapBytes",
  process_resident_memory_bytes: "residentBytes",
  process_id: "pid",
} as const;

/** Reads a page of Prometheus' text format. */
export function readPage(text: string, at: number): Page {
  const page: Page = { at, requests: 0, open: 0, waiting: 0, buckets: new Map() };
  for (const line of text.split("\n")) {
    // Requests for metrics and health are not load.
    if (/route="\/(metrics|health|livez|readyz)"/.test(line)) continue;
    const [, bound, count] = durations.exec(line) ?? [];
    if (bound !== undefined) {
      const seconds = bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound);
      page.buckets.set(seconds, (page.buckets.get(seconds) ?? 0) + Number(count));
    }
    page.requests += Number(totals.exec(line)?.[1] ?? 0);
    page.open += Number(openNow.exec(line)?.[1] ?? 0);
    const [, field, value] = ofThread.exec(line) ?? [];
    if (field !== undefined) page[fields[field as keyof typeof fields]] = Number(value);
    page.waiting += Number(waitingNow.exec(line)?.[1] ?? 0);
  }
  return page;
}

/** The upper bound, in milliseconds, under which this share of the requests since `before` was answered. */
function quantileMs(share: number, now: Page, before: Page | undefined): number | undefined {
  const bounds = [...now.buckets.keys()].sort((a, b) => a - b);
  const since = (bound: number) => (now.buckets.get(bound) ?? 0) - (before?.buckets.get(bound) ?? 0);
  const total = since(Number.POSITIVE_INFINITY);
  if (total <= 0) return undefined;
  const bound = bounds.find((each) => since(each) >= total * share);
  return bound === undefined || bound === Number.POSITIVE_INFINITY ? undefined : bound * 1000;
}

/** One row of the table. A service that was started anew counts from nothing again. */
export function rowOf(
  service: { name: string; state: string; uptime_seconds?: number; restarts?: number; last_error?: string },
  page: Page | undefined,
  earlier: Page | undefined,
): Row {
  const { name, state, uptime_seconds: uptime, restarts, last_error: lastError } = service;
  const row: Row = {
    name,
    state,
    ...(uptime !== undefined && { uptime_seconds: uptime }),
    ...(restarts !== undefined && { restarts }),
    ...(lastError !== undefined && { last_error: lastError }),
  };
  if (!page) return row;
  // As the supervisor reports it, else the service itself.
  const up = uptime ?? page.uptimeSeconds;
  const before = earlier && earlier.requests <= page.requests ? earlier : undefined;
  const seconds = before ? (page.at - before.at) / 1000 : up;
  const p50 = quantileMs(0.5, page, before);
  const p99 = quantileMs(0.99, page, before);
  return {
    ...row,
    ...(up !== undefined && { uptime_seconds: up }),
    ...(page.heapBytes !== undefined && { heap_bytes: page.heapBytes }),
    ...(seconds && { requests_per_second: (page.requests - (before?.requests ?? 0)) / seconds }),
    // One of them is the request for these metrics.
    open: Math.max(0, page.open - 1),
    waiting: page.waiting,
    ...(p50 !== undefined && { p50_ms: p50 }),
    ...(p99 !== undefined && { p99_ms: p99 }),
  };
}
