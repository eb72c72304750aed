/**
 * FAISS is trained in a child process: it takes seconds in one native call, and at some input it ends its process or does
 * not come back (ADR 0162). The sample and the result pass through files.
 */
import { mkdtempSync, realpathSync } from "node:fs";
import { open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChildPool, createChildPool, type Lease } from "../../../runtime/child/child.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import { program } from "../../../runtime/program/program.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Log, Metrics } from "../../../runtime/telemetry/telemetry.ts";
import { type EngineSpec, type FaissPlan, factoryFor, trainingRows } from "../engine/engine.ts";
import type { VectorBlocks } from "../rows/rows.ts";
import { type FaissWork, faissWork } from "./child.ts";

export interface TrainingOptions {
  /** For all trainings under way, in bytes. */
  trainingBytesMax: number;
  clock: Clock;
  log: Log;
  metrics: Metrics;
}

export interface TrainingTask {
  spec: EngineSpec;
  plan: FaissPlan;
  /** It is trained on the first so many rows of the blocks. */
  rows: number;
  blocks: VectorBlocks;
  signal: AbortSignal;
}

export interface FaissTraining {
  /** Throws `bad_request` for a type that FAISS does not make at this dimension. */
  probe: (spec: EngineSpec, plan: FaissPlan) => Promise<void>;
  /** Makes an index without rows and gives its file to `use`; what was written is deleted afterwards. */
  train: (task: TrainingTask, use: (path: string) => Promise<unknown>) => Promise<void>;
  stop: () => Promise<void>;
}

/** Rows with which a new index is tried in the child, if there are so many: the calls of a first slice of a build. */
export const triedRows = 256;
/** Written at once: the thread answers searches between two pieces. */
const pieceRows = 256;
/** The largest sample, 64 Mi numbers, trained in less; what takes longer does not end. */
const trainTimeoutMs = 1_800_000;
const openFilesMax = 256;

interface Started {
  pool: ChildPool<FaissWork>;
  folder: string;
}

/** Starts nothing before the first index of FAISS. */
export function createFaissTraining(options: TrainingOptions): FaissTraining {
  let started: Started | undefined;
  const start = (): Started => {
    started ??= startPool(options);
    return started;
  };
  return {
    probe: async (spec, plan) => {
      const { signal } = new AbortController();
      const lease = await start().pool.lease(signal);
      const factory = factoryFor(plan, 0, spec.dimension);
      await lease.verbs.probe({ spec, factory }).finally(lease.release);
    },
    train: async (task, use) => {
      const { pool, folder } = start();
      const path = join(folder, crypto.randomUUID());
      const lease = await pool.lease(task.signal);
      try {
        await train(lease, task, path);
        await use(`${path}.start`);
      } catch (error) {
        // Nobody needs what it still does.
        lease.kill(fail("unavailable", "nobody needs this training any more"));
        await lease.ended;
        task.signal.throwIfAborted();
        throw error;
      } finally {
        lease.release();
        for (const name of ["sample", "start", "start.tried"]) await rm(`${path}.${name}`, { force: true });
      }
    },
    stop: async () => {
      if (started === undefined) return;
      await started.pool.stop();
      await rm(started.folder, { recursive: true, force: true });
    },
  };
}

function startPool({ trainingBytesMax, ...others }: TrainingOptions): Started {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "lakehouse-faiss-")));
  const pool = createChildPool({
    contract: faissWork,
    entry: program("workers/vectord/faiss/main.ts"),
    init: {},
    scratch: folder,
    readable: [],
    writable: async () => [folder],
    openFilesMax,
    callTimeoutMs: trainTimeoutMs,
    idleMin: 0,
    graceMs: 0,
    memoryBytesMax: trainingBytesMax,
    ...others,
  });
  return { pool, folder };
}

async function train(
  { verbs }: Lease<FaissWork>,
  { spec, plan, rows, blocks, signal }: TrainingTask,
  path: string,
): Promise<void> {
  const factory = factoryFor(plan, rows, spec.dimension);
  const lists = Number(/IVF(\d+)/.exec(factory)?.[1] ?? 0);
  const trained = Math.max(trainingRows({ lists, trainFrom: plan.trainFrom }), triedRows);
  const [sample, start] = [`${path}.sample`, `${path}.start`];
  await writeSample(sample, blocks, { rows, wanted: Math.min(rows, trained) });
  await verbs.train({ spec, factory, sample, start }, { signal });
}

/** Rows spread evenly over all that are there. */
async function writeSample(
  path: string,
  blocks: VectorBlocks,
  { rows, wanted }: { rows: number; wanted: number },
): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let first = 0; first < wanted; first += pieceRows) {
      const count = Math.min(pieceRows, wanted - first);
      const piece = new Float32Array(count * blocks.dimension);
      for (let at = 0; at < count; at++)
        piece.set(blocks.row(Math.floor(((first + at) * rows) / wanted)), at * blocks.dimension);
      await file.writeFile(new Uint8Array(piece.buffer));
    }
  } finally {
    await file.close();
  }
}
