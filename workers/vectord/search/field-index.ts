/** One metadata field of one index: which rows hold which value. */
import {
  type Bound,
  type Circle,
  isInside,
  isWithin,
  placeOf,
  type Scalar,
  visitPath,
} from "../../../runtime/filter/filter.ts";
import { addRow, type Bitmap, emptyBitmap, type Metadata, unite } from "../rows/rows.ts";
import { createNumberRuns } from "./number-runs.ts";

export interface FieldIndex {
  /** Rows it knows: 0 up to here. */
  upTo: () => number;
  /** Indexes the rows up to `to`. */
  extend: (to: number, metadata: (row: number) => Metadata | undefined) => void;
  /** Adds the rows that hold one of the values. */
  equal: (values: readonly Scalar[], into: Bitmap) => void;
  /** Adds the rows with a value between the bounds, which are all numbers or all texts. */
  range: (bounds: { above?: Bound; below?: Bound }, into: Bitmap) => void;
  /** Adds the rows with a text that passes. */
  texts: (test: (text: string) => boolean, into: Bitmap) => void;
  /** Adds the rows with a place in the circle. */
  near: (circle: Circle, into: Bitmap) => void;
  /** Adds the rows in which the path leads somewhere. */
  exists: (into: Bitmap) => void;
}

/** The numbers of some rows, one entry each. */
interface Found {
  values: number[];
  rows: number[];
}

/** Rows of a text: most texts of a field with many values stand in one row, which needs no list. */
type RowList = number | number[];

export function createFieldIndex(path: string): FieldIndex {
  const texts = new Map<string, RowList>();
  const numbers = createNumberRuns();
  const places: { lat: number; lon: number; row: number }[] = [];
  const [there, yes, no, nothing] = [createRowSet(), createRowSet(), createRowSet(), createRowSet()];
  let known = 0;

  const index = (row: number, value: Scalar, found: Found) => {
    if (typeof value === "string") addText(texts, value, row);
    else if (typeof value === "number") {
      found.values.push(value);
      found.rows.push(row);
    } else if (value === null) nothing.add(row);
    else (value ? yes : no).add(row);
  };
  const visitTexts = (test: (text: string) => boolean, into: Bitmap) => {
    for (const [text, rows] of texts) if (test(text)) addAll(rows, into);
  };

  return {
    upTo: () => known,
    extend: (to, metadata) => {
      const found: Found = { values: [], rows: [] };
      for (; known < to; known++) {
        const row = known;
        const fields = metadata(row);
        const isThere = visitPath(fields ?? {}, path, {
          scalar: (value) => index(row, value, found),
          object: (value) => {
            const place = placeOf(value);
            if (place) places.push({ ...place, row });
          },
        });
        if (isThere) there.add(row);
      }
      numbers.add(found.values, found.rows);
    },
    equal: (values, into) => {
      for (const value of values) {
        if (typeof value === "string") addAll(texts.get(value), into);
        else if (typeof value === "number") {
          const bound = { value, inclusive: true };
          numbers.visit({ above: bound, below: bound }, (row) => addRow(into, row));
        } else unite(into, (value === null ? nothing : value ? yes : no).bits());
      }
    },
    range: ({ above, below }, into) => {
      if (isNumeric(above) && isNumeric(below))
        numbers.visit({ ...(above && { above }), ...(below && { below }) }, (row) => addRow(into, row));
      else visitTexts((text) => isWithin(text, { ...(above && { above }), ...(below && { below }) }), into);
    },
    texts: visitTexts,
    near: (circle, into) => {
      for (const place of places) if (isInside(place, circle)) addRow(into, place.row);
    },
    exists: (into) => unite(into, there.bits()),
  };
}

const isNumeric = (bound: Bound | undefined): bound is Bound<number> | undefined =>
  bound === undefined || typeof bound.value === "number";

function addText(texts: Map<string, RowList>, text: string, row: number): void {
  const rows = texts.get(text);
  if (rows === undefined) texts.set(text, row);
  else if (typeof rows !== "number") rows.push(row);
  else texts.set(text, [rows, row]);
}

function addAll(rows: RowList | undefined, into: Bitmap): void {
  if (typeof rows === "number") addRow(into, rows);
  else for (const row of rows ?? []) addRow(into, row);
}

/** A bitmap that grows. */
function createRowSet(): { add: (row: number) => void; bits: () => Bitmap } {
  let bits = emptyBitmap(0);
  return {
    add: (row) => {
      if (row >= bits.length * 32) {
        const larger = emptyBitmap(Math.max(1024, (row + 1) * 2));
        larger.set(bits);
        bits = larger;
      }
      addRow(bits, row);
    },
    bits: () => bits,
  };
}
