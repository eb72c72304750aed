/** What the log's lines add up to. Applying a line is the only way anything here changes, live and at the start. */
import type { Config } from "../../../runtime/config/config.ts";
import type { Operation } from "../contract.ts";
import { type Clusters, createClusters } from "../failures/failures.ts";
import { jsonBytes } from "./intake.ts";
import type { Checkpoint, Line, Marks } from "./line.ts";
import { createRing, type Ring } from "./ring.ts";
import { createStats, type Stats } from "./stats.ts";

export interface State {
  stats: Stats;
  ring: Ring;
  clusters: Clusters;
  marks: () => Marks;
  /** Throws when it is no line of ours. */
  apply: (line: Line) => void;
  checkpoint: () => Checkpoint;
  /** Puts operations that a checkpoint already counts into the ring, oldest first. */
  remember: (operations: readonly Operation[], counted: number) => void;
  /** Empties the ring, before the log is read again. */
  forgetRing: () => void;
}

/** Nothing yet. */
export function createState(section: Config["observerd"]): State {
  const stats = createStats(section.recent_scenarios);
  const ring = createRing(section.ring_operations, section.ring_max_bytes);
  const clusters = createClusters({
    clustersMax: section.failure_clusters,
    windowMs: section.escalation_window_ms,
  });
  let marks: Marks = {};
  let ordinal = 0;

  const addOperation = (operation: Operation) => {
    if (typeof operation.endpoint !== "string") throw new Error("not an operation");
    stats.add(operation);
    if (!operation.success) clusters.add(operation);
    ordinal += 1;
    ring.add({ ordinal, operation }, jsonBytes(operation));
  };
  return {
    stats,
    ring,
    clusters,
    marks: () => marks,
    apply: ({ base, operation, marks: changed, escalated, diagnosed }) => {
      if (base) {
        stats.restore(base.stats);
        clusters.restore(base.clusters);
        marks = base.marks;
        ordinal = base.stats.total;
      }
      if (operation) addOperation(operation);
      if (changed) marks = { ...marks, ...changed };
      if (escalated) clusters.escalate(escalated.signature, escalated.at);
      if (diagnosed) clusters.diagnose(diagnosed.signature, diagnosed.text);
    },
    checkpoint: () => ({ stats: stats.read(), clusters: clusters.checkpoint(), marks }),
    remember: (operations, counted) => {
      for (const [at, operation] of operations.entries())
        ring.add({ ordinal: counted - operations.length + 1 + at, operation }, jsonBytes(operation));
    },
    forgetRing: ring.clear,
  };
}
