/** One open index: its rows and engine in memory, and the journal that makes them durable. */

import type { Static } from "@sinclair/typebox";
import type { Config } from "../../../runtime/config/config.ts";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Condition } from "../../../runtime/filter/filter.ts";
import type { Idempotency } from "../../../runtime/idempotency/idempotency.ts";
import type { MemoryBudget, Room } from "../../../runtime/memory/memory.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import { checkItems, type Items } from "../bodies/bodies.ts";
import type { Engines } from "../engine/engine.ts";
import type { Journal } from "../journal/journal.ts";
import type { Remotes, Replica } from "../remote/remote.ts";
import {
  type Applied,
  type Batch,
  bytesOfItems,
  bytesOfRows,
  deleteBatch,
  type Metadata,
  type Rows,
  type Upserts,
  upsertBatch,
  type VectorBlocks,
} from "../rows/rows.ts";
import type { IndexConfig, IndexInfo } from "../schemas/schemas.ts";
import {
  type FusedHit,
  type FusedQuery,
  fusedNeighbours,
  type Neighbour,
  nearestNeighbours,
  type Query,
} from "../search/search.ts";
import type { Generation } from "./generation.ts";
import { openEngine } from "./index-engine.ts";
import { infoOf } from "./info.ts";
import { createMaintenance } from "./maintenance.ts";
import { idsOf, type Page, pageOf } from "./pages.ts";
import { createWriter, type Writer } from "./writer.ts";

export interface LiveIndex {
  config: IndexConfig;
  /** Tells this opening of the index from every other: row sequences mean something within it only. */
  opening: string;
  journal: Pick<Journal, "damaged" | "snapshots" | "dropSnapshot" | "objectsOf" | "orphans">;
  snapshot: () => ReturnType<Journal["snapshot"]>;
  /** Checks all of the items, then adds them durably. */
  add: (items: Items, operation?: string) => Promise<{ added: number; replaced: number; count: number }>;
  /** Puts what `change` makes of the item in its place, durably. Throws `not_found`, and what `add` throws. */
  update: (id: string, change: Change, operation?: string) => Promise<void>;
  remove: (
    which: { ids: string[] } | { filter: Condition },
    signal: AbortSignal,
    operation?: string,
  ) => Promise<Removed>;
  /** One list a query, and the rows they stand for. */
  search: (query: Query) => Promise<{ rows: Rows; found: Neighbour[][] }>;
  /** By several vectors, or by a named one. */
  fused: (query: FusedQuery) => Promise<{ rows: Rows; found: FusedHit[] }>;
  /** The rows as they are. Not to be held across an await. */
  rows: () => Rows;
  /** Live rows that match, ascending, from the first whose sequence is above; at most `most`. */
  page: (page: Page) => Promise<{ rows: Rows; found: Uint32Array }>;
  compact: () => Promise<void>;
  /** Keeps what it reads open while the work goes on, whatever compaction does. */
  use: <T>(work: () => Promise<T>) => Promise<T>;
  /** Removes what lies of it in an engine of others, once it was dropped or has moved. */
  leaveEngine: () => Promise<void>;
  /** What such an engine has not taken yet, such as a removal. */
  owes: () => string | undefined;
  /** Memory that is reserved for it, in bytes. */
  memory: () => number;
  info: () => Omit<Static<typeof IndexInfo>, "aliases">;
  close: () => Promise<void>;
}

/** An item as it is to what it will be; its own vector where none is given. */
export type Change = (metadata: Metadata | undefined) => {
  metadata: Metadata | undefined;
  vector?: Float32Array;
};

interface Removed {
  deleted: number;
  missing: number;
  count: number;
}

export interface LiveDeps {
  settings: Config["vectord"];
  clock: Clock;
  log: Log;
  newId: () => string;
  engines: Engines;
  /** Empty ones, in memory or on disk. */
  blocksFor: (config: IndexConfig) => VectorBlocks;
  remotes: Remotes;
  budget: MemoryBudget;
  idempotency: Pick<Idempotency, "found">;
}

interface Parts {
  config: IndexConfig;
  journal: Journal;
  /** What was found wrong when it was read. */
  problems: readonly string[];
  /** Where it lies in an engine of others. */
  replica: Replica | undefined;
}

