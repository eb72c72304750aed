/**
 * Which objects the kept versions name. Every version is read once in the life of the process, when this is first asked
 * for; from then on only versions that are new, which for the latest one takes no reading.
 */
import pMap from "p-map";
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import { type Head, isDamaged, type Registry } from "../registry/registry.ts";
import type { Retention } from "../retention/retention.ts";
import { canonicalKey, firstOf, isOpen, type Version } from "../versions/versions.ts";

export interface NamedObjects {
  /**
   * Reads what is new, and gives what is named by a version that stays. Of `going` the versions before `first` do not.
   * Throws `corrupt` where what a version names cannot be known.
   */
  refresh: (going?: { name: string; first: number }) => Promise<(key: string) => boolean>;
  /** Names that are remembered. */
  count: () => number;
}

interface NamedObjectsDeps {
  retention: Pick<Retention, "objectsOf">;
  store: Pick<ManifestStore, "read">;
  registry: Registry;
  /** The first version of a name that must be there, where the loss of others was accepted. */
  from: (name: string) => number;
}

interface Chain {
  /** The last version that names an object, by a hash of its key: two keys of one hash both stay as long as either. */
  last: Map<number, number>;
  /** The first version that is remembered, and the last one. */
  first: number;
  read: number;
}

/** Manifests read at once: one may have 64 MiB. */
const concurrency = 4;

export function createNamedObjects({ store, registry, from, retention }: NamedObjectsDeps): NamedObjects {
  const chains = new Map<string, Chain>();

  const catchUp = async (name: string) => {
    const head = headOf(registry, name);
    const first = Math.max(firstOf(head), from(name));
    const chain = chains.get(name) ?? { last: new Map(), first, read: first - 1 };
    chains.set(name, chain);
    if (chain.read >= head.version && chain.first >= first) return;
    const start = Math.max(chain.read + 1, first);
    const numbers = Array.from({ length: Math.max(0, head.version - start + 1) }, (_, at) => start + at);
    for (let at = 0; at < numbers.length; at += batch) {
      const some = numbers.slice(at, at + batch);
      const versions = await pMap(some, (number) => kept(store, head, number), { concurrency });
      for (const version of versions) {
        for (const { key } of version.objects) chain.last.set(hashOf(key), version.version);
        // Snapshots of before it was opened, and since, are read from objects that no version lists.
        const more = isOpen(version) ? await retention.objectsOf(version, version === head) : [];
        for (const key of more) chain.last.set(hashOf(key), version.version);
        chain.read = version.version;
      }
    }
    if (chain.first < first) for (const [key, last] of chain.last) if (last < first) chain.last.delete(key);
    chain.first = first;
  };
  return {
    refresh: async (going) => {
      for (const name of registry.names()) await catchUp(name);
      const isIn = (name: string, hash: number): boolean => {
        const { last, first } = chains.get(name) as Chain;
        return (last.get(hash) ?? 0) >= (name === going?.name ? Math.max(first, going.first) : first);
      };
      return (key) => {
        const hash = hashOf(key);
        // Most objects are of the dataset that their key names.
        const [, own = ""] = canonicalKey(key).split("/", 2);
        return (chains.has(own) && isIn(own, hash)) || chains.keys().some((name) => isIn(name, hash));
      };
    },
    count: () => chains.values().reduce((sum, { last }) => sum + last.size, 0),
  };
}

/** Versions whose manifests are in memory at once. */
const batch = 64;

/** 53 bits: a number of JavaScript takes no memory of its own in a map. */
const hashOf = (key: string): number => Number(BigInt.asUintN(53, Bun.hash(canonicalKey(key)) as bigint));

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
