/** Iceberg's REST catalog over the datasets: what other engines read them by. */
import type { Deps } from "../../../runtime/service/service.ts";
import { refusals } from "../iceberg/iceberg.ts";
import type { Publishing } from "../publishing/publishing.ts";
import type { Registry } from "../registry/registry.ts";
import { answer, loaded, nothing, pageOf } from "./answers.ts";
import { createPublishedTables, publishedNamespace, readOnly } from "./published.ts";
import { type Asked, createRouter, levelsOf, prefix, type Route } from "./router.ts";
import { storageConfig } from "./storage-config.ts";

export interface RestDeps extends Pick<Deps, "secrets"> {
  registry: Registry;
  publishing: Publishing;
  resolveUnknown: (name: string, requestId: string) => Promise<void>;
}

const ns = "/v1/{prefix}/namespaces";
const tables = `${ns}/{namespace}/tables`;
const table = `${tables}/{table}`;

/** Answers requests below `/iceberg`; throws in the protocol's words. */
export function createRest(deps: RestDeps) {
  const routes: Route[] = [...namespaceRoutes(), ...tableRoutes(deps), ...refused];
  const endpoints = routes.filter(({ hidden }) => !hidden).map(({ method, path }) => `${method} ${path}`);
  return createRouter([
    ...routes,
    { method: "GET", path: "/v1/config", hidden: true, answer: (asked) => configured(asked, endpoints) },
  ]);
}

/** Names that a client may give the one warehouse. */
const warehouses = new Set(["", prefix, "lakehouse"]);

function configured({ query }: Asked, endpoints: readonly string[]): Response {
  const asked = query.get("warehouse") ?? "";
  if (!warehouses.has(asked))
    throw refusals.notFound(`There is no warehouse '${asked.slice(0, 100)}': expected ${prefix}, or none`);
  return answer({ defaults: {}, overrides: { prefix }, endpoints });
}

/** The namespace of the datasets, which is there without any. Throws where another one is meant. */
function known(levels: readonly string[]): void {
  if (levels.length === 1 && levels[0] === publishedNamespace) return;
  throw refusals.noSuchNamespace(`Namespace does not exist: ${levels.join(".").slice(0, 200)}`);
}

function namespaceRoutes(): Route[] {
  const properties = { comment: "Datasets of Lakehouse, for reading" };
  return [
    {
      method: "GET",
      path: ns,
      answer: ({ query }) => {
        const parent = query.get("parent") ?? "";
        if (parent !== "") known(levelsOf(parent));
        const all = parent === "" ? [publishedNamespace] : [];
        const { items, next } = pageOf(all, query, (name) => name);
        return answer({ namespaces: items.map((name) => [name]), "next-page-token": next });
      },
    },
    {
      method: "GET",
      path: `${ns}/{namespace}`,
      answer: ({ namespace }) => {
        known(namespace);
        return answer({ namespace, properties });
      },
    },
    {
      method: "HEAD",
      path: `${ns}/{namespace}`,
      answer: ({ namespace }) => {
        known(namespace);
        return nothing();
      },
    },
  ];
}

function tableRoutes(deps: RestDeps): Route[] {
  const published = createPublishedTables(deps);
  return [
    {
      method: "GET",
      path: tables,
      answer: ({ namespace, query }) => {
        known(namespace);
        const { items, next } = pageOf(published.names(), query, (name) => name);
        const identifiers = items.map((name) => ({ namespace, name }));
        return answer({ identifiers, "next-page-token": next });
      },
    },
    {
      method: "GET",
      path: table,
      answer: async ({ namespace, table: name, query, request, requestId }) => {
        known(namespace);
        const found = await published.load(name, requestId);
        const storage = storageConfig(await deps.publishing.place(), request, deps.secrets);
        return loaded(request, found, { snapshots: query.get("snapshots"), storage });
      },
    },
    {
      method: "HEAD",
      path: table,
      answer: async ({ namespace, table: name, requestId }) => {
        known(namespace);
        await published.check(name, requestId);
        return nothing();
      },
    },
    {
      method: "POST",
      path: `${table}/metrics`,
      answer: async ({ namespace, table: name, requestId, request }) => {
        known(namespace);
        await published.check(name, requestId);
        await request.body?.cancel();
        return nothing();
      },
    },
  ];
}

/** What would change something: clients are told that they may not. */
const refused: Route[] = [
  ["POST", ns, "The catalog"],
  ["DELETE", `${ns}/{namespace}`, "The namespace"],
  ["POST", `${ns}/{namespace}/properties`, "The namespace"],
  ["POST", tables, "The namespace"],
  ["POST", `${ns}/{namespace}/register`, "The namespace"],
  ["POST", table, "The table"],
  ["DELETE", table, "The table"],
  ["POST", "/v1/{prefix}/tables/rename", "The table"],
  ["POST", "/v1/{prefix}/transactions/commit", "The table"],
].map(([method = "", path = "", what = ""]) => ({
  method,
  path,
  hidden: true as const,
  answer: ({ namespace, table: name }) => {
    const levels = [...namespace, name].filter((each) => each !== "").join(".");
    throw readOnly(levels === "" ? what : `${what} ${levels.slice(0, 200)}`);
  },
}));
