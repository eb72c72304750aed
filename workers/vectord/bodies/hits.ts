/** Rows as callers see them. */
import type { Static } from "@sinclair/typebox";
import type { Hit, IndexConfig, Item } from "../contract.ts";
import type { Rows } from "../rows/rows.ts";
import type { Neighbour } from "../search/search.ts";
import type { Include } from "./search.ts";

/** The results of one query. */
export const hitsOf = (
  found: readonly Neighbour[],
  rows: Rows,
  { metric }: IndexConfig,
  include: Include,
): Static<typeof Hit>[] =>
  found.map(({ row, distance }) => ({
    id: rows.id(row),
    distance,
    score: scoreOf(metric, distance),
    ...extras(rows, row, include),
  }));

export const itemOf = (rows: Rows, row: number, include: Include): Static<typeof Item> => ({
  id: rows.id(row),
  ...extras(rows, row, include),
});

function extras(rows: Rows, row: number, include: Include): Pick<Static<typeof Item>, "metadata" | "vector"> {
  const metadata = include.metadata ? rows.metadata(row) : undefined;
  return {
    ...(metadata !== undefined && { metadata }),
    ...(include.vector && { vector: Array.from(rows.blocks.row(row)) }),
  };
}

/** Larger is nearer: the cosine, the product, or 1 / (1 + distance). */
function scoreOf(metric: IndexConfig["metric"], distance: number): number {
  if (metric === "cosine") return 1 - distance;
  return metric === "ip" ? -distance : 1 / (1 + distance);
}
