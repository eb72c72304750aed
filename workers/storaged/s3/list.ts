/** Lists an S3 bucket by ListObjectsV2, as many requests as a page needs. */

import { fail } from "../../../runtime/errors/errors.ts";
import { pageToken, readPageToken } from "../../../runtime/pages/pages.ts";
import {
  compareKeys,
  type ListPage,
  type ListQuery,
  type ObjectInfo,
  reservedPrefix,
} from "../bucket/bucket.ts";
import {
  bareEtag,
  elements,
  keyOf,
  type S3Address,
  type S3Connection,
  textOf,
} from "../s3-client/s3-client.ts";

/** Most entries that S3 gives in one answer. */
const answerMax = 1000;

interface Answer {
  objects: ObjectInfo[];
  prefixes: string[];
  /** The server's continuation token, while there is more. */
  continuation: string | undefined;
}

/**
 * One page; the server's order is that of `compareKeys`, and so is its mix of objects and prefixes. It goes on after
 * the last name it got rather than by the server's token: a token in XML cannot carry every key (SeaweedFS breaks
 * those with U+FFFF, and gives the same page for ever).
 */
export async function listS3(connection: S3Connection, query: ListQuery): Promise<ListPage> {
  const { pageSize } = query;
  const page: ListPage = { objects: [], prefixes: [], corrupt: [] };
  let after = pageEnd.of(query.pageToken) ?? "";
  let continuation: string | undefined;
  for (let room = pageSize; room > 0; room = pageSize - page.objects.length - page.prefixes.length) {
    const from = continuation === undefined ? startAfter(after) : { "continuation-token": continuation };
    const answer = await ask(connection, query, { ...from, "max-keys": String(Math.min(room, answerMax)) });
    const isNew = (name: string) => compareKeys(name, after) > 0;
    const objects = answer.objects.filter(({ key }) => isNew(key));
    const prefixes = answer.prefixes.filter(isNew);
    const isHidden = (key: string) =>
      key.startsWith(reservedPrefix) && !query.prefix.startsWith(reservedPrefix);
    page.objects.push(...objects.filter(({ key }) => !isHidden(key)));
    page.prefixes.push(...prefixes.filter((name) => name !== reservedPrefix));
    if (answer.continuation === undefined) return page;
    const last = [...objects.map(({ key }) => key), ...prefixes].sort(compareKeys).at(-1);
    // An answer may be empty and not the last: then only the server's token continues it.
    if (last === undefined && answer.continuation === continuation) throw standsStill(connection.address);
    continuation = last === undefined ? answer.continuation : undefined;
    after = last ?? after;
  }
  page.nextPageToken = pageEnd.tokenOf(after);
  return page;
}

/** The last name on a page, as the token of the next one. */
export const pageEnd = {
  tokenOf: (name: string): string => pageToken(`after:${name}`),
  of: (token: string | undefined): string | undefined =>
    token === undefined ? undefined : readPageToken(token, /^after:(.*)$/s)[0],
};

/** After a prefix means after everything it stands for: some servers would give it again for the next key in it. */
const startAfter = (after: string): Record<string, string> =>
  after === "" ? {} : { "start-after": after.endsWith("/") ? `${after}\u{10ffff}` : after };

const standsStill = ({ name, endpoint }: S3Address) =>
  fail("bad_gateway", `bucket '${name}': ${endpoint} says that its list goes on, and gives nothing more`, {
    details: { bucket: name },
  });

async function ask(
  { expect }: S3Connection,
  { prefix, delimiter, signal }: ListQuery,
  more: Record<string, string>,
): Promise<Answer> {
  const query = {
    "list-type": "2",
    "encoding-type": "url",
    prefix,
    ...(delimiter && { delimiter }),
    ...more,
  };
  const { text: xml } = await expect({ method: "GET", query, signal }, 200);
  return {
    objects: elements(xml, "Contents").map((item) => ({
      key: keyOf(elements(item, "Key")[0] ?? ""),
      bytes: Number(textOf(item, "Size")),
      etag: bareEtag(textOf(item, "ETag")),
      last_modified: wholeSeconds(textOf(item, "LastModified") ?? ""),
    })),
    prefixes: elements(xml, "CommonPrefixes").map((item) => keyOf(elements(item, "Prefix")[0] ?? "")),
    continuation: textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined,
  };
}

/** Cut to whole seconds, which is all that a HEAD has, so that both agree. */
export const wholeSeconds = (time: string): string => `${new Date(time).toISOString().slice(0, 19)}.000Z`;
