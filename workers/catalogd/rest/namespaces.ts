/** Namespaces: that of the datasets, which is there without any, and those of open tables. */
import { refusals } from "../iceberg/iceberg.ts";
import {
  noNamespace,
  type OpenTables,
  type Properties,
  propertiesOf,
  publishedNamespace,
} from "../open/open.ts";
import { answer, nothing, pageOf } from "./answers.ts";
import { bodyOf, namespaceOf, textsOf } from "./bodies.ts";
import { readOnly } from "./published.ts";
import { type Asked, levelsOf, type Route } from "./router.ts";

const ns = "/v1/{prefix}/namespaces";
const published: Properties = { comment: "Datasets of Lakehouse" };

export interface NamespaceDeps {
  open: OpenTables;
  tablesOf: (namespace: string) => readonly string[];
}

/** The one level of a namespace. Throws `NoSuchNamespaceException` for more: there are none. */
export function levelOf(levels: readonly string[]): string {
  const [name = "", ...more] = levels;
  if (more.length > 0 || name === "") throw noNamespace(levels.join("."));
  return name;
}

/** Its properties, with the place that engines want to know. */
export async function readNamespace(
  { open }: Pick<NamespaceDeps, "open">,
  name: string,
): Promise<Properties> {
  if (name === publishedNamespace) return published;
  const { properties } = await open.namespaces.read(name);
  const place = await open.address().catch(() => undefined);
  return { ...(place !== undefined && { location: `${place}/${name}` }), ...properties };
}

export function namespaceRoutes(deps: NamespaceDeps): Route[] {
  const { open } = deps;
  const level = ({ namespace }: Asked) => levelOf(namespace);
  return [
    {
      method: "GET",
      path: ns,
      answer: async ({ query }) => {
        const parent = query.get("parent") ?? "";
        if (parent !== "") await readNamespace(deps, levelOf(levelsOf(parent)));
        const all = parent === "" ? [publishedNamespace, ...(await open.namespaces.names())].sort() : [];
        const { items, next } = pageOf(all, query, (name) => name);
        return answer({ namespaces: items.map((name) => [name]), "next-page-token": next });
      },
    },
    {
      method: "POST",
      path: ns,
      answer: async ({ request }) => {
        await open.place();
        const body = await bodyOf(request);
        const name = namespaceOf(body.namespace);
        if (name === publishedNamespace) throw refusals.alreadyExists(`Namespace already exists: ${name}`);
        const properties = propertiesOf(body.properties);
        await open.namespaces.create(name, properties);
        return answer({ namespace: [name], properties });
      },
    },
    {
      method: "GET",
      path: `${ns}/{namespace}`,
      answer: async (asked) =>
        answer({ namespace: [level(asked)], properties: await readNamespace(deps, level(asked)) }),
    },
    {
      method: "HEAD",
      path: `${ns}/{namespace}`,
      answer: async (asked) => {
        await readNamespace(deps, level(asked));
        return nothing();
      },
    },
    {
      method: "DELETE",
      path: `${ns}/{namespace}`,
      answer: async (asked) => {
        const name = level(asked);
        if (name === publishedNamespace) throw readOnly(`The namespace ${name}`);
        await open.namespaces.read(name);
        if (deps.tablesOf(name).length > 0) throw refusals.notEmpty(`Namespace ${name} is not empty.`);
        await open.namespaces.drop(name);
        return nothing();
      },
    },
    {
      method: "POST",
      path: `${ns}/{namespace}/properties`,
      answer: (asked) => changeProperties(deps, asked),
    },
  ];
}

async function changeProperties({ open }: NamespaceDeps, { namespace, request }: Asked): Promise<Response> {
  const name = levelOf(namespace);
  if (name === publishedNamespace) throw readOnly(`The namespace ${name}`);
  const body = await bodyOf(request);
  const removals = textsOf(body.removals, "removals");
  const updates = propertiesOf(body.updates, "updates");
  const twice = removals.find((key) => Object.hasOwn(updates, key));
  if (twice !== undefined)
    throw refusals.cannotProcess(
      `Invalid namespace update, cannot simultaneously set and remove keys: ${twice}`,
    );
  const { properties, etag } = await open.namespaces.read(name);
  const removed = removals.filter((key) => Object.hasOwn(properties, key));
  const missing = removals.filter((key) => !Object.hasOwn(properties, key));
  const kept = Object.entries(properties).filter(([key]) => !removed.includes(key));
  await open.namespaces.write(name, { ...Object.fromEntries(kept), ...updates }, etag);
  return answer({ removed, updated: Object.keys(updates), missing });
}
