/** Messages of a server, as bytes: a letter, the length of what follows with itself, and what follows. */
import type { PostgresType } from "./postgres-types.ts";

/** What a message is made of: text ends with a zero byte, numbers are written by `int16` and `int32` of the caller. */
type Part = string | Uint8Array;

/** One message. Texts get the zero byte that ends a string of the protocol. */
export function message(letter: string, ...parts: readonly Part[]): Uint8Array {
  const bytes = parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part));
  const length = bytes.reduce((sum, part) => sum + part.length, 4);
  const head = Buffer.alloc(5);
  head.write(letter, 0, "latin1");
  head.writeInt32BE(length, 1);
  return Buffer.concat([head, ...bytes]);
}

/** A column as RowDescription names it. */
export interface Described {
  name: string;
  type: Pick<PostgresType, "oid" | "size" | "modifier">;
}

/** RowDescription: no column is one of a table; `formats` are 0 for text and 1 for binary, one for all or one a column. */
export function rowDescription(columns: readonly Described[], formats: readonly number[] = []): Uint8Array {
  const count = Buffer.alloc(2);
  count.writeUInt16BE(columns.length);
  const fields = columns.flatMap(({ name, type }, at) => {
    const facts = Buffer.alloc(18);
    facts.writeUInt32BE(type.oid, 6);
    facts.writeInt16BE(type.size, 10);
    facts.writeInt32BE(type.modifier, 12);
    facts.writeInt16BE((formats.length === 1 ? formats[0] : formats[at]) ?? 0, 16);
    return [name, facts];
  });
  return message("T", count, ...fields);
}

export const commandComplete = (tag: string): Uint8Array => message("C", tag);
