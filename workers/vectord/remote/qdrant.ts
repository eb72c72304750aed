/** Qdrant by its REST interface: a collection an index, in which one point says how far it has come. */
import { fetchUpstream, quoted, textOf } from "../../../runtime/upstream/upstream.ts";
import {
  type Applied,
  type Collection,
  type Driver,
  NotOurs,
  type RemoteQuery,
  readApplied,
  type Step,
} from "./interface.ts";
import type { SettingsOf } from "./settings.ts";

const answerBytesMax = 64 * 1024 * 1024;
const metrics = { cosine: "Cosine", ip: "Dot", l2: "Euclid" } as const;
/** Of ids: Qdrant's are UUIDs. */
const space = "6ba7b812-9dad-11d1-80b4-00c04fd430c8";
const uuidOf = (id: string): string => Bun.randomUUIDv5(id, space);
/** No item's: those begin with `i`. */
const statePoint = uuidOf("state");
const itemPoint = (id: string): string => uuidOf(`i${id}`);
/** Answered when it is applied. */
const applied = "wait=true&ordering=strong";

interface Point {
  payload?: { key?: string; value?: string } | null;
}

interface Server {
  settings: SettingsOf<"qdrant">;
  /** Sends JSON; the result, or undefined for what is not there. */
  send: (method: string, path: string, body?: unknown) => Promise<unknown>;
  owner: string;
  collectionOf: (index: string) => string;
}

export function qdrant(settings: SettingsOf<"qdrant">): Driver {
  const { namespace } = settings;
  const server: Server = {
    settings,
    send: (method, path, body) => send(settings, { method, path, body }),
    owner: `${namespace}_owner`,
    collectionOf: (index) =>
      `${namespace}_v${new Bun.CryptoHasher("sha256").update(index).digest("hex").slice(0, 40)}`,
  };
  return {
    limits: {
      ...{ dimension: 65_535, connectivity: 512, efConstruction: 10_000 },
      ...{ candidates: 10_000, items: 500 },
    },
    own: (store, takeOver) => own(server, store, takeOver),
    applied: async ({ index }) => readApplied(await valueIn(server, server.collectionOf(index))),
    reset: (collection, state) => reset(server, collection, state),
    write: (collection, step) => write(server, collection, step),
    search: (collection, query) => search(server, collection, query),
    drop: async (index) => void (await server.send("DELETE", `/collections/${server.collectionOf(index)}`)),
    renew: () => {},
    close: async () => {},
  };
}

async function send(
  { url, key }: SettingsOf<"qdrant">,
  { method, path, body }: { method: string; path: string; body: unknown },
): Promise<unknown> {
  const response = await fetchUpstream(`${url.replace(/\/+$/, "")}${path}`, {
    method,
    headers: { "content-type": "application/json", ...(key !== undefined && { "api-key": key }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await textOf(response, {
    bytesMax: answerBytesMax,
    tooMuch: () => new Error(`it answered more than ${answerBytesMax} bytes`),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`it answered ${response.status}: ${quoted(text, key)}`);
  return (JSON.parse(text) as { result: unknown }).result;
}

/** What the collection's point of state says. */
async function valueIn({ send }: Server, collection: string): Promise<string | undefined> {
  const found = (await send("POST", `/collections/${collection}/points`, {
    ...{ ids: [statePoint], with_payload: true },
  })) as Point[] | undefined;
  return found?.[0]?.payload?.value;
}

const putValue = ({ send }: Server, collection: string, size: number, value: string): Promise<unknown> =>
  send("PUT", `/collections/${collection}/points?${applied}`, {
    points: [{ id: statePoint, vector: [1, ...Array(size - 1).fill(0)], payload: { value } }],
  });

const makeCollection = (
  { send, settings }: Server,
  name: string,
  vectors: { size: number; distance: string },
  more: object = {},
): Promise<unknown> => {
  const { shards, replicas } = settings;
  return send("PUT", `/collections/${name}`, {
    ...{ vectors, ...more },
    ...(shards !== undefined && { shard_number: shards }),
    // A write is on all replicas: a search asks one of each shard.
    ...(replicas !== undefined && { replication_factor: replicas, write_consistency_factor: replicas }),
  });
};

async function own(server: Server, store: string, takeOver: boolean): Promise<string> {
  const { send, owner } = server;
  const found = await valueIn(server, owner);
  if (found !== undefined && (found === store || !takeOver)) return found;
  if (found !== undefined) {
    // Its collections may be of this log, and ahead of it: all are filled anew.
    const { collections } = (await send("GET", "/collections")) as { collections: { name: string }[] };
    const prefix = server.collectionOf("").slice(0, -40);
    for (const { name } of collections)
      if (name.startsWith(prefix)) await send("DELETE", `/collections/${name}`);
  } else await makeCollection(server, owner, { size: 1, distance: "Dot" }).catch(() => undefined);
  await putValue(server, owner, 1, store);
  return (await valueIn(server, owner)) ?? "nobody";
}

async function reset(server: Server, collection: Collection, state: Applied): Promise<void> {
  const { index, dimension, metric, connectivity, efConstruction } = collection;
  const name = server.collectionOf(index);
  await server.send("DELETE", `/collections/${name}`);
  const graph = { hnsw_config: { m: connectivity, ef_construct: efConstruction } };
  await makeCollection(server, name, { size: dimension, distance: metrics[metric] }, graph);
  await putValue(server, name, dimension, JSON.stringify(state));
}

async function write(server: Server, { index, dimension }: Collection, step: Step): Promise<void> {
  const { writer, claims, ids, vectors, gone, applied: state } = step;
  const name = server.collectionOf(index);
  const found = readApplied(await valueIn(server, name));
  if (!found || (!claims && found.writer !== writer)) throw new NotOurs();
  const points = ids.map((id, at) => ({
    ...{ id: itemPoint(id), vector: Array.from(vectors[at] ?? []), payload: { key: id } },
  }));
  if (points.length > 0) await server.send("PUT", `/collections/${name}/points?${applied}`, { points });
  if (gone.length > 0)
    await server.send("POST", `/collections/${name}/points/delete?${applied}`, {
      points: gone.map(itemPoint),
    });
  // Last: until it stands there, all of this may be done again.
  if (state) await putValue(server, name, dimension, JSON.stringify(state));
}

/** One request for all: how far it has come, and what is near. */
async function search(
  { send, collectionOf }: Server,
  { index, dimension }: Collection,
  { queries, k, ef }: RemoteQuery,
): Promise<{ applied: Applied | undefined; ids: string[][] }> {
  const state = {
    ...{ query: [1, ...Array(dimension - 1).fill(0)], limit: 1, with_payload: true },
    filter: { must: [{ has_id: [statePoint] }] },
  };
  const near = queries.map((vector) => ({
    // One more: the point of state is near to some.
    ...{ query: Array.from(vector), limit: k + 1, with_payload: true, params: { hnsw_ef: ef } },
  }));
  const found = (await send("POST", `/collections/${collectionOf(index)}/points/query/batch`, {
    searches: [state, ...near],
  })) as { points: Point[] }[] | undefined;
  const [first, ...lists] = found ?? [];
  return {
    applied: readApplied(first?.points[0]?.payload?.value),
    ids: queries.map((_, at) =>
      (lists[at]?.points ?? []).flatMap(({ payload }) => payload?.key ?? []).slice(0, k),
    ),
  };
}
