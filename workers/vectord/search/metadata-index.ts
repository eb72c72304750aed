/**
 * Which rows a filter matches. An index of a field is made when a filter first names it, in slices between which
 * other work goes on, and takes in new rows when it is next asked: adding costs nothing for fields nobody filters.
 */

import { LRUCache } from "lru-cache";
import { type Condition, idPath, pathsOf, textTest } from "../../../runtime/filter/filter.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import {
  addRow,
  type Bitmap,
  complement,
  emptyBitmap,
  intersect,
  type Metadata,
  unite,
} from "../rows/rows.ts";
import { createFieldIndex, type FieldIndex } from "./field-index.ts";

export interface MetadataIndex {
  /** Readies the fields of the condition; what is added afterwards `matching` takes in by itself. */
  prepare: (condition: Condition, signal: AbortSignal) => Promise<void>;
  /** The rows below `total` that match, dead ones too. */
  matching: (condition: Condition, total: number) => Bitmap;
}

interface Source {
  total: () => number;
  metadata: (row: number) => Metadata | undefined;
  id: (row: number) => string;
  /** The row that is alive under the id. */
  find: (id: string) => number | undefined;
}

/** Rows that are indexed in one step: about 2 ms with a few fields an item. */
const sliceRows = 8192;
/** Fields with an index; the one not asked for longest goes first. */
const fieldsMax = 64;

export function createMetadataIndex(source: Source, clock: Pick<Clock, "sleep">): MetadataIndex {
  const fields = new LRUCache<string, FieldIndex>({ max: fieldsMax });
  const fieldOf = (path: string): FieldIndex => {
    const field = fields.get(path) ?? createFieldIndex(path);
    fields.set(path, field);
    return field;
  };
  const current = (path: string): FieldIndex => {
    const field = fieldOf(path);
    field.extend(source.total(), valuesOf(path));
    return field;
  };
  const valuesOf = (path: string) =>
    path === idPath ? (row: number): Metadata => ({ [idPath]: source.id(row) }) : source.metadata;

  return {
    prepare: async (condition, signal) => {
      for (const path of indexedPaths(condition)) {
        const field = fieldOf(path);
        while (field.upTo() < source.total()) {
          field.extend(Math.min(source.total(), field.upTo() + sliceRows), valuesOf(path));
          if (field.upTo() < source.total()) await clock.sleep(0, signal);
        }
      }
    },
    matching: (condition, total) => evaluate(condition, total, { field: current, find: source.find }),
  };
}

/** An item by its id is looked up: no index of all ids is made for that. */
const isLookup = (condition: Condition): condition is Extract<Condition, { kind: "in" }> =>
  condition.kind === "in" && condition.path === idPath;

function indexedPaths(condition: Condition): string[] {
  if (isLookup(condition)) return [];
  if (condition.kind === "and" || condition.kind === "or")
    return [...new Set(condition.of.flatMap(indexedPaths))];
  return condition.kind === "not" ? indexedPaths(condition.of) : pathsOf(condition);
}

interface Sources {
  field: (path: string) => FieldIndex;
  find: Source["find"];
}

function evaluate(condition: Condition, total: number, sources: Sources): Bitmap {
  switch (condition.kind) {
    case "not": {
      const rows = evaluate(condition.of, total, sources);
      complement(rows, total);
      return rows;
    }
    case "and":
    case "or": {
      const combine = condition.kind === "and" ? intersect : unite;
      const [first, ...others] = condition.of;
      const rows = first ? evaluate(first, total, sources) : emptyBitmap(total);
      for (const other of others) combine(rows, evaluate(other, total, sources));
      return rows;
    }
    default:
      return isLookup(condition)
        ? found(condition.values, total, sources.find)
        : leaf(condition, emptyBitmap(total), sources.field(condition.path));
  }
}

function found(ids: readonly unknown[], total: number, find: Source["find"]): Bitmap {
  const rows = emptyBitmap(total);
  for (const id of ids) {
    const row = typeof id === "string" ? find(id) : undefined;
    if (row !== undefined && row < total) addRow(rows, row);
  }
  return rows;
}

type Leaf = Exclude<Condition, { kind: "and" | "or" | "not" }>;

function leaf(condition: Leaf, rows: Bitmap, field: FieldIndex): Bitmap {
  if (condition.kind === "in") field.equal(condition.values, rows);
  else if (condition.kind === "range") field.range(condition, rows);
  else if (condition.kind === "exists") field.exists(rows);
  else if (condition.kind === "near") field.near(condition.circle, rows);
  else field.texts(textTest(condition), rows);
  return rows;
}
