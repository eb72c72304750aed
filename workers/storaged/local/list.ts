/** Lists a local bucket in key order, reading only the folders that a page needs. */
import type { Dirent } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { errorCode } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import {
  type Corruptions,
  compareKeys,
  type ListPage,
  type ListQuery,
  type ObjectInfo,
  reservedPrefix,
} from "../bucket/bucket.ts";
import { linkAbove } from "./layout.ts";

/** Objects looked at at once. */
const listConcurrency = 64;

/** An entry of a listing: an object's key, or a common prefix (ending in `/`). */
interface Entry {
  name: string;
  isPrefix: boolean;
}

interface Walk {
  root: string;
  prefix: string;
  /** With it, folders are entries and are not entered. */
  delimiter?: "/" | undefined;
  /** Only what comes after this key or prefix. */
  after?: string | undefined;
  /** Keys to list even when their files are missing. */
  also?: Iterable<string>;
}

/** The entries whose names begin with the prefix and come after `after`, in the order of `compareKeys`. */
export async function* walk(plan: Walk): AsyncGenerator<Entry> {
  const also = alsoIn(plan);
  for await (const entry of walkFiles(plan)) {
    while (also[0] && compareKeys(also[0].name, entry.name) < 0) yield also.shift() as Entry;
    if (also[0]?.name === entry.name) also.shift();
    yield entry;
  }
  yield* also;
}

async function* walkFiles(plan: Walk): AsyncGenerator<Entry> {
  if ((await linkAbove(plan.root, plan.prefix)) !== undefined) return;
  yield* walkFolder(plan, plan.prefix.slice(0, plan.prefix.lastIndexOf("/") + 1));
}

/** The additional keys as entries, in order. */
function alsoIn({ prefix, delimiter, after, also = [] }: Walk): Entry[] {
  const names = new Set<string>();
  for (const key of also) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter ? key.indexOf(delimiter, prefix.length) : -1;
    const name = end < 0 ? key : key.slice(0, end + 1);
    if (after === undefined || compareKeys(name, after) > 0) names.add(name);
  }
  return [...names].sort(compareKeys).map((name) => ({ name, isPrefix: name.endsWith("/") }));
}

async function* walkFolder(plan: Walk, folder: string): AsyncGenerator<Entry> {
  const { root, prefix, delimiter, after } = plan;
  for (const { name, isPrefix } of await entriesOf(root, folder)) {
    if (!name.startsWith(prefix) || name === reservedPrefix) continue;
    // Everything in a folder begins with its name: it comes before `after` unless `after` is in it.
    const entered = isPrefix && !delimiter && after?.startsWith(name);
    if (after !== undefined && compareKeys(name, after) <= 0 && !entered) continue;
    if (!isPrefix) yield { name, isPrefix };
    else if (!delimiter) yield* walkFolder(plan, name);
    else if (await holdsFile(root, name)) yield { name, isPrefix };
  }
}

/** What is in a folder, sorted as keys are: a folder sorts with its `/`. */
async function entriesOf(root: string, folder: string): Promise<Entry[]> {
  let found: Dirent[];
  try {
    found = await readdir(join(root, folder), { withFileTypes: true });
  } catch (cause) {
    const code = errorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return [];
    throw cause;
  }
  return found
    .filter((entry) => entry.isFile() || entry.isDirectory())
    .map((entry) => ({
      name: folder + entry.name + (entry.isDirectory() ? "/" : ""),
      isPrefix: entry.isDirectory(),
    }))
    .sort((a, b) => compareKeys(a.name, b.name));
}

/** A crash can leave folders without objects; they are not prefixes. */
async function holdsFile(root: string, folder: string): Promise<boolean> {
  const entries = await entriesOf(root, folder);
  if (entries.some(({ isPrefix }) => !isPrefix)) return true;
  for (const { name } of entries) if (await holdsFile(root, name)) return true;
  return false;
}

type Head = (key: string) => Promise<ObjectInfo>;

interface Listed {
  root: string;
  head: Head;
  corruptions: Corruptions;
}

export async function listPage({ root, head, corruptions }: Listed, query: ListQuery): Promise<ListPage> {
  const { prefix, delimiter, pageSize, pageToken: token, signal } = query;
  const after = token === undefined ? undefined : readPageToken(token, /^after:(.*)$/s)[0];
  const keys: string[] = [];
  const page: ListPage = { objects: [], prefixes: [], corrupt: [] };
  let last = "";
  for await (const { name, isPrefix } of walk({ root, prefix, delimiter, after, also: corruptions.keys() })) {
    signal.throwIfAborted();
    if (keys.length + page.prefixes.length === pageSize) {
      page.nextPageToken = pageToken(`after:${last}`);
      break;
    }
    (isPrefix ? page.prefixes : keys).push(name);
    last = name;
  }
  for (let at = 0; at < keys.length; at += listConcurrency) {
    const some = keys.slice(at, at + listConcurrency);
    const found = await Promise.all(some.map((key) => describeOne(key, head)));
    page.corrupt.push(...some.filter((_, index) => found[index] === "corrupt"));
    page.objects.push(...found.filter((info) => typeof info === "object"));
  }
  return page;
}

/** A damaged object must not fail the listing; one deleted meanwhile is left out. */
async function describeOne(key: string, head: Head): Promise<ObjectInfo | "corrupt" | "gone"> {
  try {
    return await head(key);
  } catch (error) {
    if (error instanceof ServiceError && error.type === "corrupt") return "corrupt";
    if (error instanceof ServiceError && error.type === "not_found") return "gone";
    throw error;
  }
}
