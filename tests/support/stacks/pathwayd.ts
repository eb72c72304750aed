/** pathwayd over a directory, with a clock that the test may hold. */
import { afterEach } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../../../runtime/config/settings.ts";
import type { ClientOf, Peer } from "../../../runtime/contract/endpoints.ts";
import { makeDirectory } from "../../../runtime/durable/files.ts";
import type { Durable } from "../../../runtime/durable/inspection.ts";
import { openIdempotency } from "../../../runtime/idempotency/idempotency.ts";
import { openMarks } from "../../../runtime/marks/marks.ts";
import { createInvoke } from "../../../runtime/rpc/invoke.ts";
import { client } from "../../../runtime/rpc/transport.ts";
import { type Clock, systemClock } from "../../../runtime/scheduling/clock.ts";
import { createLog } from "../../../runtime/telemetry/log.ts";
import { createMetrics } from "../../../runtime/telemetry/metrics.ts";
import { type Embedd, embedd } from "../../../workers/embedd/contract.ts";
import { createEmbedd } from "../../../workers/embedd/service.ts";
import { type Pathwayd, pathwayd } from "../../../workers/pathwayd/contract.ts";
import { createPathwayd } from "../../../workers/pathwayd/service.ts";
import { takeAsTheyAre } from "../durability/marked.ts";
import {
  configWith,
  type InProcess,
  type LogLines,
  startInProcess,
  temporaryDirectory,
} from "./in-process.ts";
import { overLocal } from "./local-transport.ts";

export interface Memory {
  verbs: ClientOf<Pathwayd>;
  notReady: () => string[];
  metrics: () => string;
  durable: Durable;
  log: LogLines;
  stop: () => Promise<void>;
}

export interface MemoryOptions {
  clock?: Clock;
  config?: Partial<Config["pathwayd"]>;
  adopted?: (place: string) => boolean;
  /** embedd as pathwayd sees it. */
  embedd?: (peer: Peer<Embedd>) => Peer<Embedd>;
}

/** One embedd for all memories of the process: its model is read once. It keeps nothing. */
let sharing: Promise<InProcess<Embedd>> | undefined;
function sharedEmbedd(): Promise<InProcess<Embedd>> {
  const directory = sharing ? undefined : temporaryDirectory("pathwayd-embedd");
  if (directory) process.once("exit", directory.remove);
  sharing ??= startInProcess(
    { contract: embedd, create: createEmbedd },
    { config: configWith({ data_dir: directory?.path ?? "" }), peers: {} },
  );
  return sharing;
}

/** Starts pathwayd on `<dataDir>/pathwayd`. */
export async function openMemory(dataDir: string, options: MemoryOptions = {}): Promise<Memory> {
  const { clock = systemClock, config = {}, adopted = () => false } = options;
  const directory = join(dataDir, "pathwayd");
  await makeDirectory(directory);
  const lines: LogLines = [];
  const log = createLog("pathwayd", "debug", (line) => lines.push(JSON.parse(line)));
  const marks = await openMarks({ dataDir, service: "pathwayd", clock: systemClock, log });
  const idempotency = await openIdempotency(directory, clock, { kept: { marks, adopted: () => false }, log });
  const embedding = await sharedEmbedd();
  const metrics = createMetrics();
  const running = await createPathwayd({
    config: configWith({ data_dir: dataDir, pathwayd: config }),
    clock,
    log,
    metrics,
    idempotency,
    directory,
    marks,
    adopted,
    peers: { embedd: options.embedd?.(embedding.peer) ?? embedding.peer },
    newId: () => crypto.randomUUID(),
    secrets: { s3: () => undefined, provider: () => undefined },
    live: () => {
      const { auth, log } = configWith({});
      return { auth, log, provenance: { flags: [], keys: {} } };
    },
    system: () => [],
  }).catch(async (cause) => {
    await idempotency.close();
    await marks.close();
    throw cause;
  });
  const invoke = createInvoke(pathwayd, running.verbs, { idempotency, log });
  return {
    verbs: client(pathwayd, overLocal(invoke, { timeoutMs: 60_000, inFlightMax: 100_000 })),
    notReady: () => running.notReady?.() ?? [],
    metrics: metrics.text,
    durable: running.durable as Durable,
    log: lines,
    stop: async () => {
      await running.stop();
      await idempotency.close();
      await marks.close();
    },
  };
}

/** A directory a test, and what was opened on it; all of it gone afterwards. */
export function perTest() {
  const directories: ReturnType<typeof temporaryDirectory>[] = [];
  const open: Memory[] = [];
  afterEach(async () => {
    for (const memory of open.splice(0)) await memory.stop();
    for (const { remove } of directories.splice(0)) remove();
  });
  return {
    directory: (): string => {
      const directory = temporaryDirectory("pathwayd");
      directories.push(directory);
      return directory.path;
    },
    start: async (path: string, options?: MemoryOptions): Promise<Memory> => {
      const memory = await openMemory(path, options);
      open.push(memory);
      return memory;
    },
    /** Ends it as a restart would, and starts anew. */
    again: async (memory: Memory, path: string, options?: MemoryOptions): Promise<Memory> => {
      open.splice(open.indexOf(memory), 1);
      await memory.stop();
      const next = await openMemory(path, options);
      open.push(next);
      return next;
    },
  };
}

export const logPath = (dataDir: string): string => join(dataDir, "pathwayd", "traces.log");
export const readLog = (dataDir: string): Buffer => readFileSync(logPath(dataDir));

/** The line of one record, as the log writes it. */
export function lineOf(record: unknown): string {
  const text = JSON.stringify(record);
  return `{"crc32":"${Bun.hash.crc32(text).toString(16).padStart(8, "0")}","record":${text}}\n`;
}

/** A log with these records, every checksum right; as one that a restore has put there. */
export async function forgeLog(dataDir: string, records: readonly object[], version = 1): Promise<void> {
  await makeDirectory(join(dataDir, "pathwayd"));
  const lines = [{ format: "lakehouse.pathway", version }, ...records].map(lineOf);
  writeFileSync(logPath(dataDir), lines.join(""));
  await takeAsTheyAre(join(dataDir, "pathwayd"), ["traces.log"]);
}

/** A clock that stands still until it is moved. */
export function heldClock(start = Date.UTC(2026, 0, 1)): Clock & { move: (ms: number) => void } {
  let now = start;
  return {
    ...systemClock,
    now: () => now,
    move: (ms) => {
      now += ms;
    },
  };
}
