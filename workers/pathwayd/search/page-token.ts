/** Tokens of pages: where the next one begins, of which search, and as of which time, so that it is stable. */
import { fail } from "../../../runtime/errors/errors.ts";

export interface Place {
  /** Microseconds: the state that all pages are of. */
  at: number;
  /** Results before the page. */
  skip: number;
}

const invalid = (why: string) =>
  fail("invalid_field", `page_token: ${why}`, { details: { field: "page_token" } });

const fingerprint = (conditions: unknown): string => Bun.hash(JSON.stringify(conditions)).toString(36);

export const writeToken = ({ at, skip }: Place, conditions: unknown): string =>
  Buffer.from(`${fingerprint(conditions)}.${at}.${skip}`).toString("base64url");

/** Throws `invalid_field` for what is no token, or is one of other conditions. */
export function readToken(token: string, conditions: unknown): Place {
  const [, print, at, skip] =
    /^([0-9a-z]{1,20})\.(-?\d{1,16})\.(\d{1,12})$/.exec(Buffer.from(token, "base64url").toString("latin1")) ??
    [];
  if (print === undefined) throw invalid("expected the next_page_token of an earlier answer");
  if (print !== fingerprint(conditions)) throw invalid("it belongs to a request with other conditions");
  return { at: Number(at), skip: Number(skip) };
}
