/** queryd over the real storaged and catalogd in this thread, and DuckDB to make datasets with. */
import { statSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Config } from "../../../runtime/config/settings.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import type { Secrets } from "../../../runtime/secrets/secrets.ts";
import { type Catalogd, catalogd } from "../../../workers/catalogd/contract.ts";
import { createCatalogd } from "../../../workers/catalogd/service.ts";
import { queryd } from "../../../workers/queryd/contract.ts";
import { createQueryd } from "../../../workers/queryd/service.ts";
import { type Storaged, storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import type { CatalogManifest } from "./catalogd.ts";
import { configWith, type InProcess, startInProcess, temporaryDirectory } from "./in-process.ts";

export interface QuerydStack {
  config: Config;
  directory: string;
  queryd: InProcess<typeof queryd>;
  catalogd: InProcess<Catalogd>;
  storaged: InProcess<Storaged>;
  send: (request: Request) => Promise<Response>;
  /** POST /sql; `init` may hold headers, a signal, query text. */
  sql: (
    body: Record<string, unknown> | string,
    init?: { accept?: string; search?: string; signal?: AbortSignal },
  ) => Promise<Response>;
  /** The rows of a statement, as JSON gives them. */
  rows: (sql: string, params?: unknown) => Promise<Record<string, unknown>[]>;
  /** Registers the rows of a statement as a dataset, in so many objects. */
  dataset: (
    name: string,
    select: string,
    options?: { mode?: "append"; objects?: number; evolve?: boolean },
  ) => Promise<CatalogManifest>;
  /** Stops queryd and starts another on the same directory. */
  restart: () => Promise<void>;
  stop: () => Promise<void>;
}

export interface StackOptions {
  queryd?: Partial<Config["queryd"]>;
  buckets?: Config["buckets"];
  secrets?: Secrets;
  /** Wraps what queryd sees of its peers. */
  catalogd?: (peer: Peer<Catalogd>) => Peer<Catalogd>;
  storaged?: (peer: Peer<Storaged>) => Peer<Storaged>;
}

/** Starts the three services on a directory of their own. */
export async function startQuerydStack(options: StackOptions = {}): Promise<QuerydStack> {
  const { path, remove } = temporaryDirectory("queryd");
  const config = configWith({
    data_dir: path,
    queryd: { threads: 2, ...options.queryd },
    ...(options.buckets && { buckets: options.buckets }),
  });
  const secrets = options.secrets ? { secrets: options.secrets } : {};
  const stored = await startInProcess(
    { contract: storaged, create: createStoraged },
    { config, peers: {}, ...secrets },
  );
  const cataloged = await startInProcess(
    { contract: catalogd, create: createCatalogd },
    { config, peers: { storaged: stored.peer } },
  );
  const peers = {
    storaged: options.storaged?.(stored.peer) ?? stored.peer,
    catalogd: options.catalogd?.(cataloged.peer) ?? cataloged.peer,
  };
  const start = () =>
    startInProcess({ contract: queryd, create: createQueryd }, { config, peers, ...secrets });
  const instance = await DuckDBInstance.create(":memory:", { threads: "2" });
  const maker = await instance.connect();
  let running = await start();
  let files = 0;

  const send = (request: Request) => running.send(request);
  const sql: QuerydStack["sql"] = (body, { accept, search = "", signal } = {}) =>
    send(
      new Request(`http://localhost/sql${search}`, {
        method: "POST",
        headers: { "content-type": "application/json", ...(accept && { accept }) },
        body: typeof body === "string" ? JSON.stringify({ sql: body }) : JSON.stringify(body),
        ...(signal && { signal }),
      }),
    );
  const dataset: QuerydStack["dataset"] = async (name, select, { mode, objects = 1, evolve } = {}) => {
    const columns = (await maker.runAndReadAll(`DESCRIBE ${select}`)).getRows();
    const stored_: CatalogManifest["objects"] = [];
    for (let part = 0; part < objects; part++) {
      const file = join(path, `make-${files++}.parquet`);
      const slice =
        objects === 1
          ? select
          : `SELECT * FROM (${select}) WHERE hash(COLUMNS(*)) IS NOT NULL QUALIFY (row_number() OVER ()) % ${objects} = ${part}`;
      const written = await maker.runAndReadAll(`COPY (${slice}) TO '${file}' (FORMAT parquet)`);
      const key = `datasets/${name}/${files}.parquet`;
      const response = await stored.send(
        new Request(`http://localhost/storage/put/${key}`, { method: "PUT", body: Bun.file(file) }),
      );
      const { etag } = (await response.json()) as { etag: string };
      const row_count = Number(written.getRows()[0]?.[0]);
      stored_.push({ key, bytes: statSync(file).size, etag, row_count, statistics: [] });
      await Bun.file(file).delete();
    }
    return cataloged.peer.verbs.register({
      name,
      columns: columns.map(([column, type]) => ({
        name: String(column),
        type: String(type),
        nullable: true,
      })),
      objects: stored_,
      ...(mode && { operation: mode }),
      ...(evolve !== undefined && { evolve }),
    });
  };
  return {
    config,
    directory: path,
    get queryd() {
      return running;
    },
    catalogd: cataloged,
    storaged: stored,
    send,
    sql,
    rows: async (text, params) => {
      const response = await sql({ sql: text, ...(params !== undefined && { params }) });
      const answer = await response.text();
      if (!response.ok) throw new Error(answer);
      return JSON.parse(answer);
    },
    dataset,
    restart: async () => {
      await running.stop();
      running = await start();
    },
    stop: async () => {
      await running.stop();
      maker.closeSync();
      instance.closeSync();
      await cataloged.stop();
      await stored.stop();
      remove();
    },
  };
}
