/** Times that callers give. */
import { invalidField } from "../../../runtime/errors/errors.ts";

/** Milliseconds since the epoch. Throws `invalid_field` for a day that no calendar has. */
export function timeFrom(text: string): number {
  const time = Date.parse(text);
  const [, year = "", month = "", day = ""] = /^(\d{4})-(\d\d)-(\d\d)/.exec(text) ?? [];
  const isDay = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day))).getUTCDate() === Number(day);
  if (!Number.isNaN(time) && isDay) return time;
  throw invalidField("as_of", `expected a time as 2026-11-01T00:00:00Z, got ${text}`);
}
