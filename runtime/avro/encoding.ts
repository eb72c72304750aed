/** The binary encoding of Avro (1.11 §"Data Serialization"): all of it is read but names in namespaces, which manifests lack. */
import { fail } from "../errors/errors.ts";

/** A whole number of at most 64 bits. */
type Long = number | bigint;

/** A schema as JSON; a name refers to what was defined under it before. */
export type AvroSchema = string | readonly AvroSchema[] | AvroComplex;
interface AvroComplex {
  type: AvroSchema;
  name?: string;
  fields?: readonly AvroField[];
  items?: AvroSchema;
  values?: AvroSchema;
  size?: number;
  [attribute: string]: unknown;
}
export interface AvroField {
  name: string;
  type: AvroSchema;
  [attribute: string]: unknown;
}

export type AvroRecord = { [field: string]: AvroValue };
export type AvroValue = null | boolean | Long | string | Uint8Array | AvroValue[] | AvroRecord;

const corrupt = (what: string) => fail("corrupt", `it does not read as Avro: ${what}`);
const isComplex = (schema: AvroSchema): schema is AvroComplex =>
  typeof schema === "object" && !Array.isArray(schema);
const kindOf = (schema: AvroSchema): AvroSchema => (isComplex(schema) ? schema.type : schema);

/** Bytes that grow. */
export class AvroWriter {
  #bytes = new Uint8Array(4096);
  #length = 0;

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }
  /** Zigzag, then seven bits a byte. */
  long(value: Long): void {
    this.#reserve(10);
    if (typeof value === "number" && value >= 0 && value < 2 ** 52) {
      let left = value * 2;
      for (; left >= 128; left = Math.floor(left / 128)) this.#bytes[this.#length++] = (left % 128) | 128;
      this.#bytes[this.#length++] = left;
      return;
    }
    const wide = BigInt(value);
    let left = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    for (; left > 127n; left >>= 7n) this.#bytes[this.#length++] = Number(left & 127n) | 128;
    this.#bytes[this.#length++] = Number(left);
  }
  bytes(bytes: Uint8Array): void {
    this.long(bytes.length);
    this.raw(bytes);
  }
  text(text: string): void {
    this.bytes(new TextEncoder().encode(text));
  }
  real(value: number, kind: "float" | "double"): void {
    const view = new DataView(new ArrayBuffer(kind === "float" ? 4 : 8));
    if (kind === "float") view.setFloat32(0, value, true);
    else view.setFloat64(0, value, true);
    this.raw(new Uint8Array(view.buffer));
  }
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Writes a value by its schema; unions are of null and one other type. Throws an Error for what has no such schema. */
export function writeAvro(
  out: AvroWriter,
  schema: AvroSchema,
  value: AvroValue | undefined,
  named = new Map<string, AvroSchema>(),
): void {
  if (Array.isArray(schema)) {
    const at = schema.findIndex((each) => (each === "null") === (value === null || value === undefined));
    out.long(at);
    if (value !== null && value !== undefined) writeAvro(out, schema[at] as AvroSchema, value, named);
    return;
  }
  if (isComplex(schema) && schema.name !== undefined) named.set(schema.name, schema);
  const { fields = [], items = "null", values = "null" } = schema as AvroComplex;
  const kind = kindOf(schema);
  const known = typeof kind === "string" ? named.get(kind) : kind;
  if (kind === "record")
    for (const field of fields) writeAvro(out, field.type, (value as AvroRecord)[field.name], named);
  else if (kind === "array") {
    const list = value as AvroValue[];
    if (list.length > 0) out.long(list.length);
    for (const each of list) writeAvro(out, items, each, named);
    out.long(0);
  } else if (kind === "map") {
    const list = value as { key: string; value: AvroValue }[];
    if (list.length > 0) out.long(list.length);
    for (const each of list) {
      out.text(each.key);
      writeAvro(out, values, each.value, named);
    }
    out.long(0);
  } else if (kind === "int" || kind === "long") out.long(value as Long);
  else if (kind === "string") out.text(value as string);
  else if (kind === "bytes") out.bytes(value as Uint8Array);
  else if (kind === "fixed") out.raw(value as Uint8Array);
  else if (kind === "boolean") out.raw(Uint8Array.of(value === true ? 1 : 0));
  else if (kind === "float" || kind === "double") out.real(value as number, kind);
  else if (kind !== "null" && known !== undefined) writeAvro(out, known, value, named);
  else if (kind !== "null") throw new Error(`Avro values of ${JSON.stringify(schema)} are not written here`);
}

