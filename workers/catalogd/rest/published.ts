/** Datasets in Iceberg's REST catalog: the tables of one namespace, which others read and only we write. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { refusals, Unpublishable } from "../iceberg/iceberg.ts";
import { publishedNamespace } from "../open/open.ts";
import type { Published, Publishing } from "../publishing/publishing.ts";
import type { Registry } from "../registry/registry.ts";
import { isOpen } from "../versions/versions.ts";

export interface PublishedTables {
  /** The names of the datasets that can be read. */
  names: () => string[];
  /** Throws in the protocol's words. */
  load: (name: string, requestId: string) => Promise<Published>;
  /** Throws unless there is a dataset of this name; nothing is written. */
  check: (name: string, requestId: string) => Promise<void>;
}

export function createPublishedTables(deps: {
  registry: Pick<Registry, "manifest" | "manifests">;
  publishing: Publishing;
  resolveUnknown: (name: string, requestId: string) => Promise<void>;
}): PublishedTables {
  const { registry, publishing, resolveUnknown } = deps;
  const check: PublishedTables["check"] = async (name, requestId) => {
    try {
      await resolveUnknown(name, requestId);
      registry.manifest(name);
    } catch (cause) {
      throw inTheirWords(name, cause);
    }
  };
  return {
    names: () => registry.manifests().flatMap((each) => (isOpen(each) ? [] : [each.name])),
    check,
    load: async (name, requestId) => {
      await check(name, requestId);
      try {
        return await publishing.table(name);
      } catch (cause) {
        throw inTheirWords(name, cause);
      }
    },
  };
}

function inTheirWords(name: string, cause: unknown): unknown {
  if (cause instanceof Unpublishable)
    return refusals.cannotProcess(
      `Cannot load ${publishedNamespace}.${name}: ${cause.message}. Read it by SQL, or ingest it with these columns in other types, such as DECIMAL(38,0) or VARCHAR`,
    );
  if (!(cause instanceof ServiceError) || cause.type !== "not_found") return cause;
  return refusals.noSuchTable(`Table does not exist: ${publishedNamespace}.${name} (${cause.message})`);
}

/** The answer to whoever would change a dataset through this door. */
export const readOnly = (what: string) =>
  refusals.notAllowed(
    `${what} is published for reading: datasets are changed by ingest and by the catalog's own verbs, or by everybody once POST /v1/catalog/open/<name> has made them open tables`,
  );
