/**
 * Datasets in Iceberg's REST catalog, which others read and only we write: those of `main`, and rejected rows of an open table
 * beside it.
 */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { refusals, Unpublishable } from "../iceberg/iceberg.ts";
import { type Identifier, identifierOf, nameOf, publishedNamespace } from "../open/open.ts";
import type { Published, Publishing } from "../publishing/publishing.ts";
import type { Registry } from "../registry/registry.ts";
import { isLive, isOpen } from "../versions/versions.ts";

export interface PublishedTables {
  /** The names of the datasets of a namespace that can be read. */
  names: (namespace: string) => string[];
  /** Whether it is a dataset, or could be: all in `main` that is not open. */
  has: (table: Identifier) => boolean;
  /** Throws in the protocol's words. */
  load: (table: Identifier, requestId: string) => Promise<Published>;
  /** Throws unless there is a dataset of this name; nothing is written. */
  check: (table: Identifier, requestId: string) => Promise<void>;
}

export function createPublishedTables(deps: {
  registry: Pick<Registry, "head" | "manifest" | "manifests">;
  publishing: Publishing;
  resolveUnknown: (name: string, requestId: string) => Promise<void>;
}): PublishedTables {
  const { registry, publishing, resolveUnknown } = deps;
  const check: PublishedTables["check"] = async (table, requestId) => {
    const name = nameOf(table);
    try {
      await resolveUnknown(name, requestId);
      registry.manifest(name);
    } catch (cause) {
      throw inTheirWords(table, cause);
    }
  };
  return {
    names: (namespace) =>
      registry.manifests().flatMap((each) => {
        const found = identifierOf(each.name);
        return isOpen(each) || found.namespace !== namespace ? [] : [found.name];
      }),
    has: (table) => {
      const head = registry.head(nameOf(table), true);
      return !isOpen(head) && (table.namespace === publishedNamespace || isLive(head));
    },
    check,
    load: async (table, requestId) => {
      await check(table, requestId);
      try {
        return await publishing.table(nameOf(table));
      } catch (cause) {
        throw inTheirWords(table, cause);
      }
    },
  };
}

function inTheirWords({ namespace, name }: Identifier, cause: unknown): unknown {
  if (cause instanceof Unpublishable)
    return refusals.cannotProcess(
      `Cannot load ${namespace}.${name}: ${cause.message}. Read it by SQL, or ingest it with these columns in other types, such as DECIMAL(38,0) or VARCHAR`,
    );
  if (!(cause instanceof ServiceError) || cause.type !== "not_found") return cause;
  return refusals.noSuchTable(`Table does not exist: ${namespace}.${name} (${cause.message})`);
}

/** The answer to whoever would change a dataset through this door. */
export const readOnly = (what: string) =>
  refusals.notAllowed(
    `${what} is published for reading: datasets are changed by ingest and by the catalog's own verbs, or by everybody once POST /v1/catalog/open/<name> has made them open tables`,
  );
