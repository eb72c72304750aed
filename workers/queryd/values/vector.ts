/** Columns of a batch of rows in DuckDB's own memory layout: formats read them without a value object in between. */
import type { ColumnType } from "./column-type.ts";

export interface Vector {
  type: ColumnType;
  rows: number;
  /** One bit a row, least significant first; 1 is a value, 0 is NULL. Absent when there is no NULL. */
  valid: Uint8Array | null;
  /** `bytesOf(type)` bytes a row, little-endian. */
  data: DataView;
  /** Items of a list or array, key and value of a map, fields of a struct, tag and members of a union. */
  children: readonly Vector[];
  /** Memory that holds a text-like value longer than `inlineBytesMax`, from `longFrom` on. */
  longMemory: (row: number) => Uint8Array;
}

/** Rows of a result. Its memory is valid until the next batch is asked for. */
export interface Batch {
  rows: number;
  columns: readonly Vector[];
}

/** Text up to this length lies in the vector itself, longer text elsewhere (DuckDB's `string_t`). */
export const inlineBytesMax = 12;

export const isValid = (vector: Vector, row: number): boolean =>
  vector.valid === null || (((vector.valid[row >> 3] ?? 0) >> (row & 7)) & 1) === 1;

/** Memory is looked at in windows that begin at multiples of this, so that many values share a view of it. */
export const windowBytes = 256 * 1024;

/** Where a long value begins in its `longMemory`: DuckDB keeps the address at the end of its 16 bytes. */
export const longFrom = (data: DataView, row: number): number =>
  data.getUint32(row * 16 + 8, true) & (windowBytes - 1);

/** The bytes of a text-like value. */
export function bytesAt(vector: Vector, row: number): Uint8Array {
  const { data } = vector;
  const length = data.getUint32(row * 16, true);
  if (length <= inlineBytesMax) return new Uint8Array(data.buffer, data.byteOffset + row * 16 + 4, length);
  const from = longFrom(data, row);
  return vector.longMemory(row).subarray(from, from + length);
}

/** The signed 64-bit integer at a byte, as near as a double comes to it. */
export const longAt = (data: DataView, at: number): number =>
  data.getInt32(at + 4, true) * 4_294_967_296 + data.getUint32(at, true);

/** A vector's data as bytes. */
export const memoryOf = ({ data }: Vector): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

const decoder = new TextDecoder();
export const textAt = (vector: Vector, row: number): string => decoder.decode(bytesAt(vector, row));

/** The 128-bit integer of a row. */
export function hugeAt({ data }: Vector, row: number, signed: boolean): bigint {
  const low = data.getBigUint64(row * 16, true);
  const high = signed ? data.getBigInt64(row * 16 + 8, true) : data.getBigUint64(row * 16 + 8, true);
  return (high << 64n) + low;
}

/** Where the items of a list or map begin in its child, and how many there are. */
export const spanAt = ({ data }: Vector, row: number): { offset: number; length: number } => ({
  offset: Number(data.getBigUint64(row * 16, true)),
  length: Number(data.getBigUint64(row * 16 + 8, true)),
});
