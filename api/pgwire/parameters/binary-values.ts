/** Scalars of the binary format as text that SQL reads. Throws RangeError where the bytes end early. */
import type { PostgresForm } from "../../../runtime/postgres/postgres.ts";
import { textOf } from "../protocol/protocol.ts";

const epochDays = 10_957;
const dayMilliseconds = 86_400_000;
const longest = 2n ** 63n - 1n;

export function textFromBinary(bytes: Buffer, form: PostgresForm): string {
  switch (form) {
    case "bool":
      return bytes.readUInt8(0) === 0 ? "false" : "true";
    case "int2":
      return String(bytes.readInt16BE(0));
    case "int4":
      return String(bytes.readInt32BE(0));
    case "int8":
      return String(bytes.readBigInt64BE(0));
    case "float4":
      return String(bytes.readFloatBE(0));
    case "float8":
      return String(bytes.readDoubleBE(0));
    case "numeric":
      return numericText(bytes);
    case "bytea":
      return Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    case "json":
      // jsonb has a version in front.
      return textOf(bytes[0] === 1 ? bytes.subarray(1) : bytes);
    case "uuid":
      return bytes
        .subarray(0, 16)
        .toString("hex")
        .replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
    case "date":
      return dateText(bytes.readInt32BE(0));
    case "time":
      return clockText(bytes.readBigInt64BE(0));
    case "timetz":
      return `${clockText(bytes.readBigInt64BE(0))}${zoneText(-bytes.readInt32BE(8))}`;
    case "timestamp":
      return timestampText(bytes.readBigInt64BE(0), "");
    case "timestamptz":
      return timestampText(bytes.readBigInt64BE(0), "+00");
    case "interval":
      return intervalText(bytes);
    default:
      return textOf(bytes);
  }
}

/** Digits of base 10000; the weight is the power of the first. */
function numericText(bytes: Buffer): string {
  const [count, weight] = [bytes.readInt16BE(0), bytes.readInt16BE(2)];
  const [sign, scale] = [bytes.readUInt16BE(4), bytes.readUInt16BE(6)];
  if (sign === 0xc000) return "NaN";
  if (sign === 0xd000 || sign === 0xf000) return sign === 0xd000 ? "Infinity" : "-Infinity";
  const group = (at: number) =>
    at < 0 || at >= count ? "0000" : String(bytes.readInt16BE(8 + 2 * at)).padStart(4, "0");
  let whole = "";
  for (let at = 0; at <= weight; at++) whole += group(at);
  let fraction = "";
  for (let at = weight + 1; fraction.length < scale; at++) fraction += group(at);
  const point = scale > 0 ? `.${fraction.slice(0, scale)}` : "";
  return `${sign === 0x4000 ? "-" : ""}${whole.replace(/^0+(?=\d)/, "") || "0"}${point}`;
}

function dateText(days: number): string {
  if (days === 2 ** 31 - 1) return "infinity";
  if (days === -(2 ** 31)) return "-infinity";
  const iso = new Date((days + epochDays) * dayMilliseconds).toISOString();
  const [, year = "", rest = ""] = /^([+-]?\d+)(-\d\d-\d\d)T/.exec(iso) ?? [];
  return Number(year) > 0
    ? `${String(Number(year)).padStart(4, "0")}${rest}`
    : `${String(1 - Number(year)).padStart(4, "0")}${rest} (BC)`;
}

function clockText(microseconds: bigint): string {
  const seconds = microseconds / 1_000_000n;
  const two = (value: bigint) => String(value).padStart(2, "0");
  const rest = String(microseconds % 1_000_000n).padStart(6, "0");
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}.${rest}`;
}

function zoneText(seconds: number): string {
  const size = Math.abs(seconds);
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${seconds < 0 ? "-" : "+"}${two(size / 3600)}:${two((size / 60) % 60)}`;
}

const dayMicroseconds = 86_400_000_000n;

function timestampText(count: bigint, zone: string): string {
  if (count === longest) return "infinity";
  if (count === -longest - 1n) return "-infinity";
  const clock = ((count % dayMicroseconds) + dayMicroseconds) % dayMicroseconds;
  const date = dateText(Number((count - clock) / dayMicroseconds));
  const era = date.endsWith(" (BC)") ? " (BC)" : "";
  return `${date.replace(" (BC)", "")} ${clockText(clock)}${zone}${era}`;
}

function intervalText(bytes: Buffer): string {
  const microseconds = bytes.readBigInt64BE(0);
  return `${bytes.readInt32BE(12)} months ${bytes.readInt32BE(8)} days ${microseconds} microseconds`;
}
