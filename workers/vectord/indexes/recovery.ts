/** Makes an index live at a start, from what its journal recovered, or from an empty journal. */
import { ServiceError } from "../../../runtime/errors/errors.ts";
import type { MemoryBudget, Room } from "../../../runtime/memory/memory.ts";
import { describe } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine } from "../engine/engine.ts";
import type { Journal, Recovered } from "../journal/journal.ts";
import {
  type Batch,
  bytesOfRows,
  bytesOfStored,
  createRows,
  type Rows,
  type VectorBlocks,
} from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { createGeneration } from "./generation.ts";
import { localSpec } from "./index-engine.ts";
import { createLiveIndex, type LiveDeps, type LiveIndex } from "./live-index.ts";

/** Makes the index of an empty journal live. */
export const startLive = (
  deps: LiveDeps,
  config: IndexConfig,
  journal: Journal,
  engine: Engine,
  rows: Rows,
) => {
  const replica = deps.remotes.replica(config, journal.incarnation());
  replica?.applied(0, rows, []);
  return createLiveIndex(
    deps,
    { config, journal, problems: [], replica },
    createGeneration({
      ...{ ...deps, rows, engine: replica?.over(rows, engine) ?? engine, vectors: config.vectors },
      room: deps.budget.take(0, config.name),
    }),
  );
};

/** For what was recovered and is not read yet. Throws `memory_full`. */
export const roomToRead = (budget: MemoryBudget, { config, stored }: Recovered): Room =>
  budget.take(bytesOfStored(config, stored), "it is closed: to be read it");

/** Reads what was recovered into memory; the engine covers it in the background where no file of it was kept. */
export async function recoverLive(
  deps: LiveDeps,
  journal: Journal,
  recovered: Recovered,
  room: Room,
): Promise<LiveIndex> {
  try {
    return await readLive(deps, journal, recovered, room);
  } catch (error) {
    room.give();
    throw error;
  }
}

async function readLive(
  deps: LiveDeps,
  journal: Journal,
  recovered: Recovered,
  room: Room,
): Promise<LiveIndex> {
  const { config } = recovered;
  const problems: string[] = [];
  const blocks = deps.blocksFor(config);
  const rows = createRows(blocks);
  const replica = deps.remotes.replica(config, recovered.incarnation);
  const apply = (batch: Batch) => {
    const applied = rows.apply(batch);
    deps.idempotency.found(batch.operation, () => applied);
    // Texts of segments may take more than their bytes let expect.
    const more = bytesOfRows(config, rows) - room.bytes();
    if (more <= 0) return;
    deps.budget.take(more, "it is closed: to be read to the end it").give();
    room.resize(room.bytes() + more);
  };
  try {
    for await (const upserts of recovered.rows) apply({ deletes: [], upserts });
    replica?.applied(recovered.base, rows, []);
    for await (const { segment, ...batch } of recovered.batches) {
      apply(batch);
      replica?.applied(segment, rows, batch.deletes);
    }
  } catch (error) {
    blocks.close();
    throw error;
  }
  const engine = await reopenEngine(deps, recovered, blocks, problems);
  // The journal finds some of them only while its batches are read.
  problems.unshift(...recovered.problems);
  for (const problem of problems) deps.log.warn("recovered with a problem", { index: config.name, problem });
  room.resize(bytesOfRows(config, rows));
  return createLiveIndex(
    deps,
    { config, journal, problems, replica },
    createGeneration({
      ...{ ...deps, rows, room, vectors: config.vectors },
      engine: replica?.over(rows, engine) ?? engine,
    }),
  );
}

async function reopenEngine(
  { engines, log }: LiveDeps,
  { config, engine }: Recovered,
  blocks: VectorBlocks,
  problems: string[],
): Promise<Engine> {
  if (engine) {
    try {
      return await engines.open(localSpec(config), blocks, { ...engine, rows: blocks.rows() });
    } catch (error) {
      if (error instanceof ServiceError && error.type === "unavailable") throw error;
      log.warn("the engine's file cannot be read", { index: config.name, ...describe(error) });
      problems.push("the file of the engine's structure could not be read: it is built again");
    }
  }
  return engines.open(localSpec(config), blocks);
}
