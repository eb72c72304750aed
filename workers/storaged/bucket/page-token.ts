/** Opaque page tokens: a position, wrapped so that clients do not build their own. */
import { invalidField } from "../../../runtime/errors/errors.ts";

/** Wraps a position as text for a URL. */
export const pageToken = (position: unknown): string =>
  Buffer.from(JSON.stringify(position)).toString("base64url");

/** Unwraps a token, or throws `invalid_field` when `read` finds nothing it knows in it. */
export function readPageToken<T>(token: string, read: (position: unknown) => T | undefined): T {
  const position = read(parse(token));
  if (position !== undefined) return position;
  throw invalidField("page_token", "expected the next_page_token of an earlier answer");
}

function parse(token: string): unknown {
  try {
    return JSON.parse(Buffer.from(token, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
