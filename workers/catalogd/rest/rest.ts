/** Iceberg's REST catalog over datasets, which other engines read, and open tables, which they change. */
import type { Deps } from "../../../runtime/service/service.ts";
import { refusals } from "../iceberg/iceberg.ts";
import type { OpenTables } from "../open/open.ts";
import type { Publishing } from "../publishing/publishing.ts";
import type { Registry } from "../registry/registry.ts";
import { answer } from "./answers.ts";
import { namespaceRoutes } from "./namespaces.ts";
import { createPublishedTables } from "./published.ts";
import { type Asked, createRouter, prefix, type Route } from "./router.ts";
import { tableRoutes } from "./tables.ts";

export interface RestDeps extends Pick<Deps, "secrets"> {
  registry: Registry;
  publishing: Publishing;
  open: OpenTables;
  resolveUnknown: (name: string, requestId: string) => Promise<void>;
}

/** Answers requests below `/iceberg`; throws in the protocol's words. */
export function createRest(deps: RestDeps) {
  const published = createPublishedTables(deps);
  const tablesOf = (namespace: string): string[] =>
    [...published.names(namespace), ...deps.open.names(namespace)].sort();
  const parts = { ...deps, published, tablesOf };
  const routes: Route[] = [...namespaceRoutes(parts), ...tableRoutes(parts)];
  const endpoints = routes.map(({ method, path }) => `${method} ${path}`);
  return createRouter([
    ...routes,
    { method: "GET", path: "/v1/config", answer: (asked) => configured(asked, endpoints) },
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
