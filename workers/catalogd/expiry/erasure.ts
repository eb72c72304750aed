/** What manifests say of a subject: bounds of columns, comments, and versions of other names that they commit. */
import type { Erasing, ErasureReport } from "../../../runtime/contract/contract.ts";
import { isBoundOf, isNamed, removedAt, reportOf } from "../../../runtime/erasure/erasure.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import { isDamaged } from "../registry/registry.ts";
import type { Version } from "../versions/versions.ts";

interface ErasureDeps {
  store: Pick<ManifestStore, "versions" | "readCommit">;
  /** Removes the versions of a name before the number; beyond the latest one, this is written anew as the next. */
  removeBefore: (name: string, first: number) => Promise<unknown>;
}

/** Rows are gone by now: manifests that name the subject are of versions that had them, or were committed with such. */
export async function eraseFromManifests(
  { subject, dryRun, signal }: Erasing,
  { store, removeBefore }: ErasureDeps,
): Promise<ErasureReport> {
  const reports: ErasureReport[] = [];
  for (const [name, numbers] of (await store.versions()).versions) {
    const latest = numbers.at(-1) ?? 0;
    let first = 0;
    let count = 0;
    for (const number of numbers) {
      signal.throwIfAborted();
      const { head, also } = await store.readCommit(name, number);
      const isTold = also.some(
        (version) => subject.isMentioned(Object.values(version)) || isBound(version, subject),
      );
      if (isDamaged(head)) reports.push(unreadable(name, number));
      const isOwn =
        !isDamaged(head) && subject.isMentioned([head.columns, head.objects, head.schemas, head.made_by]);
      if (!isTold && !(isOwn && number < latest)) continue;
      count += 1;
      first = number + 1;
    }
    if (count === 0) continue;
    if (!dryRun) await removeBefore(name, first);
    reports.push(removedAt(`catalogd/${name}`, "manifests of earlier versions", count));
  }
  return reportOf(...reports);
}

/** Whether the least or greatest value of a column is a cell that is meant: bounds are text, as DuckDB writes the type. */
const isBound = (
  { columns, objects }: Pick<Version, "columns" | "objects">,
  { cells }: Erasing["subject"],
): boolean =>
  cells.some((cell) =>
    columns
      .filter(({ name }) => isNamed(name, cell))
      .some(({ name, type }) =>
        objects.some(({ statistics }) =>
          statistics.some(
            ({ column, min, max }) =>
              column === name &&
              [min, max].some((bound) => bound !== undefined && isBoundOf(type, bound, cell.equals)),
          ),
        ),
      ),
  );

/** It may name anybody; to remove it would remove every version before it. */
const unreadable = (name: string, number: number): ErasureReport => ({
  removed: [],
  left: [
    {
      place: `catalogd/${name}`,
      why: `version ${number} cannot be read, so that it is not known what it holds`,
      remedy: `restore it, or remove it by POST /v1/catalog/expire/${name}; then erase again`,
    },
  ],
});
