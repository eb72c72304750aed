/** Pages of lists: the token of the next page says where this one ended. */
import { invalidField } from "../errors/errors.ts";

/** As the contracts have it. */
export interface PageInput {
  page_size?: number | undefined;
  page_token?: string | undefined;
}

export interface Page<T> {
  page: T[];
  /** To be spread into the answer: empty on the last page. */
  next: { next_page_token?: string };
}

/** Items of a page by default. */
const sizeDefault = 100;

/**
 * A page of a list that has an order of its own, such as newest first. Throws `invalid_field` when the item that the
 * token names has left the list: it is unknown then which items were seen.
 */
export function pageOf<T>(all: readonly T[], input: PageInput, idOf: (item: T) => string): Page<T> {
  const { page_token: token } = input;
  const from = token === undefined ? 0 : all.findIndex((item) => idOf(item) === token) + 1;
  if (token === undefined || from > 0) return pageFrom(all, from, input, idOf);
  throw invalidField("page_token", "this page is gone; begin again without it");
}

/** A page in the order of the ids, which may come and go between two pages. */
export function pageById<T>(all: readonly T[], input: PageInput, idOf: (item: T) => string): Page<T> {
  const { page_token: token } = input;
  const sorted = all.toSorted((a, b) => (idOf(a) < idOf(b) ? -1 : 1));
  const after = token === undefined ? 0 : sorted.findIndex((item) => idOf(item) > token);
  return pageFrom(sorted, after < 0 ? sorted.length : after, input, idOf);
}

function pageFrom<T>(
  all: readonly T[],
  from: number,
  { page_size: size = sizeDefault }: PageInput,
  idOf: (item: T) => string,
): Page<T> {
  const page = all.slice(from, from + size);
  const last = page.at(-1);
  return {
    page,
    next: last !== undefined && from + size < all.length ? { next_page_token: idOf(last) } : {},
  };
}

/** The token of a place: wrapped, so that clients do not build their own. */
export const pageToken = (place: string): string => Buffer.from(place).toString("base64url");

/** The groups of `form` in the place that a token names. Throws `invalid_field` for one that is none of this list. */
export function readPageToken(token: string, form: RegExp): string[] {
  const place = Buffer.from(token, "base64url").toString();
  const [, ...parts] = form.exec(place) ?? [];
  // Decoding takes any text: what is no token gives another place than it was made of.
  if (parts.length > 0 && pageToken(place) === token) return parts;
  throw invalidField("page_token", "expected the next_page_token of an earlier answer");
}
