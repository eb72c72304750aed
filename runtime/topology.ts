/** Data only: which services there are, what each may call, and whether ending its thread needs its consent. */
import type { ServiceSection } from "./settings.ts";

export interface Node {
  worker: URL;
  calls: readonly ServiceSection[];
  /** Those of its calls without which it does nothing at all: where each is a unit of systemd, they stop together. */
  needs: readonly ServiceSection[];
  /**
   * Holds native calls (DuckDB). Ending its thread while one is in flight aborts the whole process, so it is never
   * terminated before it said `closed`.
   */
  native: boolean;
}

export type Topology = Readonly<Record<ServiceSection, Node>>;

const worker = (path: string) => new URL(`../${path}/worker.ts`, import.meta.url);

export const topology: Topology = {
  storaged: { worker: worker("workers/storaged"), calls: [], needs: [], native: false },
  catalogd: { worker: worker("workers/catalogd"), calls: ["storaged"], needs: ["storaged"], native: false },
  ingestd: {
    worker: worker("workers/ingestd"),
    calls: ["storaged", "catalogd"],
    needs: ["storaged", "catalogd"],
    native: false,
  },
  queryd: {
    worker: worker("workers/queryd"),
    calls: ["storaged", "catalogd"],
    needs: ["catalogd"],
    native: false,
  },
  vectord: { worker: worker("workers/vectord"), calls: ["storaged"], needs: ["storaged"], native: true },
  embedd: { worker: worker("workers/embedd"), calls: [], needs: [], native: false },
  pathwayd: { worker: worker("workers/pathwayd"), calls: [], needs: [], native: false },
  matrixd: {
    worker: worker("workers/matrixd"),
    calls: ["catalogd", "queryd", "vectord", "embedd", "pathwayd"],
    needs: ["embedd", "vectord"],
    native: false,
  },
  chatd: { worker: worker("workers/chatd"), calls: [], needs: [], native: false },
  observerd: {
    worker: worker("workers/observerd"),
    calls: ["storaged", "pathwayd", "matrixd", "chatd"],
    needs: [],
    native: false,
  },
  gateway: {
    worker: worker("api/gateway"),
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
    native: false,
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
