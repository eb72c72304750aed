/** Vectors as engines of others get them, and what they find scored again by the rows here. */
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import { createTopK, distanceOf, type Neighbours, norm } from "../engine/engine.ts";
import type { Rows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

export const queriesOf = (vectors: Float32Array, dimension: number): Float32Array[] =>
  Array.from({ length: vectors.length / dimension }, (_, at) =>
    vectors.subarray(at * dimension, (at + 1) * dimension),
  );

/** Under cosine directions alone count: lengths of 1 neither overflow nor vanish there. */
export function asSent(vector: Float32Array, metric: IndexConfig["metric"]): Float32Array {
  if (metric !== "cosine") return vector;
  const length = norm(vector, 0, vector.length);
  return vector.map((value) => value / length);
}

interface Candidates {
  metric: IndexConfig["metric"];
  asked: readonly Float32Array[];
  ids: readonly string[][];
  k: number;
  upTo: number;
  signal: AbortSignal | undefined;
}

/** By the f32 rows, as candidates of engines here are: so one distance is the same wherever a row lies. */
export async function rescored(
  rows: Rows,
  { metric, asked, ids, k, upTo, signal = new AbortController().signal }: Candidates,
): Promise<Neighbours[]> {
  const slices = createSlices(signal);
  const distance = distanceOf(metric);
  const answers: Neighbours[] = [];
  for (const [at, query] of asked.entries()) {
    const top = createTopK(k);
    for (const id of new Set(ids[at])) {
      const row = rows.findBelow(id, upTo);
      if (row !== undefined) top.offer(row, distance(query, rows.blocks.row(row), 0));
      const rest = slices(query.length);
      if (rest) await rest;
    }
    answers.push(top.result());
  }
  return answers;
}
