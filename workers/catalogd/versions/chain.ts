/** What must hold of a version for itself and after the one before it. */

import { canonicalKey } from "./registration.ts";
import { schemaFingerprint } from "./schema.ts";
import { isLive, type Version } from "./version.ts";

/**
 * What is wrong with the version; empty when nothing is. `before` is the version with the number before it: undefined
 * when this is the first, `unknown` when that one cannot be read.
 */
export function chainProblems(before: Version | "unknown" | undefined, version: Version): string[] {
  const { columns, objects, parent, operation } = version;
  const problems: string[] = [];
  if (schemaFingerprint(columns) !== version.schema_fingerprint)
    problems.push("its schema_fingerprint is not that of its columns");
  const keys = new Set(objects.map(({ key }) => canonicalKey(key)));
  if (keys.size < objects.length) problems.push("it names an object twice");
  for (const total of version.metadata_location === undefined ? (["row_count", "bytes"] as const) : []) {
    const sum = objects.reduce((all, object) => all + object[total], 0);
    if (sum !== version[total])
      problems.push(`its ${total} is ${version[total]}, and its objects have ${sum} together`);
  }
  if (operation === "drop" && (parent === undefined || objects.length > 0))
    problems.push("it ends the dataset, which takes a parent and no objects");

  const parents = parentsAfter(before, version);
  if (!parents.includes(parent)) {
    const expected = parents.map((number) => number ?? "none").join(" or ");
    problems.push(`its parent is ${parent ?? "none"}, expected ${expected}`);
  } else if (parent !== undefined && before !== undefined && before !== "unknown") {
    // A rollback to what was there before a drop is a dataset of its own.
    if (before.dataset_id !== version.dataset_id && operation !== "rollback")
      problems.push(`its dataset_id is not that of its parent, version ${parent}`);
  }
  return problems;
}

function parentsAfter(
  before: Version | "unknown" | undefined,
  { version, operation, parent }: Version,
): (number | undefined)[] {
  const isDrop = operation === "drop";
  if (before === "unknown") return [undefined, version - 1, ...(isDrop ? [parent] : [])];
  if (isLive(before)) return [before.version];
  // A tombstone follows another one where versions before were expired.
  return [isDrop ? before?.parent : undefined];
}
