/** Rows of a batch as JSON objects, one after the other. */
import { type ByteSink, writeByte, writeBytes } from "./byte-sink.ts";
import type { Column } from "./column-type.ts";
import { jsonWriter, keysOf } from "./json.ts";
import type { Numbers } from "./number-writer.ts";
import type { Write } from "./plain-writer.ts";
import type { Batch } from "./vector.ts";

/** Writes the rows of a batch behind those before. */
type WriteRows = (sink: ByteSink, batch: Batch) => void;

/** Rows as `{"a":1,"b":"x"}`, each preceded by `before` (but the very first) and followed by `after`. */
export function rowObjects(
  columns: readonly Column[],
  { before, after, numbers }: { before: string; after: string; numbers: Numbers },
): WriteRows {
  const keys = keysOf(columns.map(({ name }) => name));
  const separator = Buffer.from(before);
  const end = Buffer.from(after);
  let first = true;
  return (sink, batch) => {
    const writers = batch.columns.map((column) => jsonWriter(column, numbers));
    for (let row = 0; row < batch.rows; row++) {
      if (!first) writeBytes(sink, separator);
      first = false;
      writeByte(sink, 0x7b);
      for (let at = 0; at < writers.length; at++) {
        writeBytes(sink, keys[at] as Uint8Array);
        (writers[at] as Write)(sink, row);
      }
      writeByte(sink, 0x7d);
      writeBytes(sink, end);
    }
  };
}
