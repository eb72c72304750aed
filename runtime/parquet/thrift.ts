/**
 * Steps over values of Thrift's compact protocol: what is stepped over is whole, and can be decoded at a cost that its bytes
 * bound. A decoder that believes what it reads makes room for as many elements as a list states, and numbers as long as
 * their bytes go on: 81 bytes took 1.3 GB.
 */

interface ThriftReader {
  bytes: Uint8Array;
  offset: number;
}

/** Bytes of a 64-bit number. */
const varIntBytesMax = 10;
/** Levels of structs and lists; a schema's element of Parquet has five. */
const levelsMax = 16;

/** The next byte. Throws at the end, as all here do. */
export function readByte(reader: ThriftReader): number {
  const byte = reader.bytes[reader.offset];
  if (byte === undefined) throw new Error("it is cut off");
  reader.offset += 1;
  return byte;
}

/** A number without sign, as sizes are. */
export function readVarInt(reader: ThriftReader): number {
  let value = 0;
  for (let at = 0; at < varIntBytesMax; at++) {
    const byte = readByte(reader);
    value += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return value;
  }
  throw new Error(`a number has more than ${varIntBytesMax} bytes`);
}

/** The type of a list's elements, and how many it states. */
export function readListHead(reader: ThriftReader): { type: number; count: number } {
  const head = readByte(reader);
  return { type: head & 0x0f, count: head >> 4 === 15 ? readVarInt(reader) : head >> 4 };
}

function skip(reader: ThriftReader, bytes: number): void {
  if (bytes > reader.bytes.length - reader.offset) throw new Error("it is cut off");
  reader.offset += bytes;
}

const tooDeep = () => new Error(`an element nests deeper than ${levelsMax} levels`);

/** Steps over the fields of a struct and its end. */
export function skipStruct(reader: ThriftReader, levels = 1): void {
  if (levels > levelsMax) throw tooDeep();
  for (let head = readByte(reader); (head & 0x0f) !== 0; head = readByte(reader)) {
    if (head >> 4 === 0) readVarInt(reader);
    skipValue(reader, head & 0x0f, levels);
  }
}

/** Of a field that is true or false the type is the value. Of a list each element takes a byte at least: the bytes' end ends it. */
function skipValue(reader: ThriftReader, type: number, levels: number): void {
  if (type === 3) skip(reader, 1);
  else if (type >= 4 && type <= 6) readVarInt(reader);
  else if (type === 7) skip(reader, 8);
  else if (type === 8) skip(reader, readVarInt(reader));
  else if (type === 9) skipList(reader, levels + 1);
  else if (type === 12) skipStruct(reader, levels + 1);
  else if (type !== 1 && type !== 2)
    throw new Error(`a field has the type ${type}, which Parquet does not use`);
}

function skipList(reader: ThriftReader, levels: number): void {
  if (levels > levelsMax) throw tooDeep();
  const { type, count } = readListHead(reader);
  if (type === 1 || type === 2) skip(reader, count);
  else for (let at = 0; at < count; at++) skipValue(reader, type, levels);
}
