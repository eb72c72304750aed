/** Byte ranges of RFC 9110, section 14: one range a request; anything else is answered with the whole object. */
import { fail } from "../../../runtime/errors/errors.ts";

/** What was asked for: from `first` to `last` (inclusive) or to the end, or the last `suffix` bytes. */
export type RangeRequest = { first: number; last?: number } | { suffix: number };
/** What is answered: first and last byte, both inclusive. */
export interface Span {
  first: number;
  last: number;
}

/** Reads a `Range` header. A malformed one, several ranges or another unit are to be ignored: undefined. */
export function parseRange(header: string | null): RangeRequest | undefined {
  const [, from, to] = /^bytes=\s*(\d{0,15})-(\d{0,15})\s*$/i.exec(header ?? "") ?? [];
  if (from === undefined || to === undefined || (from === "" && to === "")) return undefined;
  if (from === "") return { suffix: Number(to) };
  if (to === "") return { first: Number(from) };
  return Number(to) < Number(from) ? undefined : { first: Number(from), last: Number(to) };
}

/** The bytes of an object of this size that the request means; `range_not_satisfiable` when there are none. */
export function resolveRange(range: RangeRequest, bytes: number): Span {
  const last = bytes - 1;
  const span =
    "suffix" in range
      ? { first: Math.max(0, bytes - range.suffix), last }
      : { first: range.first, last: Math.min(range.last ?? last, last) };
  if (span.first <= last && ("first" in range || range.suffix > 0)) return span;
  throw fail("range_not_satisfiable", `the object has ${bytes} bytes; the range asked for is outside`, {
    details: { bytes },
  });
}
