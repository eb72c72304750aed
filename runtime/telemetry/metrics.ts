/** Counters, gauges and histograms in Prometheus' text format: base units, no user data in labels. */
type Labels = Record<string, string>;

interface Counter {
  add: (amount?: number, labels?: Labels) => void;
}
interface Histogram {
  observe: (value: number, labels?: Labels) => void;
}
export interface Metrics {
  /** Only grows; the name ends in `_total`. */
  counter: (name: string, help: string) => Counter;
  /** Read when asked, so that it is never stale. */
  gauge: (name: string, help: string, read: () => number) => void;
  /** One of those that every exporter has by the same name, such as `process_open_fds`; absent where the system does not tell. */
  standard: (name: string, help: string, read: () => number | undefined) => void;
  /** Facts as labels of a gauge that is 1. */
  info: (name: string, help: string, labels: Labels) => void;
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
/** The key of a series among those of its metric, made without escaping: it is computed at every request. */
const keyOf = (labels: Labels): string => {
  let key = "";
  for (const name in labels) key += `${name}\0${labels[name]}\0`;
  return key;
};

interface Series<T> {
  text: string;
  value: T;
}

/** The series of the labels, begun when it is new; beyond `seriesMax` one for all others. */
function seriesOf<T>(all: Map<string, Series<T>>, labels: Labels, begin: () => T): Series<T> {
  const key = keyOf(labels);
  const known = all.get(key);
  if (known) return known;
  if (all.size >= seriesMax && key !== keyOf(others)) return seriesOf(all, others, begin);
  const series = { text: labelText(labels), value: begin() };
  all.set(key, series);
  return series;
}

const others: Labels = { series: "other" };

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
      const all = new Map<string, Series<number>>();
      define(
        name,
        () =>
          header(name, help, "counter") +
          [...all.values()].map(({ text, value }) => `${name}${text} ${value}\n`).join(""),
      );
      return {
        add: (amount = 1, labels = {}) => {
          seriesOf(all, labels, () => 0).value += amount;
        },
      };
    },
    gauge: (short, help, read) => {
      const name = prefix + short;
      define(name, () => `${header(name, help, "gauge")}${name} ${read()}\n`);
    },
    standard: (name, help, read) =>
      define(name, () => {
        const value = read();
        const type = name.endsWith("_total") ? "counter" : "gauge";
        return value === undefined ? "" : `${header(name, help, type)}${name} ${value}\n`;
      }),
    info: (short, help, labels) => {
      const name = prefix + short;
      define(name, () => `${header(name, help, "gauge")}${name}${labelText(labels)} 1\n`);
    },
    histogram: (short, help, buckets = latencyBuckets) => {
      const name = prefix + short;
      const all = new Map<string, Series<HistogramState>>();
      const begin = () => ({ counts: buckets.map(() => 0), sum: 0, count: 0 });
      define(
        name,
        () =>
          header(name, help, "histogram") +
          [...all.values()].map(({ text, value }) => histogramText(name, text, value, buckets)).join(""),
      );
      return {
        observe: (value, labels = {}) => {
          const { value: state } = seriesOf(all, labels, begin);
          const at = buckets.findIndex((limit) => value <= limit);
          if (at >= 0) state.counts[at] = (state.counts[at] ?? 0) + 1;
          state.sum += value;
          state.count += 1;
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
