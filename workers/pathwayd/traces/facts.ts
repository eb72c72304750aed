/** What a trace may say beside its content: whose it is, and when it is true. */
import type { Scope } from "./change.ts";

export interface Facts {
  scope?: Scope;
  /** Microseconds; the end is left out. */
  valid_from?: number;
  valid_to?: number;
}

/** Those of the facts that are there. */
export const factsOf = ({
  scope,
  valid_from,
  valid_to,
}: { [F in keyof Facts]?: Facts[F] | undefined }): Facts => ({
  ...(scope && { scope: { ...scope } }),
  ...(valid_from !== undefined && { valid_from }),
  ...(valid_to !== undefined && { valid_to }),
});
