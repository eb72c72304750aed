/** The version in which few objects stand in place of many. Pure, as `plan.ts`. */
import { fail } from "../../../runtime/errors/errors.ts";
import { following, type Given, isOf, named, totals } from "./plan.ts";
import { canonicalKey } from "./registration.ts";
import { type DataObject, isLive, refuseOpen, type Version } from "./version.ts";

export interface Compaction {
  name: string;
  dataset_id: string;
  /** Objects that stand next to each other in this order, and the one with the same rows in the same order. */
  runs: readonly { keys: readonly string[]; object: DataObject }[];
  made_by: string;
}

/**
 * The version with the runs replaced. What was appended since stays behind them. Throws `conflict` where the dataset has
 * is another one now, or has a run of other objects, and `unprocessable` where the rows do not add up.
 */
export function planCompaction(head: Version | undefined, compaction: Compaction, given: Given): Version {
  const { name, runs, made_by } = compaction;
  if (!isLive(head)) throw fail("not_found", `there is no dataset named '${name}'`);
  if (isOf(head, given)) return head;
  refuseOpen(head, "is compacted by others", "rewrite its files in an engine that writes to it");
  if (head.dataset_id !== compaction.dataset_id) throw fail("conflict", `'${name}' is another dataset now`);
  const objects = runs.reduce((objects, run) => replaced(name, objects, run), head.objects);
  const { operation_id: _, copy_of: __, ...content } = head;
  return {
    ...content,
    ...following(head, given.now),
    parent: head.version,
    objects,
    ...totals(name, { ...head, objects }),
    operation: "compact",
    made_by,
    ...named(given),
  };
}

function replaced(
  name: string,
  objects: DataObject[],
  { keys, object }: Compaction["runs"][number],
): DataObject[] {
  const at = objects.findIndex(({ key }) => canonicalKey(key) === canonicalKey(keys[0] ?? ""));
  const run = objects.slice(at, at + keys.length);
  const isThere =
    at >= 0 && keys.every((key, index) => canonicalKey(run[index]?.key ?? "") === canonicalKey(key));
  if (!isThere) throw fail("conflict", `'${name}' was changed meanwhile: it has other objects now`);
  if (objects.some(({ key }) => canonicalKey(key) === canonicalKey(object.key)))
    throw fail("conflict", `'${name}' holds ${object.key} already`);
  const rows = run.reduce((sum, { row_count }) => sum + row_count, 0);
  if (rows !== object.row_count)
    throw fail(
      "unprocessable",
      `the objects have ${rows} rows together, and the one in their place ${object.row_count}`,
    );
  // What was written under one schema is read by the names of that, also after the columns have changed.
  const { schema_id } = run[0] ?? {};
  if (run.some((each) => each.schema_id !== schema_id))
    throw fail(
      "unprocessable",
      `the objects were written under several schemas, and are one under none of them`,
    );
  const merged = schema_id === undefined ? object : { ...object, schema_id };
  return [...objects.slice(0, at), merged, ...objects.slice(at + keys.length)];
}
