/**
 * Items and questions from an Arrow IPC stream: column `id` (text), column `vector` (a list of Float32 or Float64, of
 * fixed size or not), `vectors` (a struct of named vectors), `metadata` (a struct, or text that holds a JSON object), and
 * each other column as one metadata field.
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
import { check } from "../../../runtime/contract/contract.ts";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import { parseJson } from "../../../runtime/json/json.ts";
import type { Metadata } from "../rows/rows.ts";
import { type IndexConfig, NamedVector } from "../schemas/schemas.ts";
import { checkArrowType, jsonOf } from "./arrow-values.ts";
import { type Items, nameOfItem, withText } from "./items.ts";
import { withVectors } from "./named-vectors.ts";
import type { NameOf } from "./vectors.ts";

/** Throws `bad_request` for bytes that are no whole stream and for columns that are not as said above. */
export function arrowItems(bytes: Uint8Array, config: IndexConfig, itemsMax: number): Items {
  const table = read(bytes, itemsMax);
  checkColumns(table.schema, config, ["id", "vector"]);
  const ids = idsOf(column(table, "id"));
  const nameOf: NameOf = (at) => nameOfItem(ids, at);
  const named = namedIn(table, nameOf);
  const model = table.schema.metadata.get("embedding_model");
  return {
    ids,
    vectors: vectorsIn(table, config, nameOf),
    metadata: metadataOf(table, ids).map((fields, at) =>
      withVectors(withText(fields, undefined, nameOf(at)), named?.[at], config, nameOf(at)),
    ),
    ...(model !== undefined && { embeddingModel: model }),
  };
}

/** Questions: vectors, one a row, or one row of named vectors, with the main one or without. */
export function arrowQuestions(
  bytes: Uint8Array,
  config: IndexConfig,
  questionsMax: number,
): { vectors?: Float32Array; named?: Record<string, NamedVector> } {
  const table = read(bytes, questionsMax);
  const names = table.schema.fields.map(({ name }) => name);
  const stray = names.find((name) => name !== "vector" && name !== "vectors");
  if (stray !== undefined)
    throw wrong(`expected columns vector and vectors in a search, got ${stray.slice(0, 100)}`);
  const isNamed = names.includes("vectors");
  checkColumns(table.schema, config, isNamed ? [] : ["vector"]);
  const nameOf: NameOf = (at) => `vectors[${at}]`;
  const vectors = names.includes("vector") ? vectorsIn(table, config, nameOf) : undefined;
  if (!isNamed) return { ...(vectors && { vectors }) };
  if (table.numRows !== 1) throw wrong(`expected one row in a search by named vectors, got ${table.numRows}`);
  const named = namedIn(table, nameOf)?.[0] ?? {};
  if (Object.keys(named).length === 0) throw wrong("column vectors: expected at least one vector, got none");
  return { ...(vectors && { vectors }), named };
}

function vectorsIn(table: Table, config: IndexConfig, nameOf: NameOf): Float32Array {
  const vectors = new Float32Array(table.numRows * config.dimension);
  let at = 0;
  for (const batch of table.batches) {
    takeVectors(batch, { nameOf, at, config }, vectors);
    at += batch.numRows;
  }
  return vectors;
}

/** By rows: a vector that is null is one that the row does not have. */
function namedIn(table: Table, nameOf: NameOf): (Record<string, NamedVector> | undefined)[] | undefined {
  const found = table.getChild("vectors");
  if (found === null) return undefined;
  return Array.from({ length: table.numRows }, (_, at) => {
    const row = jsonOf(found.get(at), found.type) as Record<string, unknown> | null;
    if (row === null) return undefined;
    const given = Object.entries(row).filter(([, vector]) => vector !== null);
    return Object.fromEntries(
      given.map(([name, vector]) => [name, check(NamedVector, vector, `${nameOf(at)}: vectors.${name}`)]),
    );
  });
}

function read(bytes: Uint8Array, rowsMax: number): Table {
  checkArrowStream(bytes);
  const table = decoded(bytes);
  if (table.numRows > rowsMax)
    throw fail("too_large", `expected at most ${rowsMax} items in a request, got ${table.numRows}`);
  return table;
}

function decoded(bytes: Uint8Array): Table {
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

function checkColumns({ fields }: Schema, { dimension }: IndexConfig, needed: readonly string[]): void {
  const names = fields.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw wrong(`two columns are named '${twice.slice(0, 100)}'`);
  for (const name of needed)
    if (!names.includes(name))
      throw wrong(`expected columns ${needed.join(" and ")}, got ${names.join(", ").slice(0, 200)}`);
  for (const { name, type } of fields) {
    if (name === "id" && !isText(type)) throw wrong(`column id: expected Utf8, got ${type}`);
    if (name === "vector") checkVectorType(type, dimension);
    if (name === "metadata" && !isText(type) && !DataType.isStruct(type))
      throw wrong(`column metadata: expected Struct, or Utf8 with JSON objects, got ${type}`);
    if (name === "vectors" && !DataType.isStruct(type))
      throw wrong(`column vectors: expected a Struct of named vectors, got ${type}`);
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
  nameOf: NameOf;
  /** The batch's first row. */
  at: number;
  config: IndexConfig;
}

function takeVectors(batch: RecordBatch, { nameOf, at, config }: Place, into: Float32Array): void {
  const lists = batch.getChild("vector")?.data[0];
  const numbers: Data | undefined = lists?.children[0];
  if (!lists || !numbers || lists.length !== batch.numRows)
    throw wrong("column vector has fewer rows than the others");
  const { dimension } = config;
  for (let row = 0; row < lists.length; row++)
    if (!lists.getValid(row)) throw wrong(`${nameOf(at + row)}: the vector is null`);
  const begin = DataType.isList(lists.type)
    ? firstOfLists(lists, { nameOf, at, config })
    : lists.offset * dimension;
  const values = numbers.values.subarray(begin, begin + lists.length * dimension);
  if (values.length !== lists.length * dimension)
    throw wrong("column vector holds fewer numbers than it says");
  for (let place = 0; numbers.nullCount > 0 && place < values.length; place++)
    if (!numbers.getValid(begin + place))
      throw wrong(`${nameOf(at + Math.floor(place / dimension))}: vector[${place % dimension}] is null`);
  into.set(values, at * dimension);
}

/** Where the numbers of the first list begin; each list has as many as the dimension. */
function firstOfLists(lists: Data, { nameOf, at, config }: Place): number {
  const offsets: Int32Array = lists.valueOffsets;
  for (let row = 0; row < lists.length; row++) {
    const length = (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    if (length !== config.dimension)
      throw wrong(
        `${nameOf(at + row)}: expected ${config.dimension} numbers, the dimension of the index, got ${length}`,
      );
  }
  return offsets[0] ?? 0;
}

function metadataOf(table: Table, ids: readonly string[]): (Metadata | undefined)[] {
  const fields = table.schema.fields.filter(({ name }) => !["id", "vector", "vectors"].includes(name));
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
