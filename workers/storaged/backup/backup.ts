/** What storaged keeps, for backup and fsck: the objects of all buckets and the error journal. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import {
  bothSnapshots,
  type Durable,
  type Finding,
  holdFiles,
  type Inspected,
} from "../../../runtime/durable/durable.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import type { Bucket } from "../bucket/bucket.ts";
import { decodeLine, linesBackwards } from "../errors/errors.ts";
import type { WriteBarrier } from "../registry/registry.ts";
import { inspectBucket } from "./inspection.ts";
import { objectSnapshot } from "./snapshot.ts";

/** Removes what snapshots of an earlier process have left. */
export async function storagedDurable(
  { directory, newId, clock }: Pick<Deps, "directory" | "newId" | "clock">,
  { buckets, barrier }: { buckets: readonly Bucket[]; barrier: WriteBarrier },
): Promise<Durable> {
  const scratch = join(directory, "points");
  await rm(scratch, { recursive: true, force: true });
  const journals = async () =>
    (await readdir(directory)).filter((name) => /^errors\.\d+\.jsonl$/.test(name)).sort();
  return {
    inspect: async function* (signal) {
      for (const bucket of buckets) yield* inspectBucket(bucket, { clock, signal });
      for (const name of await journals()) yield* inspectJournal(directory, name);
    },
    snapshot: () =>
      bothSnapshots(
        async () => objectSnapshot({ buckets, barrier, directory: scratch, newId }),
        async () => holdFiles(directory, await journals()),
      ),
  };
}

async function* inspectJournal(directory: string, name: string): AsyncGenerator<Inspected> {
  for await (const { text, start } of linesBackwards(join(directory, name), Number.POSITIVE_INFINITY)) {
    if (text === "" || decodeLine(text)) continue;
    const finding: Finding = {
      severity: "leftover",
      place: `storaged/${name} byte ${start}`,
      problem: "a line of the error journal does not check out: a crash cut it short, or the disk changed it",
      remedy: "nothing to mend: it is passed over, and tells of a failed request alone",
    };
    yield { finding };
  }
}
