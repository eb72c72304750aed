/**
 * Rows, the engine over them and the indexes of their metadata: what compaction replaces as one. Rows that were
 * added are handed to the engine in the background; until then searches compare with them one by one.
 */
import type { Room } from "../../../runtime/memory/memory.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine } from "../engine/engine.ts";
import type { Rows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import {
  createMetadataIndex,
  createNamedIndex,
  type MetadataIndex,
  type NamedIndex,
} from "../search/search.ts";

export interface Generation {
  rows: Rows;
  engine: Engine;
  fields: MetadataIndex;
  named: NamedIndex;
  /** Keeps the engine open while the work goes on. */
  use: <T>(work: () => Promise<T>) => Promise<T>;
  /** Goes on covering rows, if it does not yet. */
  cover: () => void;
  /** Called whenever all rows are covered that were not. */
  whenCovered: (work: () => void) => void;
  /** Rows as a restart numbers them: those that the last checkpoint left out, and how many its engine's file covers. */
  kept: { gone: Uint32Array; engineRows: number };
  /**
   * Waits until the engine covers the rows up to `rows` and keeps it there until the returned function is called.
   * It may cover fewer: an engine that must be trained waits for more rows.
   */
  holdAt: (rows: number) => Promise<() => void>;
  /** The memory it takes. */
  room: Room;
  /** Stops covering, waits for those who use it, closes the engine and gives its room back. */
  close: () => Promise<void>;
}

interface GenerationDeps {
  rows: Rows;
  engine: Engine;
  room: Room;
  /** The named vectors that its index declares. */
  vectors: IndexConfig["vectors"];
  clock: Clock;
  log: Log;
}

/** Waits between attempts to cover rows after a failure, in milliseconds; doubled each time. */
const retryMs = { first: 100, most: 30_000 };

export function createGeneration({ rows, engine, room, vectors, clock, log }: GenerationDeps): Generation {
  const closing = new AbortController();
  let most = Number.POSITIVE_INFINITY;
  let covering: Promise<void> | undefined;
  let covered = () => {};
  const open = new Set<Promise<unknown>>();

  const target = () => Math.min(most, rows.total());
  const isBehind = () => engine.covered() < target() || engine.owes?.() === true;
  const coverAll = async () => {
    let wait = retryMs.first;
    while (isBehind()) {
      const before = engine.covered();
      try {
        await engine.add(target(), closing.signal);
        if (engine.covered() === before && !engine.owes?.()) return;
        wait = retryMs.first;
      } catch (error) {
        if (closing.signal.aborted) return;
        log.warn("the engine did not take rows; trying again", { wait_ms: wait, ...describe(error) });
        await clock.sleep(wait, closing.signal).catch(() => undefined);
        wait = Math.min(wait * 2, retryMs.most);
      }
      if (closing.signal.aborted) return;
    }
  };
  const cover = () => {
    if (covering || closing.signal.aborted || !isBehind()) return;
    covering = coverAll().finally(() => {
      covering = undefined;
      covered();
    });
  };

  let closed: Promise<void> | undefined;
  const close = async () => {
    closing.abort(new Error("the index is closing"));
    await covering;
    while (open.size > 0) await Promise.allSettled([...open]);
    await engine.close().finally(() => {
      rows.blocks.close();
      room.give();
    });
  };

  return {
    rows,
    engine,
    room,
    fields: createMetadataIndex(rows, clock),
    named: createNamedIndex(rows, vectors),
    use: async (work) => {
      const use = work();
      open.add(use);
      try {
        return await use;
      } finally {
        open.delete(use);
      }
    },
    cover,
    whenCovered: (work) => {
      covered = work;
    },
    kept: { gone: new Uint32Array(), engineRows: engine.covered() },
    holdAt: async (count) => {
      most = count;
      cover();
      await covering;
      closing.signal.throwIfAborted();
      return () => {
        most = Number.POSITIVE_INFINITY;
        cover();
      };
    },
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}
