/** Vectors as they come from outside: brought to 32-bit floats and checked, with errors that name the place. */
import { fail, type ServiceError } from "../../../runtime/errors/errors.ts";
import type { IndexConfig } from "../schemas/schemas.ts";

/** What a vector must fit. */
type Shape = Pick<IndexConfig, "name" | "dimension" | "metric">;

/** Names a vector in an error: `item 3 ('a')`, `vectors[1]`. */
export type NameOf = (at: number) => string;

/** Beyond this length squares and their differences leave the range of 32-bit floats, which engines compute with. */
const normMax = 9e18;
/** Below this length the squares do, and a direction cannot be determined. */
const directionNormMin = 1e-15;

/** Lists of numbers as one array of rows. Throws `bad_request` for another dimension. */
export function packVectors(
  lists: readonly (readonly number[])[],
  shape: Shape,
  nameOf: NameOf,
): Float32Array {
  const { dimension } = shape;
  for (const [at, { length }] of lists.entries())
    if (length !== dimension) throw wrongDimension(nameOf(at), length, shape);
  const packed = new Float32Array(lists.length * dimension);
  for (const [at, list] of lists.entries()) packed.set(list, at * dimension);
  return packed;
}

/** Little-endian 32-bit floats, row by row. Throws `bad_request` when they are no whole number of vectors. */
export function floatsOf(bytes: Uint8Array, shape: Shape): Float32Array {
  const rowBytes = shape.dimension * 4;
  if (bytes.byteLength === 0 || bytes.byteLength % rowBytes !== 0)
    throw fail(
      "bad_request",
      `expected vectors of ${shape.dimension} 32-bit floats, ${rowBytes} bytes each, got ${bytes.byteLength} bytes`,
    );
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  return new Float32Array(aligned.buffer, aligned.byteOffset, bytes.byteLength / 4);
}

/** Throws `bad_request` for a number that is not finite, and for a vector the metric cannot place. */
export function checkVectors(vectors: Float32Array, shape: Shape, nameOf: NameOf): void {
  const { dimension, metric } = shape;
  for (let at = 0; at * dimension < vectors.length; at++) {
    let squares = 0;
    for (let i = at * dimension; i < (at + 1) * dimension; i++) {
      const value = vectors[i] as number;
      squares += value * value;
    }
    const norm = Math.sqrt(squares);
    if (!(norm <= normMax))
      throw notComparable(vectors.subarray(at * dimension, (at + 1) * dimension), nameOf(at));
    if (metric === "cosine" && norm < directionNormMin)
      throw fail(
        "bad_request",
        `${nameOf(at)}: a zero vector has no direction, which metric cosine compares`,
      );
  }
}

function notComparable(vector: Float32Array, name: string): ServiceError {
  const place = vector.findIndex((value) => !Number.isFinite(value));
  if (place < 0)
    return fail("bad_request", `${name}: the vector's length is above ${normMax}, too long to compare`);
  const value = vector[place];
  const why = Number.isNaN(value) ? "is not a number" : "is infinite or beyond the range of 32-bit floats";
  return fail("bad_request", `${name}: vector[${place}] ${why}; expected a finite number`);
}

const wrongDimension = (name: string, length: number, shape: Shape): ServiceError =>
  fail(
    "bad_request",
    `${name}: expected ${shape.dimension} numbers, the dimension of index '${shape.name}', got ${length}`,
    { details: { expected: shape.dimension, got: length } },
  );
