/** catalogd over a real storaged, both in this thread, on one data directory. */
import type { Static } from "@sinclair/typebox";
import type { Config } from "../../../runtime/config/settings.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import type { Clock } from "../../../runtime/scheduling/clock.ts";
import {
  type Catalogd,
  catalogd,
  type DataObject,
  type Manifest,
} from "../../../workers/catalogd/contract.ts";
import { createCatalogd } from "../../../workers/catalogd/service.ts";
import { type Storaged, storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { configWith, type InProcess, startInProcess } from "./in-process.ts";

export type CatalogObject = Static<typeof DataObject>;
export type CatalogManifest = Static<typeof Manifest>;
export type Registration = Parameters<Peer<Catalogd>["verbs"]["register"]>[0];

export interface Catalog {
  storaged: InProcess<Storaged>;
  catalogd: InProcess<Catalogd>;
  verbs: Peer<Catalogd>["verbs"];
  send: (request: Request) => Promise<Response>;
  /** Stores an object of this text and describes it as a registration does. */
  object: (key: string, text?: string, rows?: number) => Promise<CatalogObject>;
  stop: () => Promise<void>;
}

/** Starts both. `between` may wrap storaged's verbs as catalogd sees them; `settings` change catalogd's section. */
export async function startCatalog(
  dataDir: string,
  {
    between = (verbs) => verbs,
    settings = {},
    adopted,
    clock,
  }: {
    between?: (verbs: Peer<Storaged>["verbs"]) => Peer<Storaged>["verbs"];
    settings?: Partial<Config["catalogd"]>;
    /** Places that are taken as they are, as `catalogd/a` or `primary`. */
    adopted?: string[];
    clock?: Clock;
  } = {},
): Promise<Catalog> {
  const config = configWith({ data_dir: dataDir, catalogd: settings });
  const taken = adopted && { adopted: (place: string) => adopted.includes(place) };
  const store = await startInProcess(
    { contract: storaged, create: createStoraged },
    { config, peers: {}, ...taken },
  );
  const peers = { storaged: { ...store.peer, verbs: between(store.peer.verbs) } };
  const catalog = await startInProcess(
    { contract: catalogd, create: createCatalogd },
    { config, peers, ...taken, ...(clock && { clock }) },
  );
  return {
    storaged: store,
    catalogd: catalog,
    verbs: catalog.peer.verbs,
    send: catalog.send,
    object: async (key, text = key, rows = 1) => {
      const { bytes, etag } = await store.peer.verbs.write({ key, bytes: new TextEncoder().encode(text) });
      return { key, bytes, etag, row_count: rows, statistics: [] };
    },
    stop: async () => {
      await catalog.stop();
      await store.stop();
    },
  };
}

/** Two columns; enough where the schema does not matter. */
export const twoColumns: Registration["columns"] = [
  { name: "id", type: "BIGINT", nullable: false },
  { name: "name", type: "VARCHAR", nullable: true },
];
