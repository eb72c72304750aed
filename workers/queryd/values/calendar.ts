/** Days and moments of the years 0 to 9999 as text, without a string in between. */
import { type ByteSink, writeByte } from "./byte-sink.ts";
import type { TimestampUnit } from "./column-type.ts";
import { writePadded } from "./digits.ts";

const dash = 0x2d;
const colon = 0x3a;
const point = 0x2e;
const space = 0x20;
const letterT = 0x54;
const letterZ = 0x5a;

const secondsADay = 86_400;
const perSecond: Record<TimestampUnit, number> = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 };
/** Below it, a count divided by its units a second is rounded to no other second. */
const exactMax = 2 ** 52;
/** 0000-01-01 and 9999-12-31, in days since 1970. */
const firstDay = -719_528;
const lastDay = 2_932_896;

/** `2024-01-31`; false, with nothing written, outside the years of four digits. */
export function writeDate(sink: ByteSink, days: number): boolean {
  if (!(days >= firstDay && days <= lastDay)) return false;
  // Days to civil date by H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"; an era more keeps all positive.
  const shifted = days + 719_468 + 146_097;
  const era = (shifted / 146_097) | 0;
  const dayOfEra = shifted - era * 146_097;
  const leaps = ((dayOfEra / 1460) | 0) - ((dayOfEra / 36_524) | 0) + ((dayOfEra / 146_096) | 0);
  const yearOfEra = ((dayOfEra - leaps) / 365) | 0;
  const dayOfYear = dayOfEra - (365 * yearOfEra + ((yearOfEra / 4) | 0) - ((yearOfEra / 100) | 0));
  const part = ((5 * dayOfYear + 2) / 153) | 0;
  const day = dayOfYear - (((153 * part + 2) / 5) | 0) + 1;
  const month = part < 10 ? part + 3 : part - 9;
  writePadded(sink, yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0), 4);
  writeByte(sink, dash);
  writePadded(sink, month, 2);
  writeByte(sink, dash);
  writePadded(sink, day, 2);
  return true;
}

/**
 * A moment, counted in units since 1970: by RFC 3339 in UTC, or as SQL writes a TIMESTAMP. False, with nothing
 * written, outside the years of four digits and where a double does not hold the count.
 */
export function writeTimestamp(
  sink: ByteSink,
  count: number,
  { unit, isWallClock }: { unit: TimestampUnit; isWallClock: boolean },
): boolean {
  if (!(Math.abs(count) < exactMax)) return false;
  const units = perSecond[unit];
  const seconds = Math.floor(count / units);
  const days = Math.floor(seconds / secondsADay);
  if (!writeDate(sink, days)) return false;
  writeByte(sink, isWallClock ? space : letterT);
  writeClock(sink, seconds - days * secondsADay);
  const rest = count - seconds * units;
  if (rest > 0) writeFraction(sink, rest * (1e9 / units), isWallClock ? 1 : 3);
  if (!isWallClock) writeByte(sink, letterZ);
  return true;
}

function writeClock(sink: ByteSink, seconds: number): void {
  writePadded(sink, (seconds / 3600) | 0, 2);
  writeByte(sink, colon);
  writePadded(sink, ((seconds / 60) | 0) % 60, 2);
  writeByte(sink, colon);
  writePadded(sink, seconds % 60, 2);
}

/** As few digits as keep the value, in groups of so many. */
function writeFraction(sink: ByteSink, nanoseconds: number, groupDigits: number): void {
  let digits = 9;
  let value = nanoseconds;
  const group = 10 ** groupDigits;
  for (; value % group === 0; value /= group) digits -= groupDigits;
  writeByte(sink, point);
  writePadded(sink, value, digits);
}
