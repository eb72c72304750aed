/** What is said of a bucket that is not used as it is, or was to be accepted without need. */
import { fail } from "../../../runtime/errors.ts";

export const closed = (bucket: string, reason: string) =>
  fail("unavailable", reason, { details: { bucket }, retryAfterSeconds: 5 });

/** For the log. */
export const needless = (bucket: string): [string, Record<string, unknown>] => [
  "nothing is to be adopted there: it is as the store expects it",
  { places: [bucket] },
];