export function createLiveIndex(
  deps: LiveDeps,
  { config, journal, problems, replica }: Parts,
  first: Generation,
): LiveIndex {
  const { settings, clock, engines, budget } = deps;
  const log = named(deps.log, config.name);
  let current = first;
  const apply = (batch: Batch): Applied => {
    const applied = current.rows.apply(batch);
    current.room.resize(bytesOfRows(config, current.rows));
    replica?.applied(journal.segment(), current.rows, batch.deletes);
    current.cover();
    return applied;
  };
  const serve = (generation: Generation) => {
    current = generation;
    replica?.serve(generation.rows, generation.cover);
    generation.whenCovered(() => maintenance.check());
    generation.cover();
  };
  const writer = createWriter(journal, apply, settings.max_waiting);
  const maintenance = createMaintenance({
    settings,
    clock,
    log,
    journal,
    current: () => current,
    replace: (next) => {
      const old = current;
      serve(next);
      old.close().catch((error) => log.error("the old generation did not close", describe(error)));
    },
    newBlocks: () => deps.blocksFor(config),
    openEngine: (rows) => openEngine(engines, config, { rows, replica }),
    roomOf: (rows) => bytesOfRows(config, rows),
    vectors: config.vectors,
    roomFor: (rows) => roomForLive(budget, config, rows),
    roomToSave: (bytes) => budget.take(bytes, `for its engine to be saved index '${config.name}'`),
  });
  serve(first);

  return {
    config,
    opening: deps.newId(),
    journal,
    ...writesOf({ ...{ config, deps, writer, current: () => current }, check: maintenance.check }),
    search: (query) => searchIn(current, query),
    fused: (query) => fusedIn(current, query),
    rows: () => current.rows,
    page: (page) => pageOf(current, page),
    compact: maintenance.compact,
    use: (work) => current.use(work),
    // What one that is away keeps is in nobody's way: it is emptied when there is an index of the name again.
    leaveEngine: async () =>
      replica?.drop().catch((error) => log.warn("an engine keeps what it had of an index", describe(error))),
    owes: () =>
      current.engine.owes?.() ? (current.engine.problem() ?? "its engine is behind the log") : undefined,
    memory: () => current.room.bytes(),
    snapshot: () => journal.snapshot(() => current.rows.live()),
    info: () => infoOf(config, current, journal, problems),
    close: async () => {
      replica?.close();
      await writer.close();
      const stopped = maintenance.stop();
      // A checkpoint may be waiting for the graph, which takes long to build: closing ends that.
      await current.close();
      await stopped;
      // A compaction may have put another generation in its place meanwhile.
      await current.close();
      await journal.close();
    },
  };
}

interface WriteParts {
  config: IndexConfig;
  deps: Pick<LiveDeps, "settings" | "budget">;
  writer: Writer;
  current: () => Generation;
  /** Looks whether there is something to maintain. */
  check: () => void;
}

/** What changes the rows: checked, within the memory there is, and durable before it is seen. */
function writesOf({
  config,
  deps,
  writer,
  current,
  check,
}: WriteParts): Pick<LiveIndex, "add" | "update" | "remove"> {
  const { settings, budget } = deps;
  return {
    add: async (items, operation) => {
      checkItems(items, config, settings);
      const what = `for ${items.ids.length} more items index '${config.name}'`;
      const write = () => writer.write(upsertBatch(items, operation));
      const { added, replaced, count } = await budget.during(bytesOfItems(config, items), what, write);
      check();
      return { added, replaced, count };
    },
    update: async (id, change, operation) => {
      const what = `for item '${id.slice(0, 100)}' as it will be index '${config.name}'`;
      const room = bytesOfItems(config, changed(current().rows, config, id, change));
      await budget.during(room, what, () =>
        writer.writeAfterLook(async () => {
          const items = changed(current().rows, config, id, change);
          checkItems(items, config, settings);
          return upsertBatch(items, operation);
        }),
      );
      check();
    },
    remove: async (which, signal, operation) => {
      const applied =
        "ids" in which
          ? await writer.write(deleteBatch([...new Set(which.ids)], operation))
          : await writer.writeAfterLook(async () => {
              const ids = await idsOf(current(), which.filter, signal);
              return ids.length === 0 ? undefined : deleteBatch(ids, operation);
            });
      check();
      const { deleted, missing, count } = applied ?? { deleted: 0, missing: 0, count: current().rows.live() };
      return { deleted, missing, count };
    },
  };
}

function changed(rows: Rows, { name }: IndexConfig, id: string, change: Change): Upserts {
  const row = rows.find(id);
  if (row === undefined) throw fail("not_found", `index '${name}' has no item '${id.slice(0, 100)}'`);
  const { metadata, vector = rows.blocks.row(row).slice() } = change(rows.metadata(row));
  return { ids: [id], vectors: vector, metadata: [metadata] };
}

const searchIn = (generation: Generation, query: Query): ReturnType<LiveIndex["search"]> =>
  generation.use(async () => ({
    rows: generation.rows,
    found: await nearestNeighbours(generation, query),
  }));

const fusedIn = (generation: Generation, query: FusedQuery): ReturnType<LiveIndex["fused"]> =>
  generation.use(async () => ({
    rows: generation.rows,
    found: await fusedNeighbours(generation, query),
  }));

/** For a copy of the live rows. Throws `memory_full`. */
function roomForLive(budget: MemoryBudget, config: IndexConfig, rows: Rows): Room {
  const share = rows.live() / Math.max(1, rows.total());
  return budget.take(bytesOfRows(config, rows) * share, `to be compacted index '${config.name}'`);
}

const named = (log: Log, index: string): Log => {
  const at =
    (write: Log["info"]): Log["info"] =>
    (msg, fields) =>
      write(msg, { index, ...fields });
  return { ...log, debug: at(log.debug), info: at(log.info), warn: at(log.warn), error: at(log.error) };
};
