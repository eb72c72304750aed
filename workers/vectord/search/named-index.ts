/**
 * The named vectors of an index as searches compare them: sparse ones as lists of the rows that have an index, dense ones
 * row by row. Made when a search first asks; it takes in new rows when it is next asked.
 */
import { createSlices } from "../../../runtime/scheduling/scheduling.ts";
import { distanceOf, type Metric, scoreOf } from "../engine/engine.ts";
import { type Bitmap, hasRow, keptIn, type Metadata, type Unpacked, unpack } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

/** How near each row is by one vector; larger is nearer. Rows without it are not in. */
export interface Nearness {
  scores: ReadonlyMap<number, number>;
  /** A score on a scale that is the same for every query: a cosine, or the product over the most that any row could have. */
  part: (score: number) => number;
  /** The score as a distance, as the contract's `Hit` has it. */
  distance: (score: number) => number;
}

export interface NamedIndex {
  /** The live rows among these that have the vector. */
  nearness: (name: string, query: Unpacked, among: () => Bitmap, signal: AbortSignal) => Promise<Nearness>;
}

interface Source {
  total: () => number;
  metadata: (row: number) => Metadata | undefined;
}

interface Postings {
  rows: number[];
  values: number[];
  /** The largest and the smallest of them. */
  most: number;
  least: number;
}

interface Field {
  upTo: number;
  postings: Map<number, Postings>;
  dense: Map<number, Float32Array>;
}

/** Steps of a slice that taking in one row takes. */
const stepsOfRow = 50;

export function createNamedIndex(source: Source, shapes: IndexConfig["vectors"]): NamedIndex {
  const fields = new Map<string, Field>();
  /** Takes in the rows there are; two that do it at once share the work. */
  const extended = async (name: string, signal: AbortSignal): Promise<Field> => {
    const field = fields.get(name) ?? { upTo: 0, postings: new Map(), dense: new Map() };
    fields.set(name, field);
    const shape = shapes?.[name];
    const slices = createSlices(signal);
    while (shape && field.upTo < source.total()) {
      const row = field.upTo;
      field.upTo += 1;
      const text = keptIn(source.metadata(row))[name];
      const vector = text === undefined ? undefined : unpack(text, shape);
      if (vector) take(field, row, vector);
      const rest = slices(stepsOfRow);
      if (rest) await rest;
    }
    return field;
  };
  return {
    nearness: async (name, query, among, signal) => {
      const field = await extended(name, signal);
      const shape = shapes?.[name];
      if ("dense" in query) {
        const metric = shape && "metric" in shape ? (shape.metric ?? "cosine") : "cosine";
        return denseNearness(field, query.dense, { metric, among: among(), signal });
      }
      return sparseNearness(field, query, among(), signal);
    },
  };
}

function take(field: Field, row: number, vector: Unpacked): void {
  if ("dense" in vector) {
    field.dense.set(row, vector.dense);
    return;
  }
  for (const [at, index] of vector.indices.entries()) {
    const value = vector.values[at] ?? 0;
    const known = field.postings.get(index) ?? { rows: [], values: [], most: 0, least: 0 };
    known.rows.push(row);
    known.values.push(value);
    known.most = Math.max(known.most, value);
    known.least = Math.min(known.least, value);
    field.postings.set(index, known);
  }
}

async function sparseNearness(
  { postings }: Field,
  { indices, values }: Extract<Unpacked, { indices: Uint32Array }>,
  among: Bitmap,
  signal: AbortSignal,
): Promise<Nearness> {
  const scores = new Map<number, number>();
  const slices = createSlices(signal);
  let most = 0;
  for (const [at, index] of indices.entries()) {
    const known = postings.get(index);
    if (!known) continue;
    const weight = values[at] ?? 0;
    most += Math.max(weight * known.most, weight * known.least);
    const { length } = known.rows;
    for (let place = 0; place < length; place++) {
      const row = known.rows[place] as number;
      if (hasRow(among, row))
        scores.set(row, (scores.get(row) ?? 0) + weight * (known.values[place] as number));
      const rest = slices(1);
      if (rest) await rest;
    }
  }
  return {
    scores,
    part: (score) => (most > 0 ? Math.max(-1, Math.min(1, score / most)) : 0),
    distance: (score) => -score,
  };
}

async function denseNearness(
  { dense }: Field,
  query: Float32Array,
  { metric, among, signal }: { metric: Metric; among: Bitmap; signal: AbortSignal },
): Promise<Nearness> {
  const scores = new Map<number, number>();
  const slices = createSlices(signal);
  const distance = distanceOf(metric);
  for (const [row, vector] of dense) {
    if (hasRow(among, row)) scores.set(row, scoreOf(metric, distance(query, vector, 0)));
    const rest = slices(vector.length);
    if (rest) await rest;
  }
  return { scores, part: partOf(metric), distance: (score) => distanceFor(metric, score) };
}

/** What `scoreOf` made the score of. */
function distanceFor(metric: Metric, score: number): number {
  if (metric === "cosine") return 1 - score;
  return metric === "ip" ? -score : 1 / score - 1;
}

/** A cosine as it is, 1 / (1 + distance); a product, which has no bounds, between −1 and 1. */
export const partOf =
  (metric: Metric) =>
  (score: number): number =>
    metric === "ip" ? score / (1 + Math.abs(score)) : score;
