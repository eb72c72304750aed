/** matrixd over all it stands on, in this thread; DuckDB makes its datasets. */

import type { Config } from "../../../runtime/config/settings.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import { type Embedd, embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { type Matrixd, matrixd } from "../../../workers/matrixd/contract.ts";
import { createMatrixd } from "../../../workers/matrixd/service.ts";
import { type Pathwayd, pathwayd } from "../../../workers/pathwayd/contract.ts";
import { createPathwayd } from "../../../workers/pathwayd/service.ts";
import type { Queryd } from "../../../workers/queryd/contract.ts";
import { type Vectord, vectord } from "../../../workers/vectord/contract.ts";
import { createVectord } from "../../../workers/vectord/service.ts";
import { type InProcess, startInProcess } from "./in-process.ts";
import { type QuerydStack, startQuerydStack } from "./queryd.ts";

export type MatrixdStack = Awaited<ReturnType<typeof startMatrixdStack>>;

/** What matrixd sees of its peers, wrapped: to fail, to count, to wait. */
export interface MatrixdPeers {
  queryd: Peer<Queryd>;
  vectord: Peer<Vectord>;
  embedd: Peer<Embedd>;
  pathwayd: Peer<Pathwayd>;
}

export interface StackOptions {
  settings?: Partial<Config["matrixd"]>;
  peers?: (peers: MatrixdPeers) => MatrixdPeers;
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
  body: any;
}

/** Starts storaged, catalogd, queryd, vectord, embedd, pathwayd and matrixd on a directory of their own. */
export async function startMatrixdStack({ settings = {}, peers: wrap = (all) => all }: StackOptions = {}) {
  const base: QuerydStack = await startQuerydStack();
  const config: Config = { ...base.config, matrixd: { ...base.config.matrixd, ...settings } };
  const embedding = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
  const vectors = await startInProcess(
    { contract: vectord, create: createVectord },
    {
      config: { ...config, vectord: { ...config.vectord, threads: 1 } },
      peers: { storaged: base.storaged.peer, embedd: embedding.peer },
    },
  );
  const pathways = await startInProcess(
    { contract: pathwayd, create: createPathwayd },
    { config, peers: { embedd: embedding.peer } },
  );
  const peers = wrap({
    queryd: base.queryd.peer,
    vectord: vectors.peer,
    embedd: embedding.peer,
    pathwayd: pathways.peer,
  });
  const start = (adopted?: (place: string) => boolean) =>
    startInProcess(
      { contract: matrixd, create: createMatrixd },
      { config, peers: { catalogd: base.catalogd.peer, ...peers }, ...(adopted && { adopted }) },
    );
  let running: InProcess<Matrixd> = await start();

  const send = (request: Request) => running.send(request);
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await send(
      new Request(`http://localhost/matrix${path}`, {
        method,
        ...(body !== undefined && {
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      }),
    );
    return { status: response.status, headers: response.headers, body: await response.json() };
  };
  /** The job as it ended. */
  const ended = async (jobId: string) => {
    for (;;) {
      const job = await running.peer.verbs.job({ job_id: jobId });
      if (job.state !== "queued" && job.state !== "running") return job;
      await (await send(new Request(`http://localhost/matrix/jobs/${jobId}/events`))).text();
    }
  };
  return {
    config,
    directory: base.directory,
    base,
    embedd: embedding,
    vectord: vectors,
    pathwayd: pathways,
    /** The one that runs now. */
    get matrixd() {
      return running;
    },
    get verbs() {
      return running.peer.verbs;
    },
    send,
    post: (path: string, body: unknown) => ask("POST", path, body),
    put: (path: string, body: unknown) => ask("PUT", path, body),
    get: (path: string) => ask("GET", path),
    del: (path: string) => ask("DELETE", path),
    /** Registers the rows of a statement as a dataset. */
    dataset: base.dataset,
    ended,
    /** Builds or refreshes a corpus; the job as it ended. Throws when it did not end well. */
    build: async (spec: Parameters<InProcess<Matrixd>["peer"]["verbs"]["build"]>[0]) => {
      const { job_id } = await running.peer.verbs.build(spec);
      const job = await ended(job_id);
      if (job.state !== "done") throw new Error(`${job.state}: ${job.error?.type} ${job.error?.message}`);
      return job;
    },
    /** The value of one of embedd's metrics, labels and all: `embedd_texts_total`. */
    embeddMetric: async (series: string): Promise<number> => {
      const page = await (await embedding.send(new Request("http://localhost/metrics"))).text();
      const line = page.split("\n").find((text) => text.startsWith(`lakehouse_${series} `));
      return Number(line?.split(" ").at(-1) ?? 0);
    },
    /** Stops matrixd, lets `between` happen, and starts another on the same directory. */
    restart: async (between: () => void | Promise<void> = () => {}, adopted?: (place: string) => boolean) => {
      await running.stop();
      await between();
      running = await start(adopted);
    },
    /** Another on the same directory; between the two of a restart. */
    start: async () => void (await start()),
    stop: async () => {
      await running.stop();
      await pathways.stop();
      await embedding.stop();
      await vectors.stop();
      await base.stop();
    },
  };
}
