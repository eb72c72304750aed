/** Namespaces of open tables: an object each, read whenever it is asked for. */
import type { Peer } from "../../../runtime/contract/contract.ts";
import { ServiceError } from "../../../runtime/errors/errors.ts";
import { fold } from "../../../runtime/sql/sql.ts";
import type { Storaged } from "../../storaged/contract.ts";
import { exactText, parseExact, refusals } from "../iceberg/iceberg.ts";
import { isNamePart } from "../versions/versions.ts";

type Storage = Pick<Peer<Storaged>["verbs"], "list" | "read" | "write" | "erase">;
export type Properties = Record<string, string>;

export interface Namespaces {
  names: () => Promise<string[]>;
  /** Throws `NoSuchNamespaceException`. */
  read: (name: string) => Promise<{ properties: Properties; etag: string }>;
  create: (name: string, properties: Properties) => Promise<void>;
  /** Throws `CommitFailedException` where it was changed meanwhile. */
  write: (name: string, properties: Properties, etag: string) => Promise<void>;
  drop: (name: string) => Promise<void>;
}

const folder = "_catalog/namespaces/";
const keyOf = (name: string): string => `${folder}${name}.json`;
/** Schemas of SQL, and those of the engine. */
const reserved = new Set([
  "information_schema",
  "lakehouse",
  "main",
  "memory",
  "observer",
  "pg_catalog",
  "system",
  "temp",
]);

export const noNamespace = (name: string) =>
  refusals.noSuchNamespace(`Namespace does not exist: ${name.slice(0, 200)}`);

export function createNamespaces({ list, read, write, erase }: Storage): Namespaces {
  const names: Namespaces["names"] = async () => {
    const found: string[] = [];
    for (let page_token: string | undefined; ; ) {
      const page = await list({ prefix: folder, page_size: 10_000, ...(page_token && { page_token }) });
      found.push(...page.objects.map(({ key }) => key.slice(folder.length, -".json".length)));
      page_token = page.next_page_token;
      if (page_token === undefined) return found.sort();
    }
  };
  const put = async (name: string, properties: Properties, condition: Parameters<typeof write>[0] | object) =>
    write({
      ...{ key: keyOf(name), bytes: new TextEncoder().encode(exactText({ format: 1, name, properties })) },
      ...condition,
    });
  return {
    names,
    read: async (name) => {
      if (!isNamePart(name)) throw noNamespace(name);
      try {
        const { bytes, info } = await read({ key: keyOf(name) });
        const { properties } = parseExact(new TextDecoder().decode(bytes)) as { properties: Properties };
        return { properties, etag: info.etag };
      } catch (cause) {
        if (cause instanceof ServiceError && cause.type === "not_found") throw noNamespace(name);
        throw cause;
      }
    },
    create: async (name, properties) => {
      checkNamespace(name);
      const alike = (await names()).find((other) => fold(other) === fold(name));
      if (alike !== undefined && alike !== name)
        throw refusals.alreadyExists(
          `Namespace already exists: ${alike}, which SQL does not tell from ${name}`,
        );
      const refusal = refusals.alreadyExists(`Namespace already exists: ${name}`);
      await put(name, properties, { if_none_match: "*" }).catch(unlessMet(refusal));
    },
    write: async (name, properties, etag) => {
      const refusal = refusals.commitFailed(`Namespace ${name} was changed meanwhile`);
      await put(name, properties, { if_match: etag }).catch(unlessMet(refusal));
    },
    drop: async (name) => {
      await erase({ key: keyOf(name) });
    },
  };
}

const unlessMet = (refusal: ServiceError) => (cause: unknown) => {
  throw cause instanceof ServiceError && cause.type === "precondition_failed" ? refusal : cause;
};

/** Throws `bad_request` for a name that no SQL could reach. */
function checkNamespace(name: string): void {
  checkNamePart("namespace", name);
  if (!reserved.has(fold(name)) && !/^(duckdb|pg|pragma|sqlite)_/i.test(name)) return;
  throw refusals.badRequest(
    `Invalid namespace '${name}': SQL has its own use for ${[...reserved].join(", ")} and names that begin with duckdb_, pg_, pragma_ or sqlite_`,
  );
}

/** Throws `bad_request`. */
export function checkNamePart(what: string, name: unknown): asserts name is string {
  if (typeof name === "string" && isNamePart(name)) return;
  throw refusals.badRequest(
    `Invalid ${what} name '${String(name).slice(0, 100)}': expected 1 to 100 ASCII letters, digits, '_', '-', '.' and blanks, beginning with a letter, a digit or '_'`,
  );
}

/** Texts by name. Throws `bad_request`. */
export function propertiesOf(value: unknown, what = "properties"): Properties {
  if (value === undefined || value === null) return {};
  if (typeof value !== "object" || Array.isArray(value))
    throw refusals.badRequest(`Expected ${what} as an object of texts`);
  for (const [name, text] of Object.entries(value))
    if (typeof text !== "string" || name === "__proto__")
      throw refusals.badRequest(`Expected ${what} as an object of texts, got ${name.slice(0, 100)}`);
  return value as Properties;
}
