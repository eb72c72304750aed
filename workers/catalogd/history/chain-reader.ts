/** One dataset's versions, read from storage: memory holds the latest alone. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { ManifestStore } from "../manifests/manifests.ts";
import { type Head, isDamaged, type Registry } from "../registry/registry.ts";
import { firstOf, type Version } from "../versions/versions.ts";

export interface HistoryDeps {
  store: Pick<ManifestStore, "read">;
  registry: Registry;
}

export interface ChainReader {
  /** The latest version, or the tombstone. Throws `not_found` where there never was such a dataset, `corrupt` as readers do. */
  latest: (name: string) => Version;
  /** The version with this number, at most the latest's, or why it cannot be read. */
  numbered: (name: string, number: number) => Promise<Head>;
  /**
   * The version or tombstone that was the latest at the time; undefined before the first. Throws `corrupt` where it may
   * be one that cannot be read.
   */
  atTime: (name: string, time: number) => Promise<Version | undefined>;
}

export function createChainReader({ store, registry }: HistoryDeps): ChainReader {
  const latest = (name: string): Version => registry.head(name) ?? registry.manifest(name);
  const numbered = async (name: string, number: number): Promise<Head> => {
    const head = latest(name);
    if (head.version === number) return head;
    return store.read(name, number).catch((cause) => {
      if (!isNotFound(cause)) throw cause;
      return { name, version: number, reason: `its version ${number} is missing` };
    });
  };
  return {
    latest,
    numbered,
    atTime: async (name, time) => {
      const head = latest(name);
      if (timeOf(head) <= time) return head;
      const { found, after } = await search(head, time, (number) => numbered(name, number));
      const between = (found?.version ?? firstOf(head) - 1) + 1;
      if (between === after) return found;
      throw fail(
        "corrupt",
        `dataset '${name}': its version ${between} cannot be read, and may be the one of ${new Date(time).toISOString()}; ask for another by its number`,
      );
    },
  };
}

export const isNotFound = (cause: unknown): cause is ServiceError =>
  cause instanceof ServiceError && cause.type === "not_found";

const timeOf = ({ created_at }: Version): number => Date.parse(created_at);

/**
 * Of the versions that can be read, the last one up to the time and the number of the first one after it. Versions are
 * in the order of their times.
 */
async function search(
  head: Version,
  time: number,
  read: (number: number) => Promise<Head>,
): Promise<{ found: Version | undefined; after: number }> {
  let found: Version | undefined;
  let after = head.version;
  const first = firstOf(head);
  let open = Array.from({ length: head.version - first }, (_, at) => first + at);
  while (open.length > 0) {
    const middle = open.length >> 1;
    const version = await read(open[middle] ?? 0);
    if (isDamaged(version)) open.splice(middle, 1);
    else if (timeOf(version) <= time) {
      found = version;
      open = open.slice(middle + 1);
    } else {
      after = version.version;
      open = open.slice(0, middle);
    }
  }
  return { found, after };
}
