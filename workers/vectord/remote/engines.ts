/** The configured engines, each asked for the first time when an index needs it. */
import type { Config } from "../../../runtime/config/config.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { type Connection, type ConnectionDeps, connect, nameOf, placeOf } from "./connection.ts";
import type { Driver } from "./interface.ts";
import { pgvector } from "./pgvector.ts";
import { qdrant } from "./qdrant.ts";
import { openReplica, type Replica } from "./replica.ts";
import { type RemoteSettings, readRemotes, unknownEngine } from "./settings.ts";
import { weaviate } from "./weaviate.ts";

export interface Remotes {
  /** Before an index is made there. Throws for an engine that is not known, cannot hold it, is another store's or away. */
  check: (config: IndexConfig) => Promise<void>;
  /** Of an index that lies in an engine; throws where that is not configured any more. */
  replica: (config: IndexConfig, incarnation: string) => Replica | undefined;
  /** Engines that are away. */
  problems: () => string[];
  stop: () => Promise<void>;
}

interface RemotesDeps extends Omit<ConnectionDeps, "takesOver"> {
  config: Pick<Config, "vectord">;
  secrets: Pick<Secrets, "provider">;
  newId: () => string;
  adopted: (place: string) => boolean;
}

function driverOf(settings: RemoteSettings): Driver {
  switch (settings.kind) {
    case "pgvector":
      return pgvector(settings);
    case "weaviate":
      return weaviate(settings);
    case "qdrant":
      return qdrant(settings);
  }
}

/** Throws for a table that is wrong. */
export function openRemotes(deps: RemotesDeps): Remotes {
  const { log, newId, adopted } = deps;
  const all = readRemotes(deps.config, deps.secrets);
  const open = new Map<string, Connection>();
  const connection = (name: string): Connection => {
    const settings = all.get(name);
    if (!settings) throw unknownEngine(name, [...all.keys()]);
    const opened =
      open.get(name) ??
      connect(settings, driverOf(settings), { ...deps, takesOver: adopted(placeOf(settings)) });
    open.set(name, opened);
    return opened;
  };
  const configured = (name: string): Connection => {
    if (all.has(name)) return connection(name);
    throw fail(
      "unavailable",
      `it lies in engine '${name}', which is not configured: put [vectord.engines.${name}] back, or restore a snapshot with another engine`,
    );
  };
  return {
    check: async (config) => {
      if (config.engine === undefined) return;
      const remote = connection(config.engine);
      refuseBeyond(config, remote);
      await remote.looked();
      const why = remote.away();
      if (why) throw why;
    },
    replica: (config, incarnation) =>
      config.engine === undefined
        ? undefined
        : openReplica(config, incarnation, { connection: configured(config.engine), log, newId }),
    problems: () =>
      [...open.values()].flatMap((one) => {
        const why = one.away();
        return why ? [`${why.message}; what lies in it cannot be searched, the other indexes can`] : [];
      }),
    stop: async () => {
      await Promise.all([...open.values()].map((one) => one.stop()));
    },
  };
}

/** What its graph cannot be. Throws `unprocessable`. */
function refuseBeyond(config: IndexConfig, { settings, driver: { limits } }: Connection): void {
  if (config.type !== "hnsw")
    throw fail("unprocessable", `${nameOf(settings)} has indexes of type hnsw alone, not '${config.type}'`);
  if (config.memory === "codes")
    throw fail("unprocessable", `memory codes stand in for a graph here, and that is in ${nameOf(settings)}`);
  const given = [
    ["dimension", config.dimension, limits.dimension],
    ["connectivity", config.connectivity, limits.connectivity],
    ["ef_construction", config.ef_construction, limits.efConstruction],
  ] as const;
  for (const [field, value, most] of given)
    if (value > most)
      throw fail("unprocessable", `${field}: ${nameOf(settings)} takes up to ${most}, got ${value}`);
}
