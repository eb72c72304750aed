/** Protobuf's wire format, read by tables of fields into what the JSON encoding would have been. */
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Field, Message, Scalar } from "./messages.ts";

type Json = Record<string, unknown>;

/** Messages in messages; values of attributes nest, and are kept 6 deep. */
const depthMax = 64;

const read: Record<Scalar, (reader: BinaryReader) => unknown> = {
  string: (reader) => reader.string(),
  bool: (reader) => reader.bool(),
  int32: (reader) => reader.int32(),
  uint32: (reader) => reader.uint32(),
  fixed32: (reader) => reader.fixed32(),
  int64: (reader) => String(reader.int64()),
  fixed64: (reader) => String(reader.fixed64()),
  double: (reader) => plainDouble(reader.double()),
  hex: (reader) => Buffer.from(reader.bytes()).toString("hex"),
  base64: (reader) => Buffer.from(reader.bytes()).toString("base64"),
};

/** Numbers that JSON does not have are text in its encoding. */
const plainDouble = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

const wireOf: Partial<Record<Scalar, WireType>> = {
  bool: WireType.Varint,
  int32: WireType.Varint,
  uint32: WireType.Varint,
  int64: WireType.Varint,
  fixed32: WireType.Bit32,
  fixed64: WireType.Bit64,
  double: WireType.Bit64,
};

/** Decodes a message. Throws `bad_request` for bytes that are none. */
export function decodeMessage(bytes: Uint8Array, message: Message): Json {
  try {
    return decode(new BinaryReader(bytes), { message, end: bytes.length, depth: 0 });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw fail("bad_request", `the body is no OTLP request in protobuf: ${why.slice(0, 200)}`, { cause });
  }
}

function decode(
  reader: BinaryReader,
  { message, end, depth }: { message: Message; end: number; depth: number },
): Json {
  if (depth > depthMax) throw new RangeError(`messages stand in each other more than ${depthMax} deep`);
  if (end > reader.len) throw new RangeError("it ends early");
  const value: Json = {};
  while (reader.pos < end) {
    const [number, wire] = reader.tag();
    const field = message.get(number);
    if (!field) {
      reader.skip(wire, number);
      continue;
    }
    const item = readField(reader, { field, wire, depth });
    const before = value[field.name];
    if (!field.isList) value[field.name] = item;
    else if (Array.isArray(before)) before.push(item);
    else value[field.name] = [item];
  }
  if (reader.pos !== end) throw new RangeError("a message is longer than it says");
  return value;
}

function readField(
  reader: BinaryReader,
  { field, wire, depth }: { field: Field; wire: WireType; depth: number },
): unknown {
  const { type, name } = field;
  const isMessage = typeof type === "function";
  const expected = isMessage ? WireType.LengthDelimited : (wireOf[type] ?? WireType.LengthDelimited);
  if (wire !== expected) throw new TypeError(`field '${name}' has wire type ${wire}, expected ${expected}`);
  if (!isMessage) return read[type](reader);
  const length = reader.uint32();
  return decode(reader, { message: type(), end: reader.pos + length, depth: depth + 1 });
}

/** An answer: `partial_success` with how many were not taken, and why; empty when all were. */
export function encodeAnswer(rejected: number, why: string): Uint8Array<ArrayBuffer> {
  if (why === "") return new Uint8Array();
  const writer = new BinaryWriter().tag(1, WireType.LengthDelimited).fork();
  if (rejected > 0) writer.tag(1, WireType.Varint).int64(rejected);
  return writer.tag(2, WireType.LengthDelimited).string(why).join().finish();
}

/** `google.rpc.Status`, the form of failures; the code is gRPC's. */
export const encodeStatus = (code: number, text: string): Uint8Array<ArrayBuffer> =>
  new BinaryWriter()
    .tag(1, WireType.Varint)
    .int32(code)
    .tag(2, WireType.LengthDelimited)
    .string(text)
    .finish();
