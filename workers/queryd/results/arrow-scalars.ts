/** Arrow columns of values that are not nested. */
import type { Data } from "apache-arrow";
import { fail } from "../../../runtime/errors/errors.ts";
import {
  bytesOf,
  type ColumnType,
  createSink,
  enumIndexAt,
  hugeAt,
  inlineBytesMax,
  isValid,
  jsonWriter,
  longFrom,
  memoryOf,
  plainWriter,
  takeBytes,
  type Vector,
  type Write,
  writeBytes,
} from "../values/values.ts";
import { dataOf, growing, offsetsOf, typed, validity } from "./arrow-buffers.ts";
import { arrowType } from "./arrow-types.ts";

export interface ArrowColumn {
  /** Appends rows of a vector of the column's type. */
  add: (vector: Vector, from: number, count: number) => void;
  /** What was added since the last time. */
  finish: () => Data;
  /** Bytes held, about. */
  bytes: () => number;
}

export function fixedColumn(type: ColumnType): ArrowColumn {
  const target = arrowType(type);
  const width = bytesOf(type);
  const valid = validity();
  const values = growing();
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      values.claim(count * width).set(memoryOf(vector).subarray(from * width, (from + count) * width));
    },
    finish: () => dataOf(target, { ...valid.take(), data: typed(target, values.take()) }),
    bytes: values.length,
  };
}

export function bitColumn(type: ColumnType): ArrowColumn {
  const valid = validity();
  const values = growing(128);
  let rows = 0;
  let current: Uint8Array = new Uint8Array(0);
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      for (let row = from; row < from + count; row++) {
        if ((rows & 7) === 0) current = values.claim(1).fill(0);
        if (vector.data.getUint8(row) !== 0) current[0] = (current[0] ?? 0) | (1 << (rows & 7));
        rows += 1;
      }
    },
    finish: () => {
      rows = 0;
      return dataOf(arrowType(type), { ...valid.take(), data: values.take() });
    },
    bytes: values.length,
  };
}

/** HUGEINT goes further than the 38 digits of Arrow's and SQL's decimals. */
const decimalMax = 10n ** 38n;

export function decimalColumn(type: ColumnType): ArrowColumn {
  const target = arrowType(type);
  const width = bytesOf(type);
  const valid = validity();
  const values = growing();
  const checked = (vector: Vector, row: number): bigint => {
    const value = hugeAt(vector, row, type.kind !== "uhugeint");
    if (value < decimalMax && value > -decimalMax) return value;
    throw fail(
      "sql_error",

      `${value} has more than 38 digits, which is all that DECIMAL holds; CAST it to VARCHAR`,
    );
  };
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      const bytes = values.claim(count * 16);
      if (width === 16) {
        if (type.kind !== "decimal")
          for (let row = from; row < from + count; row++) if (isValid(vector, row)) checked(vector, row);
        bytes.set(memoryOf(vector).subarray(from * 16, (from + count) * 16));
        return;
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      for (let at = 0; at < count; at++) {
        const value = smallAt(vector, from + at, width);
        view.setBigInt64(at * 16, value, true);
        view.setBigInt64(at * 16 + 8, value < 0n ? -1n : 0n, true);
      }
    },
    finish: () => dataOf(target, { ...valid.take(), data: typed(target, values.take()) }),
    bytes: values.length,
  };
}

const smallAt = ({ data }: Vector, row: number, width: number): bigint => {
  if (width === 2) return BigInt(data.getInt16(row * 2, true));
  return width === 4 ? BigInt(data.getInt32(row * 4, true)) : data.getBigInt64(row * 8, true);
};

/** Text for the types that Arrow has no form for, the same as in CSV. */
export function textValue(vector: Vector): Write {
  const { type } = vector;
  if (type.kind === "enum") {
    const values = type.values.map((value) => Buffer.from(value));
    return (sink, row) => writeBytes(sink, values[enumIndexAt(vector, row)] as Uint8Array);
  }
  return plainWriter(vector) ?? jsonWriter(vector);
}

/** The bytes as they are; short ones lie in the vector itself. */
export function bytesValue(vector: Vector): Write {
  const { data } = vector;
  const memory = memoryOf(vector);
  return (sink, row) => {
    const length = data.getUint32(row * 16, true);
    if (length <= inlineBytesMax) writeBytes(sink, memory, row * 16 + 4, length);
    else writeBytes(sink, vector.longMemory(row), longFrom(data, row), length);
  };
}

/** Arrow's offsets have 32 bits. */
const valueBytesMax = 2 ** 31 - 1;

export function bytesColumn(type: ColumnType, writerOf: (vector: Vector) => Write): ArrowColumn {
  const target = arrowType(type);
  const valid = validity();
  const values = createSink();
  const offsets = growing();
  const restart = () => offsets.claim(4).fill(0);
  restart();
  return {
    add: (vector, from, count) => {
      valid.add(vector, from, count);
      const bytes = offsets.claim(count * 4);
      const ends = new Int32Array(bytes.buffer, bytes.byteOffset, count);
      const write = writerOf(vector);
      for (let at = 0; at < count; at++) {
        if (vector.valid === null || isValid(vector, from + at)) write(values, from + at);
        ends[at] = values.length;
      }
      if (values.length > valueBytesMax)
        throw fail(
          "sql_error",
          "the text of one batch has more than 2 GiB, which is all that Arrow holds; ask for fewer rows",
        );
    },
    finish: () => {
      const data = { ...valid.take(), data: takeBytes(values), valueOffsets: offsetsOf(offsets.take()) };
      restart();
      return dataOf(target, data);
    },
    bytes: () => values.length,
  };
}
