/** Values as DuckDB lays them out in memory, and how each type is written as text, JSON or plain bytes. */
export {
  type ByteSink,
  createSink,
  reserve,
  takeBytes,
  writeAscii,
  writeByte,
  writeBytes,
  writeText,
} from "./byte-sink.ts";
export {
  bytesOf,
  type Column,
  type ColumnType,
  checkColumns,
  type Field,
  findType,
  type TimestampUnit,
  type TypeOf,
} from "./column-type.ts";
export { enumIndexAt, jsonWriter } from "./json.ts";
export { rowObjects } from "./json-rows.ts";
export { csvDoubleWriter, type Numbers, numberWriter } from "./number-writer.ts";
export { plainWriter, shortestWriter, type Write, wallClockWriter } from "./plain-writer.ts";
export { isNested } from "./text.ts";
export {
  type Batch,
  bytesAt,
  hugeAt,
  inlineBytesMax,
  isValid,
  longFrom,
  memoryOf,
  spanAt,
  type Vector,
  windowBytes,
} from "./vector.ts";
