/** Buffers of an Arrow record batch while it grows. */
import { type Data, type DataType, makeData } from "apache-arrow";
import { isValid, type Vector } from "../values/values.ts";

/** Typed arrays that double when they are full. */
export function growing(bytesMin = 1024) {
  let bytes = new Uint8Array(bytesMin);
  let length = 0;
  return {
    /** Room for so many bytes more: where to write them. */
    claim: (more: number): Uint8Array => {
      if (length + more > bytes.length) {
        const grown = new Uint8Array(Math.max(bytes.length * 2, length + more));
        grown.set(bytes.subarray(0, length));
        bytes = grown;
      }
      length += more;
      return bytes.subarray(length - more, length);
    },
    length: () => length,
    /** The bytes so far; later writes go to new memory. The next buffer begins as large as this one was. */
    take: (): Uint8Array => {
      const taken = bytes.subarray(0, length);
      bytes = new Uint8Array(Math.max(bytesMin, length));
      length = 0;
      return taken;
    },
  };
}

/** Validity bits; DuckDB's layout is Arrow's. */
export function validity() {
  const bits = growing(128);
  let rows = 0;
  let nulls = 0;
  let current: Uint8Array = new Uint8Array(0);
  const push = (valid: boolean) => {
    if ((rows & 7) === 0) current = bits.claim(1).fill(0);
    if (valid) current[0] = (current[0] ?? 0) | (1 << (rows & 7));
    else nulls += 1;
    rows += 1;
  };
  return {
    add: (vector: Vector, from: number, count: number) => {
      const end = from + count;
      let row = from;
      for (; row < end && (rows & 7) !== 0; row++) push(isValid(vector, row));
      const whole = (row & 7) === 0 || vector.valid === null ? (end - row) >> 3 : 0;
      if (whole > 0) {
        const target = bits.claim(whole);
        if (vector.valid === null) target.fill(255);
        else {
          target.set(vector.valid.subarray(row >> 3, (row >> 3) + whole));
          for (const byte of target) nulls += 8 - (ones[byte] ?? 0);
        }
        rows += whole * 8;
        row += whole * 8;
      }
      for (; row < end; row++) push(isValid(vector, row));
    },
    take: () => {
      const taken = { length: rows, nullCount: nulls, nullBitmap: nulls > 0 ? bits.take() : undefined };
      if (nulls === 0) bits.take();
      rows = 0;
      nulls = 0;
      return taken;
    },
  };
}

const ones = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

/** Ends of values, after the 0 they begin with. */
export const offsetsOf = (bytes: Uint8Array): Int32Array =>
  new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);

// apache-arrow's types tie each kind to its own options; the builders choose kind and options together.
export const dataOf = (type: DataType, options: object): Data => makeData({ type, ...options } as never);

interface TypedArray {
  new (buffer: ArrayBufferLike, offset: number, length: number): ArrayBufferView;
  readonly BYTES_PER_ELEMENT: number;
}

/** The bytes as the array type that apache-arrow keeps for the type. */
export function typed(type: DataType, bytes: Uint8Array): ArrayBufferView {
  const Values = type.ArrayType as unknown as TypedArray;
  return new Values(bytes.buffer, bytes.byteOffset, bytes.byteLength / Values.BYTES_PER_ELEMENT);
}
