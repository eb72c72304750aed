/** The error for a bucket that is closed. */
import { fail } from "../../../runtime/errors/errors.ts";

export const closed = (bucket: string, reason: string) =>
  fail("unavailable", reason, { details: { bucket }, retryAfterSeconds: 5 });
