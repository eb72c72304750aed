/** What goes with the versions of a dataset before a number: their manifests, and the objects that they alone name. */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import { type Head, isDamaged, type Registry } from "../registry/registry.ts";
import { canonicalKey, firstOf, type Version } from "../versions/versions.ts";

export interface Scan {
  /** Of the versions that go, those that an expiry left behind among them. */
  numbers: readonly number[];
  /** The objects that go, with their bytes. */
  objects: () => ReadonlyMap<string, number>;
  /** Reads every version that is kept and was not read yet, and takes out the objects that it names. */
  spare: () => Promise<void>;
}

interface ScanDeps {
  store: Pick<ManifestStore, "read" | "versions">;
  registry: Registry;
  from: (name: string) => number;
}

/** Objects outside of it were put there by somebody, not by an ingest: they stay. */
const ownPrefix = "datasets/";
/** Requests to storaged at once. */
const concurrency = 8;

export const pMapAll = <T>(items: Iterable<T>, work: (item: T) => Promise<unknown>): Promise<unknown> =>
  pMap(items, work, { concurrency });

export async function startScan(
  { store, registry, from }: ScanDeps,
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
  /** The last number of each name that was read. */
  const read = new Map<string, number>();
  return {
    numbers,
    objects: () => objects,
    spare: async () => {
      if (objects.size === 0) return;
      await pMapAll(registry.names(), async (each) => {
        const head = headOf(registry, each);
        const start = Math.max(
          (read.get(each) ?? 0) + 1,
          firstOf(head),
          from(each),
          each === name ? first : 1,
        );
        for (let number = start; number <= head.version; number++)
          for (const { key } of (await kept(store, head, number)).objects) objects.delete(canonicalKey(key));
        read.set(each, head.version);
      });
    },
  };
}

function headOf(registry: Registry, name: string): Version {
  const head = registry.head(name, true);
  if (!head) throw new Error(`'${name}' has a name and no head`);
  return head;
}

/** A version that stays. Throws `corrupt` where what it names cannot be known. */
async function kept(store: Pick<ManifestStore, "read">, head: Version, number: number): Promise<Version> {
  if (number === head.version) return head;
  const version = await store.read(head.name, number).catch((cause): Head => {
    if (!(cause instanceof ServiceError) || cause.type !== "not_found") throw cause;
    return { name: head.name, version: number, reason: `its version ${number} is missing` };
  });
  if (!isDamaged(version)) return version;
  throw fail(
    "corrupt",
    `nothing is removed, as it is not known what version ${number} of '${head.name}' needs: ${version.reason}`,
  );
}
