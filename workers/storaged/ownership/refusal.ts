/** What is answered for a bucket that is not used as it is. */
import { fail } from "../../../runtime/errors/errors.ts";

export const closed = (bucket: string, reason: string) =>
  fail("unavailable", reason, { details: { bucket }, retryAfterSeconds: 5 });
