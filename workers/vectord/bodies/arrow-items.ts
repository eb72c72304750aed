/**
 * Items from an Arrow IPC stream: column `id` (text), column `vector` (a list of Float32 or Float64, of fixed size
 * or not), `metadata` (a struct, or text that holds a JSON object), and each other column as one metadata field.
 */
import {
  type Data,
  DataType,
  Message,
  type RecordBatch,
  type Schema,
  type Table,
  tableFromIPC,
  type Vector,
} from "apache-arrow";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";
import type { Metadata } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { checkArrowType, jsonOf } from "./arrow-values.ts";
import { type Items, nameOfItem } from "./items.ts";

/** Throws `bad_request` for bytes that are no whole stream and for columns that are not as said above. */
export function arrowItems(bytes: Uint8Array, config: IndexConfig, itemsMax: number): Items {
  checkArrowStream(bytes);
  const table = read(bytes);
  if (table.numRows > itemsMax)
    throw fail("too_large", `expected at most ${itemsMax} items in a request, got ${table.numRows}`);
  checkColumns(table.schema, config);
  const ids = idsOf(column(table, "id"));
  const vectors = new Float32Array(ids.length * config.dimension);
  let at = 0;
  for (const batch of table.batches) {
    takeVectors(batch, { ids, at, config }, vectors);
    at += batch.numRows;
  }
  const model = table.schema.metadata.get("embedding_model");
  return {
    ids,
    vectors,
    metadata: metadataOf(table, ids),
    ...(model !== undefined && { embeddingModel: model }),
  };
}

function read(bytes: Uint8Array): Table {
  try {
    return tableFromIPC(bytes);
  } catch (cause) {
    throw fail("bad_request", "Arrow stream: its content cannot be read; is it damaged or compressed?", {
      cause,
    });
  }
}

const wrong = (message: string): ServiceError => fail("bad_request", `Arrow stream: ${message}`);

const isText = (type: DataType): boolean =>
  DataType.isDictionary(type) ? isText(type.dictionary) : DataType.isUtf8(type) || DataType.isLargeUtf8(type);

/** Float16 comes as raw bits, which would have to be unpacked; models give 32 bits. */
const isFloats = (type: DataType): boolean => DataType.isFloat(type) && /^Float(32|64)$/.test(String(type));

function checkColumns({ fields }: Schema, { dimension }: IndexConfig): void {
  const names = fields.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw wrong(`two columns are named '${twice.slice(0, 100)}'`);
  for (const name of ["id", "vector"])
    if (!names.includes(name))
      throw wrong(`expected columns id and vector, got ${names.join(", ").slice(0, 200)}`);
  for (const { name, type } of fields) {
    if (name === "id" && !isText(type)) throw wrong(`column id: expected Utf8, got ${type}`);
    if (name === "vector") checkVectorType(type, dimension);
    if (name === "metadata" && !isText(type) && !DataType.isStruct(type))
      throw wrong(`column metadata: expected Struct, or Utf8 with JSON objects, got ${type}`);
    if (name !== "id" && name !== "vector") checkArrowType(name, type);
  }
}

function checkVectorType(type: DataType, dimension: number): void {
  const isList = DataType.isFixedSizeList(type) || DataType.isList(type);
  if (!isList || !isFloats(type.children[0]?.type))
    throw wrong(`column vector: expected a list of Float32 or Float64, got ${type}`);
  if (DataType.isFixedSizeList(type) && type.listSize !== dimension)
    throw wrong(
      `column vector: expected ${dimension} numbers, the dimension of the index, got ${type.listSize}`,
    );
}

function column(table: Table, name: string): Vector {
  const found = table.getChild(name);
  if (found === null) throw wrong(`there is no column ${name}`);
  return found;
}

function idsOf(ids: Vector): string[] {
  return Array.from({ length: ids.length }, (_, at) => {
    const id: unknown = ids.get(at);
    if (typeof id !== "string") throw wrong(`item ${at}: the id is null`);
    return id;
  });
}

interface Place {
  ids: readonly string[];
  /** The batch's first item. */
  at: number;
  config: IndexConfig;
}

function takeVectors(batch: RecordBatch, { ids, at, config }: Place, into: Float32Array): void {
  const lists = batch.getChild("vector")?.data[0];
  const numbers: Data | undefined = lists?.children[0];
  if (!lists || !numbers || lists.length !== batch.numRows)
    throw wrong("column vector has fewer rows than id");
  const { dimension } = config;
  for (let row = 0; row < lists.length; row++)
    if (!lists.getValid(row)) throw wrong(`${nameOfItem(ids, at + row)}: the vector is null`);
  const begin = DataType.isList(lists.type)
    ? firstOfLists(lists, { ids, at, config })
    : lists.offset * dimension;
  const values = numbers.values.subarray(begin, begin + lists.length * dimension);
  if (values.length !== lists.length * dimension)
    throw wrong("column vector holds fewer numbers than it says");
  for (let place = 0; numbers.nullCount > 0 && place < values.length; place++)
    if (!numbers.getValid(begin + place))
      throw wrong(
        `${nameOfItem(ids, at + Math.floor(place / dimension))}: vector[${place % dimension}] is null`,
      );
  into.set(values, at * dimension);
}

