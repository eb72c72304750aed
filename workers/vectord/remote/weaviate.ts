/** Weaviate by its REST and GraphQL interfaces: a class an index, and one of how far each has come. */
import pMap from "p-map";
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
const callsAtOnce = 8;
const metrics = { cosine: "cosine", ip: "dot", l2: "l2-squared" } as const;
/** Of ids: Weaviate's are UUIDs. */
const space = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";
/** A write is on all replicas: a search asks one of each shard, and must not meet one that lacks it. */
const onAll = "consistency_level=ALL";

const uuidOf = (id: string): string => Bun.randomUUIDv5(id, space);
const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
const field = (name: string, isFilterable = false) => ({
  ...{ name, dataType: ["text"], tokenization: "field" },
  ...{ indexFilterable: isFilterable, indexSearchable: false },
});

interface Server {
  settings: SettingsOf<"weaviate">;
  /** Sends JSON; undefined for what is not there. */
  send: (method: string, path: string, body?: unknown) => Promise<unknown>;
  /** Of the namespace's states, and of an index's vectors. */
  states: string;
  classOf: (index: string) => string;
}

export function weaviate(settings: SettingsOf<"weaviate">): Driver {
  const prefix = capital(settings.namespace);
  const server: Server = {
    settings,
    send: (method, path, body) => send(settings, { method, path, body }),
    states: `${prefix}_states`,
    classOf: (index) =>
      `${prefix}_${new Bun.CryptoHasher("sha256").update(index).digest("hex").slice(0, 40)}`,
  };
  return {
    limits: {
      ...{ dimension: 65_535, connectivity: 512, efConstruction: 10_000 },
      ...{ candidates: 10_000, items: 500 },
    },
    own: (store, takeOver) => own(server, store, takeOver),
    applied: async ({ index }) => readApplied(await stateOf(server, index)),
    reset: (collection, applied) => reset(server, collection, applied),
    write: (collection, step) => write(server, collection, step),
    search: (collection, query) => search(server, collection, query),
    drop: async (index) => {
      await server.send("DELETE", `/objects/${server.states}/${uuidOf(index)}?${onAll}`);
      await server.send("DELETE", `/schema/${server.classOf(index)}`);
    },
    renew: () => {},
    close: async () => {},
  };
}

interface Asked {
  method: string;
  path: string;
  body?: unknown;
}

