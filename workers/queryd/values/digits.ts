/** Numbers written digit by digit, without a string in between. */
import { type ByteSink, reserve, writeAscii, writeByte } from "./byte-sink.ts";

const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;

/** Below it, an integer divided by a power of ten is rounded to no other integer. */
const exactMax = 2 ** 52;
const powers = Array.from({ length: 16 }, (_, power) => 10 ** power);
/** Digits that fit into 32 bits. */
const groupDigits = 9;
const group = 1e9;

/** Writes the last `count` digits of an integer of 32 bits before `end`. */
function put(bytes: Uint8Array, end: number, value: number, count: number): void {
  let rest = value | 0;
  for (let at = end - 1; at >= end - count; at--) {
    const tenth = (rest / 10) | 0;
    bytes[at] = zero + rest - tenth * 10;
    rest = tenth;
  }
}

/** Digits of an integer below `group`. */
function digitsOf(value: number): number {
  if (value < 1e4) return value < 100 ? (value < 10 ? 1 : 2) : value < 1e3 ? 3 : 4;
  if (value < 1e7) return value < 1e5 ? 5 : value < 1e6 ? 6 : 7;
  return value < 1e8 ? 8 : 9;
}

/** An integer from 0 on, below `exactMax`. */
function writeSize(sink: ByteSink, size: number): void {
  if (size < group) {
    const digits = digitsOf(size);
    reserve(sink, digits);
    sink.length += digits;
    put(sink.bytes, sink.length, size, digits);
    return;
  }
  const high = Math.floor(size / group);
  writeSize(sink, high);
  writePadded(sink, size - high * group, groupDigits);
}

/** An integer of 0 to below 10 ** count, with zeros before it; at most 15 digits. */
export function writePadded(sink: ByteSink, value: number, count: number): void {
  reserve(sink, count);
  const end = sink.length + count;
  sink.length = end;
  if (count <= groupDigits) {
    put(sink.bytes, end, value, count);
    return;
  }
  const high = Math.floor(value / group);
  put(sink.bytes, end - groupDigits, high, count - groupDigits);
  put(sink.bytes, end, value - high * group, groupDigits);
}

/** A safe integer. */
export function writeInteger(sink: ByteSink, value: number): void {
  const size = Math.abs(value);
  if (size >= exactMax) {
    writeAscii(sink, String(value));
    return;
  }
  if (value < 0) writeByte(sink, minus);
  writeSize(sink, size);
}

/** `unscaled / 10 ** scale` with all digits of its scale; false when it is too large to be written so. */
export function writeScaled(sink: ByteSink, unscaled: number, scale: number): boolean {
  const size = Math.abs(unscaled);
  if (size >= exactMax || scale >= powers.length) return false;
  if (unscaled < 0) writeByte(sink, minus);
  const power = powers[scale] as number;
  const whole = Math.floor(size / power);
  writeSize(sink, whole);
  if (scale === 0) return true;
  writeByte(sink, point);
  writePadded(sink, size - whole * power, scale);
  return true;
}

/** Zeros behind the point go, and a point that nothing follows, of what was written from `from` on. */
export function trimFraction({ bytes, length }: ByteSink, from: number): number {
  let end = length;
  for (let at = from; at < length; at++) {
    if (bytes[at] !== point) continue;
    while (bytes[end - 1] === zero) end -= 1;
    return bytes[end - 1] === point ? end - 1 : end;
  }
  return end;
}

/** Doubles are tried as decimals of so many places, and below so large a size. */
const placesMax = 4;
const sizeMax = 1e9;

/**
 * A double that is no integer, when few places behind the point are all it has; else false. A decimal of at most 15
 * digits is the only one of so few that is nearest to its double, and so the shortest that gives it again.
 */
export function writeFewPlaces(sink: ByteSink, value: number): boolean {
  const size = Math.abs(value);
  if (size >= sizeMax) return false;
  for (let places = 1; places <= placesMax; places++) {
    const power = powers[places] as number;
    const unscaled = Math.round(size * power);
    if (unscaled / power === size) return writeScaled(sink, value < 0 ? -unscaled : unscaled, places);
  }
  return false;
}
