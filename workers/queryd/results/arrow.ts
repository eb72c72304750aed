/** An Arrow IPC stream: schema, record batches, end. The types are those of `arrow-types.ts`. */
import {
  AsyncByteQueue,
  Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
} from "apache-arrow";
import type { Vector } from "../values/values.ts";
import { arrowColumn } from "./arrow-columns.ts";
import { arrowType } from "./arrow-types.ts";
import type { ResultFormat } from "./format.ts";

/** Rows of a record batch: measured as fast as larger ones, and small enough to begin early. */
const batchRows = 65_536;
/** Bytes after which a batch ends early, so that long texts do not add up. */
const batchBytes = 8 * 1024 * 1024;

/** Takes what the writer writes at once, instead of a queue that is read asynchronously. */
class Collected extends AsyncByteQueue<Uint8Array> {
  private parts: Uint8Array[] = [];
  private bytes = 0;

  override write(part: Uint8Array): void {
    this.parts.push(part);
    this.bytes += part.length;
  }

  get pending(): number {
    return this.bytes;
  }

  take(): Uint8Array | null {
    if (this.bytes === 0) return null;
    const taken = Buffer.concat(this.parts);
    this.parts = [];
    this.bytes = 0;
    return taken;
  }
}

export const arrow: ResultFormat = {
  mediaType: "application/vnd.apache.arrow.stream",
  contentType: "application/vnd.apache.arrow.stream",
  open: (columns) => {
    const schema = new Schema(columns.map(({ name, type }) => new Field(name, arrowType(type), true)));
    const builders = columns.map(({ type }) => arrowColumn(type));
    const sink = new Collected();
    const writer = new RecordBatchStreamWriter();
    writer.reset(sink as never, schema);
    let rows = 0;
    const flush = () => {
      const children = builders.map((builder) => builder.finish());
      const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children });
      writer.write(new RecordBatch(schema, data));
      rows = 0;
    };
    return {
      add: (batch) => {
        builders.forEach((builder, at) => {
          builder.add(batch.columns[at] as Vector, 0, batch.rows);
        });
        rows += batch.rows;
        if (rows >= batchRows || builders.reduce((sum, builder) => sum + builder.bytes(), 0) >= batchBytes)
          flush();
      },
      finish: () => {
        if (rows > 0) flush();
        writer.finish();
      },
      pending: () => sink.pending,
      take: () => sink.take(),
    };
  },
};
