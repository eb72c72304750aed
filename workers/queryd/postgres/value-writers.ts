/** Values as PostgreSQL's protocol writes them in text and in binary: each writer gives the bytes of a value that is not NULL. */
import type { PostgresType } from "../../../runtime/postgres/postgres.ts";
import { isValid, type Vector, type Write } from "../values/values.ts";
import { arrayBinary, arrayText } from "./arrays.ts";
import { scalarBinary } from "./binary-scalars.ts";
import { scalarText } from "./text-scalars.ts";

/** Of NULL nothing is written, and the length says so. */
export interface ValueWriter {
  isNull: (row: number) => boolean;
  write: Write;
}

/** A writer for the column's type in text (0) or binary (1). */
export function valueWriter(vector: Vector, type: PostgresType, format: number): ValueWriter {
  const isNull = vector.valid === null ? () => false : (row: number) => !isValid(vector, row);
  return { isNull, write: format === 1 ? binary(vector, type) : text(vector, type) };
}

const text = (vector: Vector, type: PostgresType): Write =>
  type.item ? arrayText(vector, type.item, scalarText) : scalarText(vector, type);

const binary = (vector: Vector, type: PostgresType): Write =>
  type.item ? arrayBinary(vector, type.item, scalarBinary) : scalarBinary(vector, type);
