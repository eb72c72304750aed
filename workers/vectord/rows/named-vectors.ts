/**
 * Vectors beside the main one. They are kept in the row's metadata, under a field of their own, and so in the same records
 * as all else of the item: by name, base64 of 32-bit floats; of sparse ones, ascending 32-bit indices before the floats.
 */
import { fail } from "../../../runtime/errors/errors.ts";
import type { NamedShape } from "../schemas/schemas.ts";
import { type Metadata, vectorsField } from "./batch.ts";

/** A named vector in memory. */
export type Unpacked = { dense: Float32Array } | { indices: Uint32Array; values: Float32Array };

/** What the main vector is called where several are spoken of. */
export const mainName = "vector";

/** The packed vectors of a row, by name. */
export const keptIn = (metadata: Metadata | undefined): Record<string, string> =>
  (metadata?.[vectorsField] ?? {}) as Record<string, string>;

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength);

export const pack = (vector: Unpacked): string =>
  Buffer.concat(
    ("dense" in vector ? [vector.dense] : [vector.indices, vector.values]).map((part) => bytesOf(part)),
  ).toString("base64");

/** As it was packed. Throws `corrupt` for what is no vector of this shape. */
export function unpack(text: string, shape: NamedShape): Unpacked {
  const bytes = Uint8Array.from(Buffer.from(text, "base64"));
  const words = bytes.length / 4;
  const expected = "sparse" in shape ? words - (words % 2) : shape.dimension;
  if (words !== expected || words === 0)
    throw fail("corrupt", `a named vector has ${bytes.length} bytes, which its index does not declare`);
  if (!("sparse" in shape)) return { dense: new Float32Array(bytes.buffer) };
  const half = words / 2;
  return {
    indices: new Uint32Array(bytes.buffer, 0, half),
    values: new Float32Array(bytes.buffer, half * 4, half),
  };
}
