/** Columns of an Arrow record batch, grown from DuckDB's vectors; numbers and validity are copied as they lie. */

import { type ColumnType, isValid, spanAt, type TypeOf, type Vector } from "../values/values.ts";
import { dataOf, growing, offsetsOf, validity } from "./arrow-buffers.ts";
import {
  type ArrowColumn,
  bitColumn,
  bytesColumn,
  bytesValue,
  decimalColumn,
  fixedColumn,
  textValue,
} from "./arrow-scalars.ts";
import { arrowForm, arrowType, entriesType } from "./arrow-types.ts";

/** A column for the type. */
export function arrowColumn(type: ColumnType): ArrowColumn {
  switch (arrowForm(type)) {
    case "fixed":
      return fixedColumn(type);
    case "bits":
      return bitColumn(type);
    case "decimal":
      return decimalColumn(type);
    case "bytes":
      return bytesColumn(type, bytesValue);
    case "text":
      return bytesColumn(type, textValue);
    case "list":
      return listColumn(type as TypeOf<"list" | "map">);
    case "fixed-list":
      return fixedListColumn(type as TypeOf<"array">);
    case "struct":
      return structColumn(type as TypeOf<"struct">);
  }
}

/** Lists and maps: items of consecutive rows usually lie side by side and are added at once. */
function listColumn(type: TypeOf<"list"> | TypeOf<"map">): ArrowColumn {
  const target = arrowType(type);
  const valid = validity();
  const offsets = growing();
  const items = type.kind === "map" ? entriesColumn(type) : arrowColumn(type.item);
  let total = 0;
  const restart = () => offsets.claim(4).fill(0);
  restart();
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      const bytes = offsets.claim(count * 4);
      const ends = new Int32Array(bytes.buffer, bytes.byteOffset, count);
      const child = type.kind === "map" ? vector : (vector.children[0] as Vector);
      let runFrom = 0;
      let run = 0;
      for (let at = 0; at < count; at++) {
        if (isValid(vector, from + at)) {
          const { offset, length } = spanAt(vector, from + at);
          if (offset !== runFrom + run) {
            if (run > 0) items.add(child, runFrom, run);
            runFrom = offset;
            run = 0;
          }
          run += length;
          total += length;
        }
        ends[at] = total;
      }
      if (run > 0) items.add(child, runFrom, run);
    },
    finish: () => {
      const valueOffsets = offsetsOf(offsets.take());
      restart();
      total = 0;
      return dataOf(target, { ...valid.take(), valueOffsets, child: items.finish() });
    },
    bytes: items.bytes,
  };
}

/** Key and value of a map side by side; DuckDB keeps them as two vectors of one length. */
function entriesColumn(type: TypeOf<"map">): ArrowColumn {
  const columns = [arrowColumn(type.key), arrowColumn(type.value)];
  let rows = 0;
  return {
    add: ({ children }, from, count) => {
      rows += count;
      columns.forEach((column, at) => {
        column.add(children[at] as Vector, from, count);
      });
    },
    finish: () => {
      const length = rows;
      rows = 0;
      const children = columns.map((column) => column.finish());
      return dataOf(entriesType(type), { length, nullCount: 0, children });
    },
    bytes: () => columns.reduce((sum, column) => sum + column.bytes(), 0),
  };
}

function fixedListColumn(type: TypeOf<"array">): ArrowColumn {
  const valid = validity();
  const items = arrowColumn(type.item);
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      items.add(vector.children[0] as Vector, from * type.length, count * type.length);
    },
    finish: () => dataOf(arrowType(type), { ...valid.take(), child: items.finish() }),
    bytes: items.bytes,
  };
}

function structColumn(type: TypeOf<"struct">): ArrowColumn {
  const valid = validity();
  const columns = type.fields.map((field) => arrowColumn(field.type));
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      columns.forEach((column, at) => {
        column.add(vector.children[at] as Vector, from, count);
      });
    },
    finish: () =>
      dataOf(arrowType(type), { ...valid.take(), children: columns.map((column) => column.finish()) }),
    bytes: () => columns.reduce((sum, column) => sum + column.bytes(), 0),
  };
}
