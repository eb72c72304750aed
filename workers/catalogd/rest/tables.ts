/** Tables: datasets for reading, and open ones that any engine changes. */
import type { HttpRequest } from "../../../runtime/contract/contract.ts";
import type { Deps } from "../../../runtime/service/service.ts";
import { refusals } from "../iceberg/iceberg.ts";
import {
  type Asking,
  checkNamePart,
  type Identifier,
  type NewTable,
  type OpenTables,
  publishedNamespace,
} from "../open/open.ts";
import type { Publishing } from "../publishing/publishing.ts";
import { answer, loaded, nothing, pageOf, tableAnswer } from "./answers.ts";
import { bodyOf, changeFrom, identifierFrom } from "./bodies.ts";
import { levelOf, readNamespace } from "./namespaces.ts";
import { type PublishedTables, readOnly } from "./published.ts";
import type { Asked, Route } from "./router.ts";
import { type StorageConfig, storageConfig } from "./storage-config.ts";

const tables = "/v1/{prefix}/namespaces/{namespace}/tables";
const table = `${tables}/{table}`;

export interface TableDeps extends Pick<Deps, "secrets"> {
  publishing: Publishing;
  published: PublishedTables;
  open: OpenTables;
  tablesOf: (namespace: string) => readonly string[];
}

/** Of more levels than there are clients want to hear of the table: Java's ask for `ns.t.files` so. */
const identifierOf = ({ namespace, table: name }: Asked): Identifier => {
  const [level = "", ...more] = namespace;
  if (more.length === 0) return { namespace: level, name };
  throw refusals.noSuchTable(`Table does not exist: ${[...namespace, name].join(".").slice(0, 300)}`);
};

/** What a version says it was made by. */
const askingOf = ({ request, requestId, signal }: Asked): Asking => ({
  requestId,
  signal,
  madeBy: (request.headers.get("user-agent") ?? "iceberg").replace(/[^\x20-\x7e]/g, "?").slice(0, 200),
});

export function tableRoutes(deps: TableDeps): Route[] {
  return [...readRoutes(deps), ...makingRoutes(deps), ...changingRoutes(deps)];
}

/** Where a table's files are, and keys: of the bucket that a client reads, and of an open table writes. */
async function storageOf(
  { open, publishing, secrets }: TableDeps,
  request: HttpRequest,
  id: Identifier,
): Promise<StorageConfig> {
  if (!open.has(id)) return storageConfig(await publishing.place(), request, secrets);
  return storageConfig(await open.place(), request, secrets, "warehouse");
}

function readRoutes(deps: TableDeps): Route[] {
  const { open, published } = deps;
  /** Throws where there is no such table, open or not. */
  const check = async (asked: Asked): Promise<void> => {
    const id = identifierOf(asked);
    if (published.has(id)) return published.check(id, asked.requestId);
    return open.check(id, asked.requestId);
  };
  return [
    {
      method: "GET",
      path: tables,
      answer: async ({ namespace: levels, query }) => {
        const namespace = levelOf(levels);
        await readNamespace(deps, namespace);
        const { items, next } = pageOf(deps.tablesOf(namespace), query, (name) => name);
        const identifiers = items.map((name) => ({ namespace: [namespace], name }));
        return answer({ identifiers, "next-page-token": next });
      },
    },
    {
      method: "GET",
      path: table,
      answer: async (asked) => {
        const { query, request, requestId } = asked;
        const id = identifierOf(asked);
        const found = await (published.has(id)
          ? published.load(id, requestId)
          : open.load(id, askingOf(asked)));
        const storage = await storageOf(deps, request, id);
        return loaded(request, found, { snapshots: query.get("snapshots"), storage });
      },
    },
    {
      method: "HEAD",
      path: table,
      answer: async (asked) => {
        await check(asked);
        return nothing();
      },
    },
    {
      method: "POST",
      path: `${table}/metrics`,
      answer: async (asked) => {
        await check(asked);
        await asked.request.body?.cancel();
        return nothing();
      },
    },
  ];
}

