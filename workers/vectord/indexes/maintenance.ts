/** Maintenance of an index in the background: checkpoints of its journal, and compaction, which drops dead rows. */
import type { Config } from "../../../runtime/config/config.ts";
import type { Room } from "../../../runtime/memory/memory.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine } from "../engine/engine.ts";
import type { Contents, Journal } from "../journal/journal.ts";
import {
  complement,
  emptyBitmap,
  type OpenedRows,
  type Rows,
  rowPieces,
  rowsOf,
  type VectorBlocks,
  type View,
} from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { copyLive } from "./compaction.ts";
import { createGeneration, type Generation } from "./generation.ts";

interface Maintenance {
  /** Begins what is due, if nothing is under way. To be called after each write. */
  check: () => void;
  /** Drops dead rows now; resolves when it is done and durable. */
  compact: () => Promise<void>;
  /** Ends what is under way, unfinished, and begins nothing more. */
  stop: () => Promise<void>;
}

interface MaintenanceDeps {
  settings: Config["vectord"];
  clock: Clock;
  log: Log;
  journal: Journal;
  current: () => Generation;
  /** Puts the new generation in the place of the current one; whoever uses the old one still may. */
  replace: (next: Generation) => void;
  newBlocks: () => VectorBlocks;
  openEngine: (rows: Rows) => Promise<Engine>;
  /** Memory for a copy of the live rows; throws `memory_full`. */
  roomFor: (rows: Rows) => Room;
  /** Memory to save an engine that takes so many bytes for it; throws `memory_full`. */
  roomToSave: (bytes: number) => Room;
  /** Bytes that the rows take. */
  roomOf: (rows: Rows) => number;
  /** The named vectors that the index declares. */
  vectors: IndexConfig["vectors"];
}

interface Load {
  live: number;
  dead: number;
  segments: number;
  bytes: number;
  storedBytes: number;
  /** Rows that the engine covers and its file does not. */
  unkept: number;
  /** Whether the engine covers all rows. */
  isIdle: boolean;
}

type Due = "compaction" | "checkpoint" | "engine";

/** Rows that a start may have to index again: so many, or such a share of all, more while there is other work. */
const unkeptRows = { least: 8192, idleShare: 1 / 32, busyShare: 1 / 8 };

/** Fewer dead rows than these cost nothing worth a rewrite. */
const deadRowsMin = 128;
/** Wait after a failure before the next attempt by itself, in milliseconds. */
const pauseMs = 30_000;

/**
 * What is due. A checkpoint writes the whole index again, so what may pile up before it grows with the index:
 * recovery reads at most a constant part more, and each byte is rewritten a bounded number of times.
 */
function due(load: Load, settings: Config["vectord"]): Due | undefined {
  const { live, dead, segments, bytes, storedBytes, unkept, isIdle } = load;
  if (dead >= deadRowsMin && dead >= ((live + dead) * settings.compact_deleted_percent) / 100)
    return "compaction";
  const size = 1 + Math.max(0, storedBytes - bytes) / settings.checkpoint_bytes;
  const isLong = segments >= settings.checkpoint_segments * size;
  if (isLong || bytes >= settings.checkpoint_bytes * Math.max(1, size / 4)) return "checkpoint";
  const share = isIdle ? unkeptRows.idleShare : unkeptRows.busyShare;
  return unkept >= Math.max(unkeptRows.least, live * share) ? "engine" : undefined;
}

export function createMaintenance(deps: MaintenanceDeps): Maintenance {
  const { settings, clock, log, journal, current } = deps;
  const stopping = new AbortController();
  let working: Promise<void> | undefined;
  let notBefore = 0;
  /** As far as is known: only beside one an engine is kept. */
  let hasCheckpoint = true;

  const load = (): Load => {
    const { rows, engine, kept } = current();
    const live = rows.live();
    const covered = engine.covered();
    return {
      unkept: engine.save && hasCheckpoint ? covered - kept.gone.length - kept.engineRows : 0,
      isIdle: covered === rows.total(),
      ...journal.sinceCheckpoint(),
      live,
      dead: rows.total() - live,
      storedBytes: journal.storedBytes(),
    };
  };
  const once = (work: () => Promise<void>): Promise<void> => {
    const turn = work().finally(() => {
      working = undefined;
    });
    working = turn.catch(() => undefined);
    return turn;
  };
  const run = async (what: Due) => {
    const began = clock.elapsed();
    if (what === "compaction") await compact(deps, stopping.signal);
    if (what === "checkpoint") await checkpoint(deps, stopping.signal);
    hasCheckpoint = what !== "engine" || (await keepEngine(deps));
    log.info(`${what} done`, { elapsed_ms: Math.round(clock.elapsed() - began), ...load() });
  };
  const inBackground = async (what: Due) => {
    try {
      await run(what);
    } catch (error) {
      if (stopping.signal.aborted) return;
      notBefore = clock.elapsed() + pauseMs;
      log.error(`${what} failed; trying again later`, describe(error));
    }
  };
  const check = () => {
    if (working || stopping.signal.aborted || clock.elapsed() < notBefore) return;
    const what = due(load(), settings);
    if (what) once(() => inBackground(what)).then(check, () => undefined);
  };

  return {
    check,
    compact: async () => {
      while (working) await working;
      stopping.signal.throwIfAborted();
      const { dead, segments } = load();
      if (dead === 0 && segments === 0 && journal.damaged().length === 0) return;
      await once(() => run(dead === 0 ? "checkpoint" : "compaction"));
    },
    stop: async () => {
      stopping.abort(new Error("the index is closing"));
      await working;
    },
  };
}

