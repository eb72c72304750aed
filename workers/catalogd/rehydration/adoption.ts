/**
 * Takes a dataset as it is, when an operator says so: no manifest is changed or deleted, and no number used twice. Where
 * the latest version cannot be had any more, a new one follows it.
 */

import type { ManifestStore } from "../manifests/manifests.ts";
import { type Head, isDamaged } from "../registry/registry.ts";
import { chainProblems, isLive, schemaFingerprint, type Version } from "../versions/versions.ts";
import type { DatasetMarks, Stored } from "./marks.ts";

/** Gives the head from now on: the one there is, or a new version with the content of the last one that is whole. */
export async function adopt(
  {
    store,
    marks,
    given,
  }: {
    store: Pick<ManifestStore, "append" | "read">;
    marks: DatasetMarks;
    given: { now: number; newId: () => string };
  },
  stored: Stored,
): Promise<Head> {
  const { name, head, numbers } = stored;
  const mark = marks.of(name);
  const last = Math.max(mark?.version ?? 0, numbers.at(-1) ?? 0);
  if (head && isSound(head) && head.version === last) {
    marks.begin(head);
    return head;
  }
  const whole = await lastSound(store, stored);
  const next: Version = {
    ...(whole ?? nothingOf(name, mark?.dataset_id ?? given.newId())),
    version: last + 1,
    parent: last,
    created_at: new Date(Math.max(given.now, whole ? Date.parse(whole.created_at) : 0)).toISOString(),
    operation: isLive(whole) ? "replace" : "drop",
    made_by: "adopt",
  };
  await store.append(next, "adopt");
  marks.begin(next);
  return next;
}

/** Readable and consistent in itself. */
const isSound = (head: Head): head is Version =>
  !isDamaged(head) && chainProblems("unknown", head).length === 0;

async function lastSound(
  store: Pick<ManifestStore, "read">,
  { name, numbers }: Stored,
): Promise<Version | undefined> {
  for (const number of numbers.toReversed()) {
    const found = await store.read(name, number);
    if (isSound(found)) return found;
  }
  return undefined;
}

/** The dataset has ended: its name can be used again. */
const nothingOf = (name: string, dataset_id: string) => ({
  dataset_id,
  name,
  schema_fingerprint: schemaFingerprint([]),
  columns: [],
  objects: [],
  row_count: 0,
  bytes: 0,
});