/** Throws what a client is told that would change a dataset which is not open. */
const writable = ({ published }: TableDeps, id: Identifier): Identifier => {
  if (published.has(id)) throw readOnly(`The table ${id.namespace}.${id.name.slice(0, 200)}`);
  return id;
};

/** A namespace in which tables are made. */
async function target(deps: TableDeps, levels: readonly string[]): Promise<string> {
  const namespace = levelOf(levels);
  if (namespace === publishedNamespace) throw readOnly(`The namespace ${namespace}`);
  await deps.open.place();
  return namespace;
}

function makingRoutes(deps: TableDeps): Route[] {
  const { open } = deps;
  return [
    {
      method: "POST",
      path: tables,
      answer: async (asked) => {
        const namespace = await target(deps, asked.namespace);
        const body = (await bodyOf(asked.request)) as unknown as NewTable;
        const { staged, metadata, location, etag } = await open.create(namespace, body, askingOf(asked));
        const storage = await storageOf(deps, asked.request, { namespace, name: body.name });
        const shown = staged ? { metadata } : { "metadata-location": location, metadata };
        return tableAnswer({ ...shown, ...storage }, staged ? {} : { etag: `"${etag}"` });
      },
    },
    {
      method: "POST",
      path: "/v1/{prefix}/namespaces/{namespace}/register",
      answer: async (asked) => {
        const namespace = await target(deps, asked.namespace);
        const { name, "metadata-location": at, overwrite } = await bodyOf(asked.request);
        if (overwrite === true) throw refusals.badRequest("overwrite is not supported: drop the table first");
        const { metadata, location, etag } = await open.register(
          { namespace, name, location: at },
          askingOf(asked),
        );
        const storage = await storageOf(deps, asked.request, { namespace, name: String(name) });
        return tableAnswer({ "metadata-location": location, metadata, ...storage }, { etag: `"${etag}"` });
      },
    },
  ];
}

function changingRoutes(deps: TableDeps): Route[] {
  const { open } = deps;
  return [
    {
      method: "POST",
      path: table,
      answer: async (asked) => {
        const id = writable(deps, identifierOf(asked));
        if (!open.has(id)) checkNamePart("table", id.name);
        const change = changeFrom(id, await bodyOf(asked.request));
        const [made] = await open.commitOfEngine([change], askingOf(asked));
        if (!made) throw new Error("a commit of one table made none");
        return tableAnswer(
          { "metadata-location": made.location, metadata: made.metadata },
          { etag: `"${made.etag}"` },
        );
      },
    },
    {
      method: "DELETE",
      path: table,
      answer: async (asked) => {
        const id = writable(deps, identifierOf(asked));
        await open.drop(id, asked.query.get("purgeRequested")?.toLowerCase() === "true", askingOf(asked));
        return nothing();
      },
    },
    {
      method: "POST",
      path: "/v1/{prefix}/tables/rename",
      answer: async (asked) => {
        const body = await bodyOf(asked.request);
        const from = writable(deps, identifierFrom(body.source, "source"));
        const to = identifierFrom(body.destination, "destination");
        if (to.namespace === publishedNamespace) throw readOnly(`The namespace ${to.namespace}`);
        await open.rename({ from, to }, askingOf(asked));
        return nothing();
      },
    },
    {
      method: "POST",
      path: "/v1/{prefix}/transactions/commit",
      answer: async (asked) => {
        const body = await bodyOf(asked.request);
        const listed = body["table-changes"];
        if (!Array.isArray(listed) || listed.length === 0)
          throw refusals.badRequest("Expected table-changes as a list of at least one");
        const changes = listed.map((each) =>
          changeFrom(writable(deps, identifierFrom(each?.identifier, "identifier")), each),
        );
        const names = changes.map(({ identifier }) => `${identifier.namespace}.${identifier.name}`);
        if (new Set(names).size < names.length)
          throw refusals.badRequest("A transaction changes each table once");
        await open.commitOfEngine(changes, askingOf(asked));
        return nothing();
      },
    },
  ];
}
