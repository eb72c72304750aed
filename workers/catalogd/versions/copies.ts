/** Versions made of what another one holds: the way back, and another name. Pure, as `plan.ts`. */
import { fail } from "../../../runtime/errors/errors.ts";
import { checkMatch, following, type Given, isOf, named } from "./plan.ts";
import { firstOf, isLive, type Manifest, type Version } from "./version.ts";

/** The version that takes the dataset back to `old`, or the head itself where it holds the same. */
export function planRollback(
  head: Version | undefined,
  { old, ifMatch }: { old: Manifest; ifMatch: string | undefined },
  given: Given,
): Version {
  if (head && isOf(head, given)) return head;
  const { name } = old;
  if (!isLive(head))
    throw fail("conflict", `'${name}' was dropped: bring it back first, by POST /v1/catalog/undrop/${name}`);
  checkMatch(head, ifMatch);
  const isSame = Bun.deepEquals(
    [head.columns, head.schemas, head.objects, head.metadata_location],
    [old.columns, old.schemas, old.objects, old.metadata_location],
    true,
  );
  if (isSame) return head;
  // Of a dataset that was dropped before this one came the ids of columns are its own: what it was is a table of its own.
  const isOwn = old.dataset_id === head.dataset_id;
  return {
    ...copyOf(old, head, given),
    dataset_id: isOwn ? head.dataset_id : given.newId(),
    parent: head.version,
    operation: "rollback",
  };
}

/** The version that brings a dropped dataset back as it was in `old`. Throws `conflict` where the name is taken again. */
export function planUndrop(head: Version | undefined, old: Manifest, given: Given): Version {
  if (head && isOf(head, given)) return head;
  if (isLive(head))
    throw fail(
      "conflict",
      `there is a dataset '${old.name}', version ${head.version} of ${head.created_at}: POST /v1/catalog/rollback/${old.name} goes back to one of its versions`,
    );
  // A dataset that was renamed keeps its id under the other name.
  const dataset_id = head?.renamed_to === undefined ? old.dataset_id : given.newId();
  return { ...copyOf(old, head, given), dataset_id, operation: "undrop" };
}

/** The first version under the new name, whose head is given. Throws `conflict` where there is such a dataset. */
export function planRename(
  head: Version | undefined,
  { from, to, ifMatch }: { from: Manifest; to: string; ifMatch: string | undefined },
  given: Given,
): Version {
  if (head && isOf(head, given)) return head;
  if (isLive(head))
    throw fail("conflict", `there is a dataset '${to}' already: drop it first, or take another name`);
  checkMatch(from, ifMatch);
  return { ...copyOf(from, head, given), name: to, dataset_id: from.dataset_id, operation: "rename" };
}

/**
 * The version, or the tombstone of a dataset that is dropped, that holds what the head does and says that the chain begins
 * with `first`; the head itself where it does already.
 */
export function planExpiry(
  head: Version | undefined,
  { name, first }: { name: string; first: number },
  given: Given,
): Version {
  if (!head) throw fail("not_found", `there is no dataset named '${name}'`);
  if (isOf(head, given) || firstOf(head) >= first) return head;
  const { operation_id: _, ...content } = head;
  return {
    ...content,
    ...following(head, given.now),
    first_version: first,
    copy_of: `${name}@${head.version}`,
    made_by: "client",
    ...(isLive(head) && { parent: head.version, operation: "expire" as const }),
    ...named(given),
  };
}

function copyOf(
  old: Manifest,
  head: Version | undefined,
  given: Given,
): Omit<Version, "operation" | "parent"> {
  const { name, schema_fingerprint, columns, schema_id, schemas, objects, row_count, bytes } = old;
  const last_schema_id = Math.max(old.last_schema_id ?? 0, head?.last_schema_id ?? 0);
  return {
    ...{ dataset_id: old.dataset_id, name, ...following(head, given.now) },
    ...{ schema_fingerprint, columns, objects, row_count, bytes },
    // Ids given since are not given again.
    last_column_id: Math.max(old.last_column_id ?? 1, head?.last_column_id ?? 1),
    ...(last_schema_id > 0 && { last_schema_id }),
    ...(schema_id !== undefined && { schema_id }),
    ...(schemas && { schemas }),
    ...(old.metadata_location !== undefined && {
      metadata_location: old.metadata_location,
      ...(old.locations && { locations: old.locations }),
    }),
    copy_of: `${name}@${old.version}`,
    made_by: "client",
    ...named(given),
  };
}
