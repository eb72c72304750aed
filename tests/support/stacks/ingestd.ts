/** ingestd over the real storaged and catalogd in this thread, and DuckDB to look at what it wrote. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DuckDBInstance } from "@duckdb/node-api";
import type { Config } from "../../../runtime/config/settings.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import { type Catalogd, catalogd } from "../../../workers/catalogd/contract.ts";
import { createCatalogd } from "../../../workers/catalogd/service.ts";
import { ingestd } from "../../../workers/ingestd/contract.ts";
import type { DatasetManifest, IngestAnswer } from "../../../workers/ingestd/jobs/task.ts";
import { createIngestd } from "../../../workers/ingestd/service.ts";
import { matrixd } from "../../../workers/matrixd/contract.ts";
import { queryd } from "../../../workers/queryd/contract.ts";
import { createQueryd } from "../../../workers/queryd/service.ts";
import { type Storaged, storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { startContractPeer } from "./contract-peer.ts";
import { configWith, startInProcess, temporaryDirectory } from "./in-process.ts";

export type IngestStack = Awaited<ReturnType<typeof startIngestStack>>;

export interface Sent {
  status: number;
  headers: Headers;
  answer: IngestAnswer;
  error: { type: string; message: string; details?: unknown };
}

/** Wraps the verbs of peers as ingestd sees them. */
export interface Between {
  storaged?: (verbs: Peer<Storaged>["verbs"]) => Peer<Storaged>["verbs"];
  catalogd?: (verbs: Peer<Catalogd>["verbs"]) => Peer<Catalogd>["verbs"];
}

/** Starts the three services on a directory of their own. */
export async function startIngestStack(
  changes: Partial<Config["ingestd"]> = {},
  between: Between = {},
  ofCatalog: Partial<Config["catalogd"]> = {},
  directory?: string,
) {
  const own = directory === undefined ? temporaryDirectory("ingestd") : undefined;
  const { path, remove } = own ?? { path: directory ?? "", remove: () => {} };
  const config = configWith({ data_dir: path, ingestd: { threads: 2, ...changes }, catalogd: ofCatalog });
  const stored = await startInProcess({ contract: storaged, create: createStoraged }, { config, peers: {} });
  const cataloged = await startInProcess(
    { contract: catalogd, create: createCatalogd },
    { config, peers: { storaged: stored.peer } },
  );
  const querying = await startInProcess(
    { contract: queryd, create: createQueryd },
    { config, peers: { storaged: stored.peer, catalogd: cataloged.peer } },
  );
  const matrix = await startContractPeer(matrixd, path, {});
  const same = <T>(verbs: T): T => verbs;
  let asked = 0;
  const peers = {
    storaged: { ...stored.peer, verbs: (between.storaged ?? same)(stored.peer.verbs) },
    catalogd: { ...cataloged.peer, verbs: (between.catalogd ?? same)(cataloged.peer.verbs) },
    queryd: {
      ...querying.peer,
      fetch: (...given: Parameters<typeof querying.peer.fetch>) => {
        asked += 1;
        return querying.peer.fetch(...given);
      },
    },
    // Asked where documents are loaded alone: `corpora/documents.ts` has it.
    matrixd: matrix.peer,
  };
  const ingesting = await startInProcess({ contract: ingestd, create: createIngestd }, { config, peers });
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const query = async (sql: string) => (await connection.runAndReadAll(sql)).getRowsJson();

  const post = async (path_: string, body: BodyInit, headers: Record<string, string> = {}): Promise<Sent> => {
    const init = { method: "POST", body, headers, duplex: "half" } as RequestInit;
    const response = await ingesting.send(new Request(`http://localhost${path_}`, init));
    const json = (await response.json()) as { error?: Sent["error"] };
    const error = json.error ?? { type: "", message: "" };
    return {
      status: response.status,
      headers: response.headers,
      answer: json as unknown as IngestAnswer,
      error,
    };
  };
  /** The objects of a version as a FROM clause. */
  const relation = async (manifest: DatasetManifest) => {
    const paths = await Promise.all(
      manifest.objects.map(async ({ key }) => {
        const location = await stored.peer.verbs.locate({ key });
        if (location.kind !== "local") throw new Error("expected a local object");
        return `'${location.path}'`;
      }),
    );
    return `read_parquet([${paths.join(", ")}])`;
  };

  return {
    config,
    peers,
    directory: path,
    ingestd: ingesting,
    catalogd: cataloged.peer.verbs,
    verbs: ingesting.peer.verbs,
    /** Statements that queryd was sent by ingestd. */
    statements: () => asked,
    /** The rows of a statement as queryd gives them. */
    rows: async (sql: string, more: object = {}) => {
      const body = JSON.stringify({ sql, ...more });
      const headers = { "content-type": "application/json" };
      const response = await querying.send(
        new Request("http://localhost/sql", { method: "POST", body, headers }),
      );
      return (await response.json()) as Record<string, unknown>[];
    },
    storaged: stored.peer.verbs,
    /** Requests to the catalog, as to its REST face at /iceberg. */
    iceberg: cataloged.send,
    send: ingesting.send,
    post,
    ingest: (name: string, body: BodyInit, params = "", headers: Record<string, string> = {}) =>
      post(`/ingest?name=${name}${params}`, body, headers),
    query,
    relation,
    /** Every cell of a version as DuckDB writes it as text, row by row. */
    cells: async (manifest: DatasetManifest) =>
      (await query(`SELECT COLUMNS(*)::VARCHAR FROM ${await relation(manifest)}`)) as (string | null)[][],
    types: (manifest: DatasetManifest) =>
      Object.fromEntries(manifest.columns.map(({ name, type }) => [name, type])),
    /** What stays in ingestd's work directory: after an answer its files are cleared away, which is waited for. */
    leftovers: async () => {
      const left = () =>
        readdirSync(join(path, "ingestd", "work")).filter(
          (name) => name !== "duckdb" && name !== "extraction",
        );
      for (let tries = 0; left().length > 0 && tries < 500; tries++) await Bun.sleep(10);
      return left();
    },
    objects: async () =>
      (await stored.peer.verbs.list({ prefix: "datasets/" })).objects.map(({ key }) => key),
    stop: async () => {
      connection.closeSync();
      instance.closeSync();
      await ingesting.stop();
      await matrix.stop();
      await querying.stop();
      await cataloged.stop();
      await stored.stop();
      remove();
    },
  };
}
