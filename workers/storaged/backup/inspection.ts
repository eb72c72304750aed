/** Reads every object of a bucket again. */

import type { Finding, Inspected } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { type Bucket, compareKeys, type ListPage } from "../bucket/bucket.ts";

const pageSize = 1000;
/** Longest work between two reports of progress. */
const reportMs = 200;

interface Inspection {
  clock: Pick<Clock, "elapsed">;
  signal: AbortSignal;
}

/** Findings and progress. A bucket whose server does not answer is one finding. */
export async function* inspectBucket(
  bucket: Bucket,
  { clock, signal }: Inspection,
): AsyncGenerator<Inspected> {
  const { name } = bucket.describe();
  const state = { done: 0, total: 0, of: `objects of ${name}` };
  let reportedAt = clock.elapsed();
  const due = () => {
    if (clock.elapsed() - reportedAt < reportMs) return false;
    reportedAt = clock.elapsed();
    return true;
  };
  try {
    await bucket.findMissing?.(signal);
    for await (const keys of pages(bucket, signal)) {
      state.total += keys.length;
      if (due()) yield { progress: { ...state, total: 0 } };
    }
    for await (const keys of pages(bucket, signal)) {
      for (const key of keys) {
        for await (const finding of readWhole(bucket, key, signal)) {
          if (finding) yield { finding };
          if (due()) yield { progress: { ...state } };
        }
        state.done += 1;
      }
    }
    for await (const finding of bucket.orphans?.() ?? [])
      yield { finding: { ...finding, place: `${name}://${finding.place}` } };
  } catch (error) {
    signal.throwIfAborted();
    yield { finding: unreadable(`${name}://`, error) };
  }
  yield { progress: { ...state, total: state.done } };
}

async function* pages(bucket: Bucket, signal: AbortSignal): AsyncGenerator<string[]> {
  let pageToken: string | undefined;
  do {
    const page: ListPage = await bucket.list({ prefix: "", pageSize, pageToken, signal });
    yield [...page.objects.map(({ key }) => key), ...page.corrupt].sort(compareKeys);
    pageToken = page.nextPageToken;
  } while (pageToken !== undefined);
}

/** The finding about the object, if any; undefined between chunks, for progress. */
async function* readWhole(
  bucket: Bucket,
  key: string,
  signal: AbortSignal,
): AsyncGenerator<Finding | undefined> {
  try {
    const { body } = await bucket.open(key, undefined, signal);
    for await (const _ of body) yield undefined;
  } catch (error) {
    signal.throwIfAborted();
    // Deleted since it was listed.
    if (error instanceof ServiceError && error.type === "not_found") return;
    yield unreadable(`${bucket.describe().name}://${key}`, error);
  }
}

const remedies: Readonly<Record<string, string>> = {
  corrupt:
    "put the bytes that it had back from a backup (bun run restore, or PUT them); only when nothing refers to it, DELETE it",
  unavailable:
    "bring back what belongs there, and it is used again; the problem names the flag that accepts the loss",
};

function unreadable(place: string, error: unknown): Finding {
  const problem = error instanceof Error ? error.message : String(error);
  const type = error instanceof ServiceError ? error.type : undefined;
  const remedy =
    remedies[type ?? ""] ?? "see that the disk or the server of the bucket answers, and look again";
  return { severity: "damage", place, problem, remedy };
}
