/** Counters, gauges and histograms in Prometheus' text format: base units, no user data in labels. */
export type Labels = Record<string, string>;

export interface Counter {
  add: (amount?: number, labels?: Labels) => void;
}
export interface Histogram {
  observe: (value: number, labels?: Labels) => void;
}
export interface Metrics {
  /** Only grows; the name ends in `_total`. */
  counter: (name: string, help: string) => Counter;
  /** Read when asked, so that it is never stale. */
  gauge: (name: string, help: string, read: () => number) => void;
  /** Seconds unless the name says otherwise. */
  histogram: (name: string, help: string, buckets?: readonly number[]) => Histogram;
  /** The page: one block a metric, in the order of definition. */
  text: () => string;
}

/** Latency buckets in seconds: from a call over a channel (20 µs) to a long query. */
export const latencyBuckets = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** Label sets a metric may have; more are counted under `other`, so that labels cannot grow without bound. */
const seriesMax = 1000;

const escapeLabel = (text: string) => text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"');
const labelText = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
};
const withLe = (series: string, le: string): string =>
  series === "" ? `{le="${le}"}` : `${series.slice(0, -1)},le="${le}"}`;

export function createMetrics(prefix = "lakehouse_"): Metrics {
  const blocks = new Map<string, () => string>();
  const header = (name: string, help: string, type: string) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;

  const define = (name: string, block: () => string) => {
    if (blocks.has(name)) throw new Error(`metric ${name} is defined twice`);
    blocks.set(name, block);
  };

  return {
    counter: (short, help) => {
      const name = prefix + short;
      const series = new Map<string, number>([]);
      define(
        name,
        () => header(name, help, "counter") + [...series].map(([key, n]) => `${name}${key} ${n}\n`).join(""),
      );
      return {
        add: (amount = 1, labels = {}) => {
          const key = bounded(series, labelText(labels));
          series.set(key, (series.get(key) ?? 0) + amount);
        },
      };
    },
    gauge: (short, help, read) => {
      const name = prefix + short;
      define(name, () => `${header(name, help, "gauge")}${name} ${read()}\n`);
    },
    histogram: (short, help, buckets = latencyBuckets) => {
      const name = prefix + short;
      const series = new Map<string, HistogramState>();
      define(
        name,
        () =>
          header(name, help, "histogram") +
          [...series].map(([key, s]) => histogramText(name, key, s, buckets)).join(""),
      );
      return {
        observe: (value, labels = {}) => {
          const key = bounded(series, labelText(labels));
          const state = series.get(key) ?? { counts: buckets.map(() => 0), sum: 0, count: 0 };
          const at = buckets.findIndex((limit) => value <= limit);
          if (at >= 0) state.counts[at] = (state.counts[at] ?? 0) + 1;
          state.sum += value;
          state.count += 1;
          series.set(key, state);
        },
      };
    },
    text: () => [...blocks.values()].map((block) => block()).join(""),
  };
}

interface HistogramState {
  counts: number[];
  sum: number;
  count: number;
}

const bounded = (series: ReadonlyMap<string, unknown>, key: string): string =>
  series.has(key) || series.size < seriesMax ? key : '{series="other"}';

function histogramText(
  name: string,
  series: string,
  state: HistogramState,
  buckets: readonly number[],
): string {
  let below = 0;
  const lines = buckets.map((limit, at) => {
    below += state.counts[at] ?? 0;
    return `${name}_bucket${withLe(series, String(limit))} ${below}\n`;
  });
  return `${lines.join("")}${name}_bucket${withLe(series, "+Inf")} ${state.count}\n${name}_sum${series} ${state.sum}\n${name}_count${series} ${state.count}\n`;
}
