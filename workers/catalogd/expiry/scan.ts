/** What goes with the versions of a dataset before a number: their manifests, and the objects that they alone name. */
import pMap from "p-map";
import type { ManifestStore } from "../manifests/manifests.ts";
import { isDamaged } from "../registry/registry.ts";
import { canonicalKey } from "../versions/versions.ts";

export interface Scan {
  /** Of the versions that go, those that an expiry left behind among them. */
  numbers: readonly number[];
  /** The objects below `datasets/` that they name, with their bytes. */
  objects: Map<string, number>;
}

/** Objects outside of it were put there by somebody, not by an ingest: they stay. */
export const ownPrefix = "datasets/";
/** Requests to storaged at once. */
const concurrency = 8;

export const pMapAll = <T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<unknown> =>
  pMap(items, work, { concurrency });

export async function startScan(
  store: Pick<ManifestStore, "read" | "versions">,
  { name, first }: { name: string; first: number },
): Promise<Scan> {
  const numbers = ((await store.versions(name)).versions.get(name) ?? []).filter((number) => number < first);
  const objects = new Map<string, number>();
  await pMapAll(numbers, async (number) => {
    const version = await store.read(name, number);
    if (isDamaged(version)) return;
    for (const { key, bytes } of version.objects)
      if (canonicalKey(key).startsWith(ownPrefix)) objects.set(canonicalKey(key), bytes);
  });
  return { numbers, objects };
}
