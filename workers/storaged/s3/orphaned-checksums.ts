/** Checksums of objects that are gone: a process that ends between two requests leaves them. */
import type { Finding } from "../../../runtime/durable/durable.ts";
import { checksumsPrefix, readChecksums } from "./checksums.ts";
import { listS3 } from "./list.ts";
import { look, markHeader, type S3Objects } from "./object.ts";

/** Younger ones may be of an upload that is about to be completed. */
const youngMs = 60 * 60 * 1000;
const pageSize = 1000;

export async function* orphanedChecksums(s3: S3Objects, now: number): AsyncGenerator<Finding> {
  const { signal } = new AbortController();
  for (let pageToken: string | undefined; ; ) {
    const page = await listS3(s3.connection, { prefix: checksumsPrefix, pageSize, pageToken, signal });
    for (const { key, last_modified } of page.objects) {
      if (now - Date.parse(last_modified) < youngMs) continue;
      const mark = key.slice(checksumsPrefix.length, -".json".length);
      const sums = await readChecksums(s3.connection, mark, signal);
      // What damaged sums belong to is found with its object.
      if (typeof sums === "string") continue;
      const object = await look(s3, sums.key, signal);
      if (object?.headers.get(markHeader) === mark) continue;
      const problem = `the checksums of an upload of '${sums.key}', which is not the object there is (any more)`;
      yield { severity: "leftover", place: key, problem, remedy: "delete it at the S3 server" };
    }
    pageToken = page.nextPageToken;
    if (pageToken === undefined) return;
  }
}
