/** Avro files: records with the types of their schema, logical ones as the types that they are. */
import { avroBlocks } from "../../../runtime/avro/avro.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { compileRecord } from "./avro-types.ts";
import type { TableReader } from "./taking.ts";
import { openRowWriter } from "./taking.ts";

/** Records between two looks at what was gathered. */
const recordsAtOnce = 256;

export const readAvroFile: TableReader = async ({ path, into, columnsMax, bytesMax }) => {
  try {
    const { schema, blocks } = await avroBlocks(path);
    const { columns, read, warnings } = compileRecord(schema);
    if (columns.length > columnsMax)
      throw fail("unprocessable", `the file has ${columns.length} columns; at most ${columnsMax} are taken`);
    const writer = openRowWriter(into, bytesMax);
    for await (const { records, bytes } of blocks) {
      for (let at = 0; at < records; at++) {
        writer.line(read(bytes));
        if (at % recordsAtOnce === 0) await writer.flush();
      }
      if (bytes.at !== bytes.bytes.length)
        throw fail("unprocessable", "it does not read as Avro: a block has more bytes than its records");
    }
    await writer.end();
    return { columns, found: [], warnings };
  } catch (cause) {
    if (cause instanceof ServiceError && cause.type !== "corrupt") throw cause;
    const why = cause instanceof ServiceError ? cause.message : "it does not read as Avro";
    throw fail("unprocessable", `the Avro file cannot be read: ${why}`, { cause });
  }
};
