/** Pages of a list in the order of names: the token is the last name given, wrapped. */
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";

const tokenForm = /^after:([A-Za-z0-9_]{1,128})$/;

/**
 * The items after the token's name, at most `size`; `next` is the token of the following page. Stable while others
 * come and go. Throws `invalid_field` for a token that is none.
 */
export function page<T extends { name: string }>(
  sorted: readonly T[],
  { token, size }: { token: string | undefined; size: number },
): { items: T[]; next?: string } {
  const [after = ""] = token === undefined ? [] : readPageToken(token, tokenForm);
  const start = firstAfter(sorted, after);
  const items = sorted.slice(start, start + size);
  const last = items.at(-1);
  if (!last || start + size >= sorted.length) return { items };
  return { items, next: pageToken(`after:${last.name}`) };
}

/** Binary search for the first item whose name is greater. */
function firstAfter(sorted: readonly { name: string }[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.name ?? "") > name) high = middle;
    else low = middle + 1;
  }
  return low;
}
