/** Failures alike in clusters: what makes two the same, and their counts over time. */
import type { Static } from "@sinclair/typebox";
import type { FailureCluster as FailureClusterSchema, Operation } from "../contract.ts";
import { type Signature, signatureOf } from "./signature.ts";

export { normaliseEndpoint } from "./signature.ts";

// Failures alike, in clusters: a bounded number of them, each with its newest examples and its counts over time.

export type FailureCluster = Static<typeof FailureClusterSchema>;

/** What is kept of a cluster; what depends on the time is computed when asked. */
type Kept = Omit<FailureCluster, "rate_per_hour" | "recent" | "growing"> & {
  /** Failures by the start of their bucket of time, in milliseconds. */
  buckets: [startMs: number, count: number][];
};

export interface ClustersCheckpoint {
  /** The least recently seen first. */
  clusters: Kept[];
  dropped: number;
}

export interface Clusters {
  add: (failure: Operation) => void;
  escalate: (signature: string, at: string) => void;
  diagnose: (signature: string, text: string) => void;
  /** The most frequent first. */
  list: (nowMs: number) => FailureCluster[];
  /** Clusters that left because there were too many, of all time. */
  dropped: () => number;
  checkpoint: () => ClustersCheckpoint;
  restore: (checkpoint: ClustersCheckpoint) => void;
}

const examplesMax = 5;
/** Characters kept of each text of an example; the log has the whole. */
const exampleCharsMax = 1000;
/** Buckets in a window: a count over it is at most this part too large. */
const bucketsInWindow = 20;
/** Enough for the two windows that are compared, and a margin. */
const bucketsMax = 2 * bucketsInWindow + 4;
const hourMs = 60 * 60 * 1000;

/** Failures an hour between two times; what came within less than an hour is counted as an hour's. */
export const ratePerHour = (count: number, firstMs: number, lastMs: number): number =>
  count / Math.max(1, (lastMs - firstMs) / hourMs);

/** A cluster grows when a window holds at least three failures and half as many again as the one before. */
export const isGrowing = (now: number, before: number): boolean => now >= 3 && now > before * 1.5;

/** No clusters yet. `windowMs` is the span of `recent`. */
export function createClusters(options: { clustersMax: number; windowMs: number }): Clusters {
  const { clustersMax, windowMs } = options;
  const widthMs = Math.ceil(windowMs / bucketsInWindow);
  /** The least recently seen first. */
  const clusters = new Map<string, Kept>();
  let dropped = 0;

  const trim = () => {
    for (const signature of clusters.keys()) {
      if (clusters.size <= clustersMax) return;
      clusters.delete(signature);
      dropped += 1;
    }
  };
  /** Failures in the window that ends at a time. */
  const countIn = (buckets: Kept["buckets"], endMs: number): number =>
    buckets.reduce(
      (sum, [start, count]) => (start <= endMs && start + widthMs > endMs - windowMs ? sum + count : sum),
      0,
    );

  return {
    add: (failure) => {
      const { signature, ...parts } = signatureOf(failure);
      const known = clusters.get(signature) ?? firstOf(failure, signature, parts);
      clusters.delete(signature);
      clusters.set(signature, {
        ...known,
        ...seen(known, failure.timestamp),
        count: known.count + 1,
        examples: [shortened(failure), ...known.examples].slice(0, examplesMax),
        buckets: counted(known.buckets, Date.parse(failure.timestamp), widthMs),
      });
      trim();
    },
    escalate: (signature, at) => {
      const cluster = clusters.get(signature);
      if (cluster) clusters.set(signature, { ...cluster, escalated_at: at });
    },
    diagnose: (signature, text) => {
      const cluster = clusters.get(signature);
      if (cluster) clusters.set(signature, { ...cluster, diagnosis: text });
    },
    list: (nowMs) =>
      [...clusters.values()]
        .map(({ buckets, ...cluster }) => {
          const recent = countIn(buckets, nowMs);
          const before = countIn(buckets, nowMs - windowMs - widthMs);
          const span = [Date.parse(cluster.first_seen), Date.parse(cluster.last_seen)] as const;
          return {
            ...cluster,
            rate_per_hour: ratePerHour(cluster.count, ...span),
            recent,
            growing: isGrowing(recent, before),
          };
        })
        .sort(inOrder),
    dropped: () => dropped,
    checkpoint: () => ({ clusters: [...clusters.values()], dropped }),
    restore: (checkpoint) => {
      clusters.clear();
      for (const cluster of checkpoint.clusters) clusters.set(cluster.signature, cluster);
      dropped = checkpoint.dropped;
      trim();
    },
  };
}

/** The most frequent first; of those as frequent, by signature, so that pages are stable. */
export const inOrder = (
  a: Pick<FailureCluster, "count" | "signature">,
  b: Pick<FailureCluster, "count" | "signature">,
): number => b.count - a.count || (a.signature < b.signature ? -1 : Number(a.signature > b.signature));

/** A cluster before its first failure is counted. */
const firstOf = (
  { timestamp }: Operation,
  signature: string,
  { endpoint, errorClass, message }: Omit<Signature, "signature">,
): Kept => ({
  signature,
  endpoint,
  error_class: errorClass,
  message,
  count: 0,
  first_seen: timestamp,
  last_seen: timestamp,
  examples: [],
  buckets: [],
});

/** The span with one more time in it; all are in UTC, so that they compare as text. */
const seen = (span: { first_seen: string; last_seen: string }, timestamp: string) => {
  const [first_seen = timestamp, ...later] = [span.first_seen, span.last_seen, timestamp].sort();
  return { first_seen, last_seen: later.at(-1) ?? timestamp };
};

/**
 * One more at the time. The latest buckets stay, by their number and not by their age: one failure with a clock that is
 * ahead must not push out what happens now.
 */
function counted(buckets: Kept["buckets"], ms: number, widthMs: number): Kept["buckets"] {
  const start = Math.floor(ms / widthMs) * widthMs;
  const counts = new Map(buckets);
  counts.set(start, (counts.get(start) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a - b).slice(-bucketsMax);
}

/** The operation as a short example: texts cut, long attributes left out. */
function shortened(operation: Operation): Operation {
  const cut = Object.entries(operation).map(([name, value]) => [
    name,
    typeof value === "string" ? value.slice(0, exampleCharsMax) : value,
  ]);
  const short: Operation = Object.fromEntries(cut);
  if (JSON.stringify(short.attributes ?? {}).length > exampleCharsMax) delete short.attributes;
  return short;
}
