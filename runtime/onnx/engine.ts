/** The parent of the child process that runs models in ONNX's form: one at a time, bounded in memory, ended when it is late. */
import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildPool, createChildPool, type Lease } from "../child/child.ts";
import type { ReplyOf } from "../contract/contract.ts";
import { discard } from "../durable/durable.ts";
import { fail, ServiceError } from "../errors/errors.ts";
import { program } from "../program/program.ts";
import { type Clock, createLimiter } from "../scheduling/scheduling.ts";
import type { Log, Metrics } from "../telemetry/telemetry.ts";
import { type OnnxWork, onnxWork } from "./child.ts";
import { packagesFolder } from "./packages.ts";

interface EngineOptions {
  /** The folder of models; each call names a folder in it. */
  directory: string;
  /** Processors that one run uses. */
  threads: number;
  /** Of the child, without what a child has anyway, in bytes. */
  memoryBytesMax: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

type Replies = { [V in keyof OnnxWork["endpoints"]]: ReplyOf<OnnxWork["endpoints"][V]> };

export interface OnnxEngine {
  look: (folder: string, graph: string, signal: AbortSignal) => Promise<Replies["look"]>;
  embed: (folder: string, texts: readonly string[], signal: AbortSignal) => Promise<Replies["embed"]>;
  score: (
    folder: string,
    query: string,
    texts: readonly string[],
    signal: AbortSignal,
  ) => Promise<Replies["score"]>;
  /** The child that is there, for who measures it. */
  pid: () => number | undefined;
  stop: () => Promise<void>;
}

/** Callers have deadlines of their own, which come first. */
const callTimeoutMs = 24 * 60 * 60 * 1000;
/** A run of a batch is one native call; work that was given up ends behind it. */
const graceMs = 10_000;
const openFilesMax = 256;

/** Starts nothing before the first call. */
export function createOnnxEngine(options: EngineOptions): OnnxEngine {
  let pool: ChildPool<OnnxWork> | undefined;
  let scratch: string | undefined;
  let pid: number | undefined;
  // One at a time: two would only take turns on the same processors, and load each model twice.
  const limiter = createLimiter(1);
  const started = (): ChildPool<OnnxWork> => {
    scratch ??= realpathSync(mkdtempSync(join(tmpdir(), "lakehouse-onnx-")));
    pool ??= createPool(options, scratch);
    return pool;
  };
  const within = async <T>(signal: AbortSignal, work: (verbs: Verbs) => Promise<T>): Promise<T> => {
    const free = await limiter.take(signal);
    try {
      const child = await started().lease(signal);
      pid = child.pid;
      try {
        return await work(child.verbs);
      } catch (cause) {
        throw asTold(cause, options.memoryBytesMax);
      } finally {
        child.release();
      }
    } finally {
      free();
    }
  };
  return {
    look: (folder, graph, signal) => within(signal, (verbs) => verbs.look({ folder, graph }, { signal })),
    embed: (folder, texts, signal) =>
      within(signal, (verbs) => verbs.embed({ folder, texts: [...texts] }, { signal })),
    score: (folder, query, texts, signal) =>
      within(signal, (verbs) => verbs.score({ folder, query, texts: [...texts] }, { signal })),
    pid: () => pid,
    stop: async () => {
      await pool?.stop();
      if (scratch !== undefined) await discard(scratch);
    },
  };
}

type Verbs = Lease<OnnxWork>["verbs"];

const createPool = ({ directory, threads, ...others }: EngineOptions, scratch: string) =>
  createChildPool({
    contract: onnxWork,
    entry: program("runtime/onnx/main.ts"),
    init: { threads },
    scratch,
    readable: [realpathSync(directory), realpathSync(packagesFolder)],
    writable: async () => [],
    openFilesMax,
    callTimeoutMs,
    graceMs,
    called: "onnx_process",
    ...others,
  });

/** Names the setting behind the bound. */
const asTold = (cause: unknown, bytesMax: number): unknown =>
  cause instanceof ServiceError && cause.type === "resource_exhausted"
    ? fail(
        "resource_exhausted",
        `the model needs more than ${Math.round(bytesMax / 1e6)} MB, which embedd.onnx_max_bytes sets: ${cause.message}`,
        { cause },
      )
    : cause;
