/** Which objects the versions refer to, and whether each is in storage as they say. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import type { Finding } from "../../../runtime/durable/durable.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { adoptionOf } from "../rehydration/rehydration.ts";
import { canonicalKey, type DataObject, type Version } from "../versions/versions.ts";

/** One object as versions state it. Two that state other bytes for one key make two of it. */
interface Reference {
  key: string;
  bytes: number;
  etag: string;
  /** The last version that refers to it. */
  name: string;
  version: number;
}

export interface References {
  /** Adds the objects of a version; versions of a name come in ascending order. */
  add: (version: Version) => void;
  /** Every object that any version refers to. */
  all: () => Iterable<Reference>;
  has: (key: string) => boolean;
  count: () => number;
}

export function createReferences(): References {
  const known = new Map<string, Reference>();
  const keys = new Set<string>();
  return {
    add: ({ name, version, objects }) => {
      for (const object of objects) {
        const key = canonicalKey(object.key);
        keys.add(key);
        known.set(`${object.etag} ${object.bytes} ${key}`, { ...stated(object), key, name, version });
      }
    },
    all: () => known.values(),
    has: (key) => keys.has(canonicalKey(key)),
    count: () => known.size,
  };
}

const stated = ({ bytes, etag }: DataObject) => ({ bytes, etag });

/**
 * The damage of an object that is not in storage as the versions state it; undefined when it is, and for versions
 * before `from`, whose loss was accepted. `isHead` says whether a version is the one that is served.
 */
export async function referenceDamage(
  head: Peer<Storaged>["verbs"]["head"],
  { key, bytes, etag, name, version }: Reference,
  {
    isHead,
    from,
    signal,
  }: {
    isHead: (name: string, version: number) => boolean;
    from: (name: string) => number;
    signal: AbortSignal;
  },
): Promise<Finding | undefined> {
  if (version < from(name)) return undefined;
  const problem = await head({ key }, { signal }).then(
    (info) => {
      if (info.bytes !== bytes) return `it has ${info.bytes} bytes, not ${bytes}`;
      return info.etag === etag ? undefined : `it has etag ${info.etag}, not ${etag}`;
    },
    (error: unknown) => {
      if (error instanceof ServiceError && error.type === "not_found") return "it does not exist";
      if (error instanceof ServiceError && error.type === "corrupt") return error.message;
      throw error;
    },
  );
  if (problem === undefined) return undefined;
  const served = isHead(name, version);
  const without = served
    ? `without one, delete the object if it is there and ingest the files of '${name}' again with mode=replace`
    : `without one, nothing that is served is lost, as version ${version} is not the latest; accept that: ${adoptionOf(name)}`;
  return {
    severity: "damage",
    place: key.includes("://") ? key : `primary://${key}`,
    problem: `version ${version} of dataset '${name}' needs it, and ${problem}`,
    remedy: `put the same bytes back under this key from a backup (bun run restore, or PUT /v1/storage/put/${key}); ${without}`,
  };
}
