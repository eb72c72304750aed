/** `like`: which names of a list are wanted. */
import { t } from "../../../runtime/contract/contract.ts";
import { fold } from "../../../runtime/sql/sql.ts";

/** The field of each tool that lists names. */
export const likeInput = {
  like: t.Optional(
    t.String({
      minLength: 1,
      maxLength: 200,
      description:
        "Only names that contain this; with % for any characters, names that are this as a whole, as work% or %2026%. Letter case does not matter.",
    }),
  ),
};

/** Whether the name is wanted; all are where there is no pattern. */
export function isLike(name: string, like: string | undefined): boolean {
  if (like === undefined) return true;
  if (!like.includes("%")) return fold(name).includes(fold(like));
  const pattern = fold(like)
    .split("%")
    .map((part) => RegExp.escape(part))
    .join(".*");
  return new RegExp(`^${pattern}$`, "s").test(fold(name));
}

interface Page<T> {
  items: T[];
  next_page_token?: string | undefined;
}

/** Pages of a list that are looked through for one answer. */
const pagesMax = 100;

/**
 * One page of the names that are wanted. Each request asks for as many as are still missing, so that the token of the
 * last one goes on where this answer ends; where few names are like it, an answer may hold fewer than the page.
 */
export async function likePages<T extends { name: string }>(
  {
    like,
    page_size,
    page_token,
    perPage,
  }: { like?: string; page_size?: number; page_token?: string; perPage: number },
  fetchPage: (page: { page_size: number; page_token?: string }) => Promise<Page<T>>,
): Promise<Page<T>> {
  const size = page_size ?? perPage;
  const items: T[] = [];
  let token = page_token;
  for (let pages = 0; pages < pagesMax && items.length < size; pages++) {
    const page = await fetchPage({
      page_size: size - items.length,
      ...(token !== undefined && { page_token: token }),
    });
    items.push(...page.items.filter(({ name }) => isLike(name, like)));
    token = page.next_page_token;
    if (token === undefined) return { items };
  }
  return { items, next_page_token: token };
}