/** Where the numbers of the first list begin; each list has as many as the dimension. */
function firstOfLists(lists: Data, { ids, at, config }: Place): number {
  const offsets: Int32Array = lists.valueOffsets;
  for (let row = 0; row < lists.length; row++) {
    const length = (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    if (length !== config.dimension)
      throw wrong(
        `${nameOfItem(ids, at + row)}: expected ${config.dimension} numbers, the dimension of the index, got ${length}`,
      );
  }
  return offsets[0] ?? 0;
}

function metadataOf(table: Table, ids: readonly string[]): (Metadata | undefined)[] {
  const fields = table.schema.fields.filter(({ name }) => name !== "id" && name !== "vector");
  const columns = fields.map(({ name, type }) => ({ name, type, values: column(table, name) }));
  const nested = fields.some(({ name }) => name === "metadata");
  return ids.map((_, at) => {
    const entries: [string, unknown][] = [];
    for (const { name, type, values } of columns) {
      const value: unknown = values.get(at);
      if (value === null) continue;
      if (name === "metadata") entries.push(...Object.entries(objectOf(value, type, nameOfItem(ids, at))));
      else entries.push([name, jsonOf(value, type)]);
    }
    const twice = nested ? repeated(entries.map(([name]) => name)) : undefined;
    if (twice !== undefined)
      throw wrong(`${nameOfItem(ids, at)}: field '${twice}' is in column metadata and a column of its own`);
    return entries.length === 0 ? undefined : Object.fromEntries(entries);
  });
}

const repeated = (names: string[]): string | undefined =>
  new Set(names).size === names.length ? undefined : names.find((name, at) => names.indexOf(name) !== at);

function objectOf(value: unknown, type: DataType, name: string): object {
  if (typeof value !== "string") return jsonOf(value, type) as object;
  let parsed: unknown;
  try {
    parsed = parseJson(value);
  } catch (cause) {
    if (cause instanceof ServiceError)
      throw fail(cause.type, `Arrow stream: ${name}: ${cause.message}`, { details: cause.details });
    throw fail("bad_request", `Arrow stream: ${name}: metadata is not valid JSON`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed))
    throw wrong(`${name}: metadata is no JSON object`);
  return parsed;
}

// The frame of an Arrow IPC stream, checked before its content is read: apache-arrow takes a stream that was cut
// between two messages for a whole one, and items would be lost without a word.
//
// A message is 0xFFFFFFFF, the length of its metadata (both 4 bytes, little-endian), the metadata and the body; the
// stream ends with 0xFFFFFFFF and the length 0. Source: "Encapsulated message format" of the Arrow columnar format.

const continuation = 0xffffffff;
const prefixBytes = 8;

/** Throws `bad_request` unless the bytes are whole messages and the end marker. */
export function checkArrowStream(bytes: Uint8Array): void {
  if (bytes.length === 0) throw cut("the body is empty");
  if (Buffer.from(bytes.subarray(0, 6)).toString("latin1") === "ARROW1")
    throw cut("the body has the Arrow file format; send the stream format");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0, number = 1; ; number++) {
    if (at + prefixBytes > bytes.length)
      throw cut(`the stream ends after ${at} bytes without its end marker: it was cut off`);
    if (view.getUint32(at, true) !== continuation)
      throw cut(`message ${number} does not begin with the continuation marker at byte ${at}`);
    const length = view.getUint32(at + 4, true);
    at += prefixBytes;
    if (length === 0) {
      if (at !== bytes.length) throw cut(`${bytes.length - at} bytes follow the end marker`);
      return;
    }
    if (at + length > bytes.length) throw cut(`message ${number} is cut off in its metadata`);
    at += length + bodyLength(bytes.subarray(at, at + length), number);
    if (at > bytes.length) throw cut(`message ${number} is cut off in its body`);
  }
}

function bodyLength(metadata: Uint8Array, number: number): number {
  let length: number;
  try {
    length = Message.decode(metadata).bodyLength;
  } catch (cause) {
    throw fail("bad_request", `Arrow stream: the metadata of message ${number} cannot be read`, { cause });
  }
  if (!Number.isSafeInteger(length) || length < 0)
    throw cut(`message ${number} has a body of ${length} bytes`);
  return length;
}

const cut = (why: string): ServiceError => fail("bad_request", `Arrow stream: ${why}`);
