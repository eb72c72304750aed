/** Lists an S3 bucket by ListObjectsV2, as many requests as a page needs. */
import type { ListPage, ListQuery } from "./bucket.ts";
import { reservedPrefix } from "./keys.ts";
import { pageToken, readPageToken } from "./page-token.ts";
import type { S3Connection } from "./s3-connection.ts";
import { elements, keyOf, textOf } from "./s3-xml.ts";

/** Most entries that S3 gives in one answer. */
const answerMax = 1000;

/** One page; the server's order is that of `compareKeys`, and so is its mix of objects and prefixes. */
export async function listS3({ expect }: S3Connection, query: ListQuery): Promise<ListPage> {
  const { prefix, delimiter, pageSize, signal } = query;
  const page: ListPage = { objects: [], prefixes: [], corrupt: [] };
  let continuation = query.pageToken === undefined ? undefined : readPageToken(query.pageToken, positionOf);
  for (let room = pageSize; room > 0; room = pageSize - page.objects.length - page.prefixes.length) {
    const { text: xml } = await expect(
      {
        method: "GET",
        query: {
          "list-type": "2",
          "encoding-type": "url",
          "max-keys": String(Math.min(room, answerMax)),
          prefix,
          ...(delimiter && { delimiter }),
          ...(continuation !== undefined && { "continuation-token": continuation }),
        },
        signal,
      },
      200,
    );
    addTo(page, xml);
    continuation = textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined;
    if (continuation === undefined) return page;
  }
  page.nextPageToken = pageToken({ continuation });
  return page;
}

const positionOf = (position: unknown): string | undefined => {
  const { continuation } = (position ?? {}) as { continuation?: unknown };
  return typeof continuation === "string" ? continuation : undefined;
};

function addTo(page: ListPage, xml: string): void {
  for (const item of elements(xml, "Contents")) {
    const key = keyOf(elements(item, "Key")[0] ?? "");
    if (key.startsWith(reservedPrefix)) continue;
    page.objects.push({
      key,
      bytes: Number(textOf(item, "Size")),
      etag: (textOf(item, "ETag") ?? "").replaceAll('"', ""),
      last_modified: wholeSeconds(textOf(item, "LastModified") ?? ""),
    });
  }
  for (const item of elements(xml, "CommonPrefixes")) {
    const name = keyOf(elements(item, "Prefix")[0] ?? "");
    if (name !== reservedPrefix) page.prefixes.push(name);
  }
}

/** A HEAD gives whole seconds only: so does this, for the two to agree. */
export const wholeSeconds = (time: string): string => `${new Date(time).toISOString().slice(0, 19)}.000Z`;
