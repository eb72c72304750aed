/** Data only: which services there are, what each may call, and whose thread is never terminated from outside. */
import type { ServiceSection } from "./config/config.ts";
import { program } from "./program/program.ts";

interface Node {
  worker: URL;
  calls: readonly ServiceSection[];
  /** Those of its calls without which it does nothing at all: where each is a unit of systemd, they stop together. */
  needs: readonly ServiceSection[];
  /**
   * Its thread, or one that it started, is in calls of usearch and FAISS, which abort the process when their thread is
   * terminated (ADR 0162): it is never ended before it said `closed`.
   */
  endsItself?: true;
}

export type Topology = Readonly<Record<ServiceSection, Node>>;

export const topology: Topology = {
  storaged: { worker: program("workers/storaged/worker.ts"), calls: [], needs: [] },
  catalogd: { worker: program("workers/catalogd/worker.ts"), calls: ["storaged"], needs: ["storaged"] },
  ingestd: {
    worker: program("workers/ingestd/worker.ts"),
    calls: ["storaged", "catalogd", "queryd", "matrixd"],
    needs: ["storaged", "catalogd"],
  },
  queryd: {
    worker: program("workers/queryd/worker.ts"),
    calls: ["storaged", "catalogd"],
    needs: ["catalogd"],
  },
  embedd: { worker: program("workers/embedd/worker.ts"), calls: [], needs: [] },
  vectord: {
    worker: program("workers/vectord/worker.ts"),
    calls: ["storaged", "embedd"],
    needs: ["storaged"],
    endsItself: true,
  },
  pathwayd: { worker: program("workers/pathwayd/worker.ts"), calls: ["embedd"], needs: [] },
  matrixd: {
    worker: program("workers/matrixd/worker.ts"),
    calls: ["catalogd", "queryd", "vectord", "embedd", "pathwayd"],
    needs: ["embedd", "vectord"],
  },
  chatd: { worker: program("workers/chatd/worker.ts"), calls: [], needs: [] },
  observerd: {
    worker: program("workers/observerd/worker.ts"),
    calls: ["storaged", "pathwayd", "matrixd", "chatd", "queryd"],
    needs: [],
  },
  gateway: {
    worker: program("api/gateway/worker.ts"),
    calls: [
      "storaged",
      "catalogd",
      "ingestd",
      "queryd",
      "vectord",
      "embedd",
      "pathwayd",
      "matrixd",
      "chatd",
      "observerd",
    ],
    needs: [],
  },
};

/** Services in levels: each calls only services of the levels before it. Throws when the calls form a cycle. */
export function startOrder<N extends string>(nodes: Readonly<Record<N, { calls: readonly N[] }>>): N[][] {
  const left = new Set(Object.keys(nodes) as N[]);
  const levels: N[][] = [];
  while (left.size > 0) {
    const level = [...left].filter((name) => nodes[name].calls.every((callee) => !left.has(callee)));
    if (level.length === 0) throw new Error(`topology: the calls of ${[...left].join(", ")} form a cycle`);
    for (const name of level) left.delete(name);
    levels.push(level);
  }
  return levels;
}