/** Writes the rows as they are; the engine's structure with them when there are no dead rows it would need. */
async function checkpoint(deps: MaintenanceDeps, signal: AbortSignal): Promise<void> {
  const { journal, current } = deps;
  const { rows, engine, kept, holdAt } = current();
  const view = rows.view();
  const mark = journal.position();
  const release = engine.save ? await holdAt(view.total) : undefined;
  try {
    await checkpointOf(deps, { rows, engine, kept }, { view, mark, signal });
  } finally {
    release?.();
  }
}

/** Rows on disk are read from the checkpoint from then on, where it has all of them. */
async function checkpointOf(
  deps: MaintenanceDeps,
  { rows, engine, kept }: Pick<Generation, "rows" | "engine" | "kept">,
  { view, mark, signal }: { view: View; mark: number; signal: AbortSignal },
): Promise<void> {
  const { files } = rows.blocks;
  const gone = goneIn(view);
  let engineRows = 0;
  const saveEngine = async (path: string) => {
    engineRows = await saveInto(path, gone, { engine, roomToSave: deps.roomToSave });
    return engineRows > 0;
  };
  let opened: OpenedRows | undefined;
  const written: Contents["written"] = (path, vectors) => {
    if (view.live === view.total) opened = files?.open(path, vectors);
  };
  try {
    const contents = { count: view.live, pieces: rowPieces(rows, view, signal), written };
    await deps.journal.checkpoint({ ...contents, ...(engine.save && { saveEngine }) }, mark);
    Object.assign(kept, { gone, engineRows });
  } catch (error) {
    opened?.close();
    throw error;
  }
  if (!files || !opened) return;
  const release = files.moveTo(opened);
  await engine.moved().finally(release);
}

/** Rows of the view that are dead, and which its checkpoint leaves out. */
function goneIn({ alive, total, live }: View): Uint32Array {
  if (live === total) return new Uint32Array();
  const dead = emptyBitmap(total);
  dead.set(alive.subarray(0, dead.length));
  complement(dead, total);
  return rowsOf(dead);
}

/** Writes the engine for rows numbered without those that are gone; how many it covers, 0 for none. */
async function saveInto(
  path: string,
  gone: Uint32Array,
  { engine, roomToSave }: { engine: Engine; roomToSave: MaintenanceDeps["roomToSave"] },
): Promise<number> {
  if (!engine.save || engine.covered() === 0) return 0;
  const room = roomToSave(engine.saveBytes());
  try {
    return await engine.save(path, gone);
  } finally {
    room.give();
  }
}

/** Keeps the engine as it is by now, over the checkpoint that there is and the rows since. False: there is none. */
function keepEngine({ journal, current, roomToSave }: MaintenanceDeps): Promise<boolean> {
  const { engine, kept } = current();
  return journal.keepEngine(async (path) => {
    kept.engineRows = await saveInto(path, kept.gone, { engine, roomToSave });
    return kept.engineRows > 0;
  });
}

async function compact(deps: MaintenanceDeps, signal: AbortSignal): Promise<void> {
  const room = deps.roomFor(deps.current().rows);
  try {
    await compactWithin(deps, room, signal);
  } catch (error) {
    room.give();
    throw error;
  }
}

async function compactWithin(deps: MaintenanceDeps, room: Room, signal: AbortSignal): Promise<void> {
  const { clock, log, current, replace, newBlocks, openEngine, roomOf, vectors } = deps;
  const old = current();
  const view = old.rows.view();
  const mark = deps.journal.position();
  const copy = await copyLive({ rows: old.rows, into: newBlocks() }, view, clock, signal);
  const engine = await openEngine(copy.rows);
  const next = createGeneration({ rows: copy.rows, engine, room, vectors, clock, log });
  const closing = () => void next.close().catch((error) => log.warn("close failed", describe(error)));
  try {
    signal.addEventListener("abort", closing, { once: true });
    // What has no file to keep need not be waited for, least of all an engine that may be away.
    const release = engine.save ? await next.holdAt(view.live) : next.cover;
    const whole = copy.rows.view();
    await checkpointOf(deps, next, { view: whole, mark, signal });
    await copy.follow(signal);
    // No await from here to `replace`: no batch may come between.
    copy.catchUp();
    room.resize(roomOf(copy.rows));
    replace(next);
    release();
  } catch (error) {
    await next.close();
    throw error;
  } finally {
    signal.removeEventListener("abort", closing);
  }
}
