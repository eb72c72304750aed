/** vectord over the real storaged and embedd in this thread. */

import type { Config } from "../../../runtime/config/settings.ts";
import type { Peer } from "../../../runtime/contract/endpoints.ts";
import { startWaitMs, systemClock } from "../../../runtime/scheduling/clock.ts";
import { embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { type Storaged, storaged } from "../../../workers/storaged/contract.ts";
import { createStoraged } from "../../../workers/storaged/service.ts";
import { vectord } from "../../../workers/vectord/contract.ts";
import { createVectord } from "../../../workers/vectord/service.ts";
import { configWith, startInProcess, temporaryDirectory } from "./in-process.ts";

export type VectordStack = Awaited<ReturnType<typeof startVectordStack>>;

export interface StackOptions {
  settings?: Partial<Config["vectord"]>;
  /** A directory to keep; else a temporary one that `stop` removes. */
  directory?: string;
  /** Wraps the verbs of storaged as vectord sees them. */
  storaged?: (verbs: Peer<Storaged>["verbs"]) => Peer<Storaged>["verbs"];
  /** Places that are taken as they are, as `vectord/x`. */
  adopted?: string[];
}

export interface Answer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes.
  body: any;
}

/** Starts both services; with a directory of an earlier stack, on what that one stored. */
export async function startVectordStack(options: StackOptions = {}) {
  const { settings = {}, directory, storaged: wrap, adopted = [] } = options;
  const temporary = directory === undefined ? temporaryDirectory("vectord") : undefined;
  const path = directory ?? temporary?.path ?? "";
  const config = configWith({ data_dir: path, vectord: { threads: 1, ...settings } });
  const stored = await startInProcess({ contract: storaged, create: createStoraged }, { config, peers: {} });
  const peer = wrap ? { ...stored.peer, verbs: wrap(stored.peer.verbs) } : stored.peer;
  const embedding = await startInProcess({ contract: embedd, create: createEmbedd }, { config, peers: {} });
  // A start goes on without what is not open after five seconds: here it waits for all, however busy the machine is.
  let isOpening = wrap === undefined;
  const sleep: typeof systemClock.sleep = (ms, signal) =>
    systemClock.sleep(isOpening && ms === startWaitMs ? 60 * 60_000 : ms, signal);
  const service = await startInProcess(
    { contract: vectord, create: createVectord },
    {
      ...{ config, peers: { storaged: peer, embedd: embedding.peer }, clock: { ...systemClock, sleep } },
      adopted: (place) => adopted.includes(place),
    },
  );
  isOpening = false;

  const send = async (method: string, at: string, body?: unknown, headers: Record<string, string> = {}) => {
    const isRaw = body === undefined || body instanceof Uint8Array || typeof body === "string";
    const response = await service.send(
      new Request(`http://localhost/vectors${at}`, {
        method,
        headers: isRaw ? headers : { "content-type": "application/json", ...headers },
        ...(body !== undefined && { body: isRaw ? (body as BodyInit) : JSON.stringify(body) }),
      }),
    );
    return { status: response.status, headers: response.headers, body: await response.json() } as Answer;
  };
  return {
    config,
    directory: path,
    storaged: stored.peer.verbs,
    vectord: service.peer.verbs,
    running: service.running,
    log: service.log,
    send: service.send,
    post: (at: string, body?: unknown, headers?: Record<string, string>) => send("POST", at, body, headers),
    patch: (at: string, body: unknown, headers?: Record<string, string>) => send("PATCH", at, body, headers),
    put: (at: string, body: unknown) => send("PUT", at, body),
    get: (at: string) => send("GET", at),
    del: (at: string) => send("DELETE", at),
    /** Resolves when the engine covers every row of the index. */
    indexed: async (name: string) => {
      for (;;) {
        const { count, deleted, indexed } = await service.peer.verbs.info({ name });
        if (indexed >= count + deleted) return;
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
    },
    stop: async () => {
      await service.stop();
      await embedding.stop();
      await stored.stop();
      temporary?.remove();
    },
  };
}
