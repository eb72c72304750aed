/**
 * FAISS learns in a process of its own: it takes seconds in one native call, ends its process at some input, and
 * faiss-node 0.5.1 cannot be loaded by two threads of one process. The sample and the result pass through files.
 */
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fail, fromWire, type WireError } from "../../runtime/errors.ts";
import type { EngineSpec } from "./engine.ts";
import type { Graph } from "./graph.ts";
import { type FaissPlan, factoryFor, trainingRows } from "./index-type.ts";
import type { SharedRows } from "./shared-rows.ts";

/** What the process gets as its one argument. */
export interface Lesson {
  spec: EngineSpec;
  factory: string;
  sample: string;
  start: string;
}

/** Written at once: the thread answers searches between two pieces. */
const pieceRows = 256;

/** Makes an index without rows from the first `rows`, and gives it to `use`; what was written is deleted afterwards. */
export async function learnFaiss(
  {
    spec,
    plan,
    rows,
    shared,
    signal,
  }: { spec: EngineSpec; plan: FaissPlan; rows: number; shared: SharedRows; signal: AbortSignal },
  use: (path: string) => Graph,
): Promise<Graph> {
  const directory = await mkdtemp(join(tmpdir(), "lakehouse-faiss-"));
  const lesson: Lesson = {
    spec,
    factory: factoryFor(plan, rows, spec.dimension),
    sample: join(directory, "sample"),
    start: join(directory, "start"),
  };
  try {
    const lists = Number(/IVF(\d+)/.exec(lesson.factory)?.[1] ?? 0);
    const wanted = Math.min(rows, trainingRows({ lists, learnFrom: plan.learnFrom }));
    await writeSample(lesson.sample, shared, { rows, wanted });
    await learn(lesson, signal);
    return use(lesson.start);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Rows spread evenly over all that are there. */
async function writeSample(
  path: string,
  shared: SharedRows,
  { rows, wanted }: { rows: number; wanted: number },
): Promise<void> {
  const file = await open(path, "w");
  try {
    for (let first = 0; first < wanted; first += pieceRows) {
      const count = Math.min(pieceRows, wanted - first);
      const piece = new Float32Array(count * shared.dimension);
      for (let at = 0; at < count; at++) {
        const row = Math.floor(((first + at) * rows) / wanted);
        piece.set(shared.range(row, row + 1), at * shared.dimension);
      }
      await file.writeFile(new Uint8Array(piece.buffer));
    }
  } finally {
    await file.close();
  }
}

async function learn(lesson: Lesson, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const learner = Bun.spawn(
    [process.execPath, join(import.meta.dir, "faiss-learner.ts"), JSON.stringify(lesson)],
    {
      stdio: ["ignore", "pipe", "pipe"],
      signal,
      killSignal: "SIGKILL",
    },
  );
  const [code, said, complained] = await Promise.all([
    learner.exited,
    new Response(learner.stdout).text(),
    new Response(learner.stderr).text(),
  ]);
  signal.throwIfAborted();
  if (code === 0) return;
  if (code === 3) throw fromWire(JSON.parse(said) as WireError);
  throw fail("internal", `FAISS could not learn type '${lesson.factory}' from the index's rows`, {
    cause: new Error(`the learning process ended with code ${code}: ${complained.slice(-2000)}`),
  });
}