/** Reads from a file that anybody may have written: everything is within its bounds or `corrupt`. */
export class AvroReader {
  at = 0;
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  take(count: number): Uint8Array {
    if (!(count >= 0) || this.at + count > this.bytes.length) throw corrupt("it is cut short");
    this.at += count;
    return this.bytes.subarray(this.at - count, this.at);
  }
  long(): Long {
    // Of most numbers a few bytes: below 2^49 doubles are exact, and need no BigInt.
    let small = 0;
    for (let at = 0; at < 7; at++) {
      const byte = this.bytes[this.at + at];
      if (byte === undefined) throw corrupt("it is cut short");
      small += (byte & 127) * 2 ** (7 * at);
      if (byte > 127) continue;
      this.at += at + 1;
      return small % 2 === 0 ? small / 2 : -(small + 1) / 2;
    }
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const [byte = 0] = this.take(1);
      if (shift > 63n) throw corrupt("a number has more than 64 bits");
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) break;
    }
    const signed = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }
  count(): number {
    return Number(this.long());
  }
  blob(): Uint8Array {
    return this.take(this.count()).slice();
  }
  text(): string {
    return new TextDecoder("utf-8", { fatal: true }).decode(this.take(this.count()));
  }
}

/** Reads one value by the schema that it was written with. Throws `corrupt`. */
export function readAvro(
  from: AvroReader,
  schema: AvroSchema,
  named = new Map<string, AvroSchema>(),
): AvroValue {
  if (Array.isArray(schema)) {
    const chosen = schema[from.count()];
    if (chosen === undefined) throw corrupt("a union has no such type");
    return readAvro(from, chosen, named);
  }
  if (isComplex(schema) && schema.name !== undefined) named.set(schema.name, schema);
  const kind = kindOf(schema);
  const { fields = [], items, values, size = 0 } = schema as AvroComplex;
  switch (kind) {
    case "record": {
      const record: AvroRecord = {};
      for (const field of fields) record[field.name] = readAvro(from, field.type, named);
      return record;
    }
    case "array":
      return blocks(from, () => readAvro(from, items ?? "null", named));
    case "map":
      return blocks(from, () => ({ key: from.text(), value: readAvro(from, values ?? "null", named) }));
    case "fixed":
      return from.take(size).slice();
    default:
      return typeof kind === "string" ? readScalar(from, kind, named) : readAvro(from, kind, named);
  }
}

function readScalar(from: AvroReader, kind: string, named: Map<string, AvroSchema>): AvroValue {
  switch (kind) {
    case "null":
      return null;
    case "boolean":
      return from.take(1)[0] === 1;
    case "int":
    case "long":
      return from.long();
    case "string":
      return from.text();
    case "bytes":
      return from.blob();
    case "float":
      return new DataView(from.take(4).slice().buffer).getFloat32(0, true);
    case "double":
      return new DataView(from.take(8).slice().buffer).getFloat64(0, true);
    default: {
      const known = named.get(kind);
      if (known === undefined) throw corrupt(`its schema names no type '${kind.slice(0, 100)}'`);
      return readAvro(from, known, named);
    }
  }
}

function blocks<T>(from: AvroReader, item: () => T): T[] {
  const all: T[] = [];
  for (let count = from.count(); count !== 0; count = from.count()) {
    // A negative count is followed by the block's bytes, for readers that skip it.
    if (count < 0) from.long();
    const items = Math.abs(count);
    if (items > from.bytes.length - from.at) throw corrupt("it is cut short");
    for (let at = 0; at < items; at++) all.push(item());
  }
  return all;
}
