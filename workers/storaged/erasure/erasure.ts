/** Objects of callers that hold a subject, which are theirs to change; and the journal of errors without it. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Bucket } from "../bucket/bucket.ts";
import type { ErrorJournal } from "../errors/errors.ts";

interface Parts {
  buckets: readonly Bucket[];
  journal: Pick<ErrorJournal, "erase">;
}

/** What services keep under these is theirs to find: they know what stands in it, and in which form. */
const ofServices = /^(?:_catalog|datasets|documents|vectors|distill)\//;
const pageSize = 1000;
/** Objects that an answer names of a bucket; more are counted. */
const namedMax = 100;

export async function eraseSubject(erasing: Erasing, { buckets, journal }: Parts): Promise<ErasureReport> {
  const { subject, dryRun } = erasing;
  const reports: ErasureReport[] = [];
  for (const bucket of buckets) reports.push(await lookThrough(bucket, erasing));
  const lines = await journal.erase(subject.isMentioned, dryRun);
  return reportOf(...reports, removedAt("storaged/errors", "lines of the journal of errors", lines));
}

async function lookThrough(bucket: Bucket, { subject, signal }: Erasing): Promise<ErasureReport> {
  const { name } = bucket.describe();
  const found: string[] = [];
  for (let pageToken: string | undefined; ; ) {
    const page = await bucket.list({ prefix: "", delimiter: undefined, pageSize, pageToken, signal });
    for (const { key } of page.objects) {
      if (ofServices.test(key)) continue;
      if (subject.isIn(key) || (await isHeldBy(bucket, key, { subject, signal }))) found.push(key);
    }
    pageToken = page.nextPageToken;
    if (pageToken === undefined) break;
  }
  const left = (place: string) => ({
    place,
    why: "an object that a caller put there holds it, or is named so",
    remedy: "put it anew without, or delete it: DELETE /v1/storage/delete/{key}",
  });
  const more = found.length - namedMax;
  return {
    removed: [],
    left: [
      ...found.slice(0, namedMax).map((key) => left(`${name}://${key}`)),
      ...(more > 0 ? [left(`${name}:// and ${more} more objects`)] : []),
    ],
  };
}

async function isHeldBy(
  bucket: Bucket,
  key: string,
  { subject, signal }: Pick<Erasing, "subject" | "signal">,
): Promise<boolean> {
  try {
    const { body } = await bucket.open(key, undefined, signal);
    return await subject.isInBytes(body);
  } catch (cause) {
    // It went meanwhile; one that is damaged is told by readiness and fsck.
    if (cause instanceof ServiceError && (cause.type === "not_found" || cause.type === "corrupt"))
      return false;
    throw cause;
  }
}
