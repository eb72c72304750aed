/** Integers of the protocol: most significant byte first. */
import { type ByteSink, reserve } from "../values/values.ts";

export function writeInt16(sink: ByteSink, value: number): void {
  reserve(sink, 2);
  sink.bytes[sink.length++] = value >>> 8;
  sink.bytes[sink.length++] = value;
}

export function writeInt32(sink: ByteSink, value: number): void {
  reserve(sink, 4);
  sink.bytes[sink.length++] = value >>> 24;
  sink.bytes[sink.length++] = value >>> 16;
  sink.bytes[sink.length++] = value >>> 8;
  sink.bytes[sink.length++] = value;
}

export function writeInt64(sink: ByteSink, value: bigint): void {
  writeInt32(sink, Number(BigInt.asIntN(32, value >> 32n)));
  writeInt32(sink, Number(BigInt.asIntN(32, value)));
}

/** Bytes of a vector's value, which has the least significant first, in the protocol's order. */
export function writeReversed(sink: ByteSink, data: DataView, at: number, size: number): void {
  reserve(sink, size);
  for (let byte = size - 1; byte >= 0; byte--) sink.bytes[sink.length++] = data.getUint8(at + byte);
}
