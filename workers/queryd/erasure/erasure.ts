/** Links and copies of versions that are gone, and statements that name a subject. What a query reads goes when it has ended. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { ObjectCache } from "../objects/objects.ts";
import type { Components, Queries } from "../queries/queries.ts";

export async function forgetSubject(
  { catalog, cache }: Pick<Components, "catalog"> & { cache: Pick<ObjectCache, "clear"> },
  queries: Pick<Queries, "forget">,
  { subject, dryRun }: Erasing,
): Promise<ErasureReport> {
  if (dryRun) return { removed: [], left: [] };
  queries.forget(subject.isIn);
  const { stale } = await catalog.current();
  if (stale)
    throw fail("unavailable", "catalogd does not answer: versions that it expired are within reach still", {
      retryAfterSeconds: 1,
    });
  await cache.clear();
  return { removed: [], left: [] };
}
