/** Times in microseconds since the epoch: fine enough that every change has its own, so that `as_of` is exact. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";

const form = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Microseconds of an RFC 3339 time; what is finer is cut. Throws `invalid_field` naming the field. */
export function parseTime(text: string, field: string): number {
  const [, local = "", fraction = "", zone = ""] = form.exec(text) ?? [];
  const asUtc = new Date(`${local}Z`);
  // A day that does not exist is moved by Date.parse: it reads back differently.
  if (local !== "" && !Number.isNaN(asUtc.getTime()) && asUtc.toISOString().startsWith(local))
    return Date.parse(local + zone) * 1000 + Number(fraction.padEnd(6, "0").slice(0, 6));
  const message = `${field}: expected a time such as 2026-01-31T12:00:00Z, got ${text.slice(0, 80)}`;
  throw fail("invalid_field", message, { details: { field } });
}

/** RFC 3339 in UTC with microseconds. */
export function formatTime(micros: number): string {
  const ms = Math.floor(micros / 1000);
  const rest = String(micros - ms * 1000).padStart(3, "0");
  return `${new Date(ms).toISOString().slice(0, -1)}${rest}Z`;
}

export interface Times {
  /** A time for a change: later than all that were given or seen before, whatever the clock does. */
  next: () => number;
  /** The present: no change has a later time, and once it was given, none made afterwards has an earlier one. */
  now: () => number;
  /** Records the time of a change that was read from the log. */
  saw: (micros: number) => void;
}

export function createTimes(clock: Pick<Clock, "now">): Times {
  let last = 0;
  const saw = (micros: number) => {
    last = Math.max(last, micros);
  };
  return {
    next: () => {
      last = Math.max(Math.floor(clock.now() * 1000), last + 1);
      return last;
    },
    now: () => {
      saw(Math.floor(clock.now() * 1000));
      return last;
    },
    saw,
  };
}
