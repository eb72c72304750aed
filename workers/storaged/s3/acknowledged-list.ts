/** Lists in which nothing that was acknowledged is missing without a word. */
import { type Corruptions, compareKeys, type ListPage, type ListQuery } from "../bucket/bucket.ts";
import { type Entry, type Inventory, isClaim } from "../inventory/inventory.ts";
import type { Acknowledged } from "./acknowledged.ts";
import { pageEnd } from "./list.ts";

/** Entries read at once where most may be passed over. */
const fewEntries = 8;

interface Parts {
  inventory: Inventory;
  corruptions: Corruptions;
  acknowledged: Acknowledged;
}

/** The page as the server gave it; what is missing in it, or is another, is among its corrupt keys. */
export async function withMissing(
  { inventory, corruptions, acknowledged }: Parts,
  query: ListQuery,
  page: ListPage,
): Promise<ListPage> {
  const there = new Map(page.objects.map((info) => [info.key, info.etag]));
  const corrupt: string[] = [];
  let { nextPageToken } = page;
  for (const entry of entriesOf(inventory, query, page)) {
    if (there.get(entry.key) === entry.etag || !isClaim(entry)) continue;
    const { wrong } = await acknowledged.inspect(entry.key, query.signal);
    if (wrong === undefined) continue;
    corruptions.found(entry.key, wrong);
    corrupt.push(entry.key);
    if (corrupt.length < query.pageSize) continue;
    nextPageToken = pageEnd.tokenOf(entry.key);
    break;
  }
  if (corrupt.length === 0) return page;
  const wrong = new Set(corrupt);
  const end = nextPageToken === page.nextPageToken ? undefined : pageEnd.of(nextPageToken);
  const isIn = (key: string) => end === undefined || compareKeys(key, end) <= 0;
  return {
    objects: page.objects.filter(({ key }) => isIn(key) && !wrong.has(key)),
    prefixes: page.prefixes.filter(isIn),
    corrupt,
    nextPageToken,
  };
}

/** The entries that belong on the page. */
function* entriesOf(
  inventory: Inventory,
  { prefix, delimiter, pageToken }: ListQuery,
  page: ListPage,
): Generator<Entry> {
  const end = pageEnd.of(page.nextPageToken);
  const begin = pageEnd.of(pageToken) ?? "";
  /** After everything that a prefix stands for. */
  const beyond = (name: string) => (name.endsWith("/") ? `${name}\u{10ffff}` : name);
  let from = beyond(begin);
  // The prefix itself may be a key.
  const first = compareKeys(prefix, from) > 0 ? inventory.get(prefix) : undefined;
  if (first) yield first;
  if (compareKeys(prefix, from) > 0) from = prefix;
  // Of what is below a common prefix one is enough.
  const more = () => inventory.after(from, delimiter === undefined ? undefined : fewEntries);
  for (let entries = more(); entries.length > 0; entries = more()) {
    for (const entry of entries) {
      const { key } = entry;
      if (!key.startsWith(prefix) || (end !== undefined && compareKeys(key, beyond(end)) > 0)) return;
      const at = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length);
      from = at < 0 ? key : beyond(key.slice(0, at + 1));
      if (at >= 0) break;
      yield entry;
    }
  }
}
