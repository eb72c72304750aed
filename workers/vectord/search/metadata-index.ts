/**
 * Which rows a filter matches. An index of a field is made when a filter first names it, in slices between which
 * other work goes on, and takes in new rows when it is next asked: adding costs nothing for fields nobody filters.
 */

import { LRUCache } from "lru-cache";
import { type Condition, pathsOf } from "../../../runtime/filter/filter.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type Bitmap, complement, emptyBitmap, intersect, type Metadata, unite } from "../rows/rows.ts";
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
    field.extend(source.total(), source.metadata);
    return field;
  };

  return {
    prepare: async (condition, signal) => {
      for (const path of pathsOf(condition)) {
        const field = fieldOf(path);
        while (field.upTo() < source.total()) {
          field.extend(Math.min(source.total(), field.upTo() + sliceRows), source.metadata);
          if (field.upTo() < source.total()) await clock.sleep(0, signal);
        }
      }
    },
    matching: (condition, total) => evaluate(condition, total, current),
  };
}

function evaluate(condition: Condition, total: number, field: (path: string) => FieldIndex): Bitmap {
  switch (condition.kind) {
    case "not": {
      const rows = evaluate(condition.of, total, field);
      complement(rows, total);
      return rows;
    }
    case "and":
    case "or": {
      const combine = condition.kind === "and" ? intersect : unite;
      const [first, ...others] = condition.of;
      const rows = first ? evaluate(first, total, field) : emptyBitmap(total);
      for (const other of others) combine(rows, evaluate(other, total, field));
      return rows;
    }
    default:
      return leaf(condition, emptyBitmap(total), field(condition.path));
  }
}

type Leaf = Exclude<Condition, { kind: "and" | "or" | "not" }>;

function leaf(condition: Leaf, rows: Bitmap, field: FieldIndex): Bitmap {
  if (condition.kind === "in") field.equal(condition.values, rows);
  else if (condition.kind === "range") field.range(condition, rows);
  else if (condition.kind === "contains") field.contains(condition.text, rows);
  else field.exists(rows);
  return rows;
}