async function send({ url, key }: SettingsOf<"weaviate">, { method, path, body }: Asked): Promise<unknown> {
  const response = await fetchUpstream(`${url.replace(/\/+$/, "")}/v1${path}`, {
    method,
    headers: {
      "content-type": "application/json",
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await textOf(response, {
    bytesMax: answerBytesMax,
    tooMuch: () => new Error(`it answered more than ${answerBytesMax} bytes`),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`it answered ${response.status}: ${quoted(text, key)}`);
  return text === "" ? {} : JSON.parse(text);
}

/** The text that stands under the name. */
async function stateOf({ send, states }: Server, name: string): Promise<string | undefined> {
  const found = (await send("GET", `/objects/${states}/${uuidOf(name)}?${onAll}`)) as
    | { properties?: { value?: string } }
    | undefined;
  return found?.properties?.value;
}

const putState = ({ send, states }: Server, name: string, value: string): Promise<void> =>
  batch(send, [{ class: states, id: uuidOf(name), properties: { name, value } }]);

/** Adds or replaces, all or an error. */
async function batch(send: Server["send"], objects: object[]): Promise<void> {
  if (objects.length === 0) return;
  const done = (await send("POST", `/batch/objects?${onAll}`, { objects })) as {
    result?: { errors?: { error?: { message?: string }[] } };
  }[];
  const refused = done.find(({ result }) => result?.errors);
  if (refused) throw new Error(refused.result?.errors?.error?.[0]?.message ?? "an object was refused");
}

const ownerName = "@owner";

async function own(server: Server, store: string, takeOver: boolean): Promise<string> {
  const { send, states, settings } = server;
  await refuseLostNodes(server);
  if (!(await send("GET", `/schema/${states}`)))
    await makeClass(server, states, [field("name", true), field("value")]);
  const owner = await stateOf(server, ownerName);
  if (owner === store) return store;
  if (owner !== undefined && !takeOver) return owner;
  if (owner !== undefined) {
    // Its collections may be of this log, and ahead of it: all are filled anew.
    await send("DELETE", `/schema/${states}`);
    await makeClass(server, states, [field("name", true), field("value")]);
  }
  const first = { class: states, id: uuidOf(ownerName), properties: { name: ownerName, value: store } };
  await send("POST", `/objects?${onAll}`, first).catch((cause) => {
    // Somebody else was first: whose it is stands there.
    if (!String(cause).includes("already exists")) throw cause;
  });
  return (await stateOf(server, ownerName)) ?? `nobody at ${settings.url}`;
}

/** Where each shard is on one node, a search lacks it without that node. */
async function refuseLostNodes({ send, settings }: Server): Promise<void> {
  const { nodes = [] } = (await send("GET", "/nodes")) as { nodes?: { name: string; status: string }[] };
  const lost = nodes
    .filter(({ status }) => status !== "HEALTHY")
    .map(({ name, status }) => `${name} is ${status}`);
  if ((settings.replicas ?? 1) === 1 && lost.length > 0) throw new Error(`node ${lost.join(", node ")}`);
}

const makeClass = (
  { send, settings }: Server,
  name: string,
  properties: object[],
  more: object = {},
): Promise<unknown> =>
  send("POST", "/schema", {
    ...{ class: name, vectorizer: "none", properties },
    replicationConfig: { factor: settings.replicas ?? 1 },
    ...more,
  });

async function reset(server: Server, collection: Collection, applied: Applied): Promise<void> {
  const { send, settings, classOf } = server;
  const { index, metric, connectivity, efConstruction } = collection;
  await putState(server, index, JSON.stringify(applied));
  await send("DELETE", `/schema/${classOf(index)}`);
  await makeClass(server, classOf(index), [field("key")], {
    vectorIndexConfig: { distance: metrics[metric], maxConnections: connectivity, efConstruction, ef: -1 },
    ...(settings.shards !== undefined && { shardingConfig: { desiredCount: settings.shards } }),
  });
}

async function write(server: Server, { index }: Collection, step: Step): Promise<void> {
  const { send, classOf } = server;
  const { writer, claims, ids, vectors, gone, applied } = step;
  const found = readApplied(await stateOf(server, index));
  if (!found || (!claims && found.writer !== writer)) throw new NotOurs();
  const name = classOf(index);
  await batch(
    send,
    ids.map((id, at) => ({
      ...{ class: name, id: uuidOf(id), properties: { key: id } },
      vector: Array.from(vectors[at] ?? []),
    })),
  );
  await pMap(gone, (id) => send("DELETE", `/objects/${name}/${uuidOf(id)}?${onAll}`), {
    concurrency: callsAtOnce,
  });
  // Last: until it stands there, all of this may be done again.
  if (applied) await putState(server, index, JSON.stringify(applied));
}

interface Got {
  errors?: { message?: string }[];
  data?: { Get?: Record<string, { key?: string; value?: string }[]> };
}

async function search(
  server: Server,
  { index }: Collection,
  { queries, k }: RemoteQuery,
): Promise<{ applied: Applied | undefined; ids: string[][] }> {
  const { send, states, classOf } = server;
  const name = classOf(index);
  const where = `where:{path:["name"],operator:Equal,valueText:${JSON.stringify(index)}}`;
  const found = await pMap(
    queries,
    async (vector) => {
      const near = `${name}(limit:${k},nearVector:{vector:[${vector.join(",")}]}){key}`;
      const query = `{Get{${states}(${where}){value} ${near}}}`;
      const { errors, data } = (await send("POST", "/graphql", { query })) as Got;
      if (errors?.[0]) throw new Error(errors[0].message ?? "the search failed");
      return { applied: readApplied(data?.Get?.[states]?.[0]?.value), near: data?.Get?.[name] ?? [] };
    },
    { concurrency: callsAtOnce },
  );
  // The one that had come least far speaks for all.
  const [least] = found.map(({ applied }) => applied).sort((a, b) => (a?.segment ?? -1) - (b?.segment ?? -1));
  return { applied: least, ids: found.map(({ near }) => near.flatMap(({ key }) => key ?? [])) };
}
