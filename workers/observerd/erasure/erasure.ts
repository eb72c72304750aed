/** What happened, how it was judged, and what was learnt from it, without a subject. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import type { Distillation } from "../distillation/distillation.ts";
import { type OperationsStore, redacted } from "../operations/operations.ts";
import { type Judged, type Reviews, saidIn } from "../reviews/reviews.ts";

interface Parts {
  operations: Pick<OperationsStore, "recorded" | "erase">;
  reviews: Pick<Reviews, "all" | "erase">;
  distillation: Pick<Distillation, "eraseSets">;
}

/** What sets are made of goes before the sets: none is made of it meanwhile. */
export async function eraseSubject(
  erasing: Erasing,
  { operations, reviews, distillation }: Parts,
): Promise<ErasureReport> {
  const { subject, dryRun, signal } = erasing;
  let operationCount = 0;
  for await (const operation of operations.recorded({})) {
    signal.throwIfAborted();
    if (redacted(operation, subject) !== operation) operationCount += 1;
  }
  const isMeant = (judged: Judged) => subject.isMentioned(saidIn(judged));
  let reviewCount = 0;
  for await (const judged of reviews.all()) if (isMeant(judged)) reviewCount += 1;
  const left = dryRun ? [] : await operations.erase(subject);
  if (!dryRun) await reviews.erase(isMeant);
  const sets = await distillation.eraseSets(erasing);
  return reportOf(
    removedAt("observerd/operations", "contents of operations", operationCount),
    removedAt("observerd/reviews.log", "reviews", reviewCount),
    removedAt("primary://distill", "training sets", sets.length, sets),
    { removed: [], left: left.map(damagedFile) },
  );
}

const damagedFile = (file: string) => ({
  place: `observerd/${file}`,
  why: "it is not what was acknowledged, and is left as it is",
  remedy: `restore it, or accept it with --adopt=observerd/${file}; then erase again`,
});
