/** An engine of others in this process: all that a driver promises, over maps, searched exactly. */
import { createTopK, distanceOf } from "../../../workers/vectord/engine/distance.ts";
import { type Applied, type Driver, NotOurs } from "../../../workers/vectord/remote/interface.ts";

interface Held {
  applied: Applied;
  vectors: Map<string, Float32Array>;
}

/** Rows that it builds a graph of. */
export const graphFrom = 150;

export function memoryEngine(items = 100) {
  const collections = new Map<string, Held>();
  let owner: string | undefined;
  let down: string | undefined;
  const calls = { reset: 0, searched: 0, written: 0, built: [] as number[] };
  /** Called before a search answers. */
  let pause = async () => {};
  const there = (index: string): Held => {
    if (down !== undefined) throw new Error(down);
    const held = collections.get(index);
    if (!held) throw new NotOurs();
    return held;
  };
  const driver: Driver = {
    limits: { dimension: 64, connectivity: 64, efConstruction: 512, candidates: 1000, items },
    own: async (store, takeOver) => {
      if (down !== undefined) throw new Error(down);
      if (takeOver && owner !== store) collections.clear();
      if (takeOver || owner === undefined) owner = store;
      return owner;
    },
    applied: async ({ index }) =>
      down === undefined ? collections.get(index)?.applied : there(index).applied,
    reset: async ({ index }, applied) => {
      calls.reset += 1;
      collections.set(index, { applied, vectors: new Map() });
    },
    write: async ({ index }, { writer, claims, ids, vectors, gone, applied }) => {
      const held = there(index);
      if (!claims && held.applied.writer !== writer) throw new NotOurs();
      calls.written += ids.length;
      for (const [at, id] of ids.entries()) held.vectors.set(id, (vectors[at] as Float32Array).slice());
      for (const id of gone) held.vectors.delete(id);
      if (applied) held.applied = applied;
    },
    graph: {
      from: graphFrom,
      build: async ({ index }) => {
        calls.built.push(there(index).vectors.size);
      },
    },
    search: async ({ index, metric }, { queries, k }) => {
      calls.searched += 1;
      const { applied, vectors } = there(index);
      const [ids, distance] = [[...vectors.keys()], distanceOf(metric)];
      const found = queries.map((query) => {
        const top = createTopK(k);
        for (const [at, id] of ids.entries())
          top.offer(at, distance(query, vectors.get(id) as Float32Array, 0));
        return Array.from(top.result().rows, (at) => ids[at] as string);
      });
      await pause();
      return { applied, ids: found };
    },
    drop: async (index) => void collections.delete(index),
    renew: () => {},
    close: async () => {},
  };
  return {
    driver,
    calls,
    collections,
    ends: (why: string | undefined) => {
      down = why;
    },
    pausing: (before: () => Promise<void>) => {
      pause = before;
    },
    /** As it is now, to be put back. */
    keep: () => {
      const kept = new Map(
        [...collections].map(([name, { applied, vectors }]) => [
          name,
          { applied, vectors: new Map(vectors) },
        ]),
      );
      return () => {
        collections.clear();
        for (const [name, held] of kept) collections.set(name, held);
      };
    },
  };
}
