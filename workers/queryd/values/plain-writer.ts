/** Scalar values written as plain ASCII: straight into the sink where that is quicker, else by way of their text. */
import { type ByteSink, reserve, writeAscii } from "./byte-sink.ts";
import { writeDate, writeTimestamp } from "./calendar.ts";
import type { TypeOf } from "./column-type.ts";
import { trimFraction, writeScaled } from "./digits.ts";
import { plainText, type TextOf, wallClockText } from "./text.ts";
import { longAt, type Vector } from "./vector.ts";

/** Writes the value of a row that is not NULL. */
export type Write = (sink: ByteSink, row: number) => void;

/** A writer for the kinds that `plainText` knows, with the same text. */
export function plainWriter(vector: Vector): Write | undefined {
  const text = plainText(vector);
  if (text === undefined) return undefined;
  const { type, data } = vector;
  switch (type.kind) {
    case "decimal":
      return decimalWriter(vector, type, text);
    case "date":
      return (sink, row) => {
        if (!writeDate(sink, data.getInt32(row * 4, true))) writeAscii(sink, text(row));
      };
    case "timestamp":
      return timestampWriter(vector, { unit: type.unit, isWallClock: false }, text);
    case "uuid":
      return (sink, row) => writeUuid(sink, data, row * 16);
    default:
      return (sink, row) => writeAscii(sink, text(row));
  }
}

/** A TIMESTAMP as SQL writes it. */
export function wallClockWriter(vector: Vector, { unit }: TypeOf<"timestamp">): Write {
  const text: TextOf = (row) => wallClockText(vector.data.getBigInt64(row * 8, true), unit);
  return timestampWriter(vector, { unit, isWallClock: true }, text);
}

/** A decimal without zeros behind the point. */
export const shortestWriter =
  (write: Write): Write =>
  (sink, row) => {
    const from = sink.length;
    write(sink, row);
    sink.length = trimFraction(sink, from);
  };

function timestampWriter({ data }: Vector, form: Parameters<typeof writeTimestamp>[2], text: TextOf): Write {
  return (sink, row) => {
    if (!writeTimestamp(sink, longAt(data, row * 8), form)) writeAscii(sink, text(row));
  };
}

function decimalWriter({ data }: Vector, { bytes, scale }: TypeOf<"decimal">, text: TextOf): Write {
  const unscaledOf = {
    2: (row: number) => data.getInt16(row * 2, true),
    4: (row: number) => data.getInt32(row * 4, true),
    8: (row: number) => longAt(data, row * 8),
    16: (row: number) => {
      const low = longAt(data, row * 16);
      // Its upper half is nothing but the sign of a small one.
      const sign = low < 0 ? -1 : 0;
      const isSmall =
        data.getInt32(row * 16 + 8, true) === sign && data.getInt32(row * 16 + 12, true) === sign;
      return isSmall ? low : Number.NaN;
    },
  }[bytes];
  return (sink, row) => {
    const unscaled = unscaledOf(row);
    if (!(Number.isSafeInteger(unscaled) && writeScaled(sink, unscaled, scale))) writeAscii(sink, text(row));
  };
}

const hex = Buffer.from("0123456789abcdef");
const dash = 0x2d;

/** UUIDs are kept as a signed 128-bit integer with the first bit turned over, so that they sort. */
function writeUuid(sink: ByteSink, data: DataView, place: number): void {
  reserve(sink, 36);
  const { bytes } = sink;
  let end = sink.length;
  for (let at = 15; at >= 0; at--) {
    const byte = data.getUint8(place + at) ^ (at === 15 ? 0x80 : 0);
    bytes[end++] = hex[byte >> 4] as number;
    bytes[end++] = hex[byte & 15] as number;
    if (at === 12 || at === 10 || at === 8 || at === 6) bytes[end++] = dash;
  }
  sink.length = end;
}
