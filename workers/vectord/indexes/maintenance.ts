/** Maintenance of an index in the background: checkpoints of its journal, and compaction, which drops dead rows. */
import type { Config } from "../../../runtime/config/config.ts";
import type { Room } from "../../../runtime/memory/memory.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine } from "../engine/engine.ts";
import type { Contents, Journal } from "../journal/journal.ts";
import { type OpenedRows, type Rows, rowPieces, type VectorBlocks, type View } from "../rows/rows.ts";
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
}

/** Fewer dead rows than these cost nothing worth a rewrite. */
const deadRowsMin = 128;
/** Wait after a failure before the next attempt by itself, in milliseconds. */
const pauseMs = 30_000;

/**
 * What is due. A checkpoint writes the whole index again, so what may pile up before it grows with the index:
 * recovery reads at most a constant part more, and each byte is rewritten a bounded number of times.
 */
function due(load: Load, settings: Config["vectord"]): "compaction" | "checkpoint" | undefined {
  const { live, dead, segments, bytes, storedBytes } = load;
  if (dead >= deadRowsMin && dead >= ((live + dead) * settings.compact_deleted_percent) / 100)
    return "compaction";
  const size = 1 + Math.max(0, storedBytes - bytes) / settings.checkpoint_bytes;
  const isLong = segments >= settings.checkpoint_segments * size;
  return isLong || bytes >= settings.checkpoint_bytes * Math.max(1, size / 4) ? "checkpoint" : undefined;
}

export function createMaintenance(deps: MaintenanceDeps): Maintenance {
  const { settings, clock, log, journal, current } = deps;
  const stopping = new AbortController();
  let working: Promise<void> | undefined;
  let notBefore = 0;

  const load = (): Load => {
    const { rows } = current();
    const live = rows.live();
    return {
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
  const run = async (what: "compaction" | "checkpoint") => {
    const began = clock.elapsed();
    await (what === "compaction" ? compact(deps, stopping.signal) : checkpoint(deps, stopping.signal));
    log.info(`${what} done`, { elapsed_ms: Math.round(clock.elapsed() - began), ...load() });
  };
  const inBackground = async (what: "compaction" | "checkpoint") => {
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
  const { rows, engine, holdAt } = current();
  const view = rows.view();
  const mark = journal.position();
  const keepsEngine = view.live === view.total && engine.save !== undefined;
  const release = keepsEngine ? await holdAt(view.total) : undefined;
  try {
    await checkpointOf(deps, { rows, engine }, { view, mark, signal });
  } finally {
    release?.();
  }
}

/** Rows on disk are read from the checkpoint from then on, where it has all of them. */
async function checkpointOf(
  deps: MaintenanceDeps,
  { rows, engine }: Pick<Generation, "rows" | "engine">,
  { view, mark, signal }: { view: View; mark: number; signal: AbortSignal },
): Promise<void> {
  const { files } = rows.blocks;
  let opened: OpenedRows | undefined;
  const written: Contents["written"] = (path, vectors) => {
    if (view.live === view.total) opened = files?.open(path, vectors);
  };
  try {
    await deps.journal.checkpoint({ ...contents(deps, { rows, engine }, view, signal), written }, mark);
  } catch (error) {
    opened?.close();
    throw error;
  }
  if (!files || !opened) return;
  const release = files.moveTo(opened);
  await engine.moved().finally(release);
}

function contents(
  { roomToSave }: MaintenanceDeps,
  { rows, engine }: Pick<Generation, "rows" | "engine">,
  view: View,
  signal: AbortSignal,
): Contents {
  const { save } = engine;
  const whole = { count: view.live, pieces: rowPieces(rows, view, signal) };
  if (!save || view.live !== view.total || view.total === 0) return whole;
  const saveEngine = async (path: string) => {
    if (engine.covered() !== view.total) return false;
    const room = roomToSave(engine.saveBytes());
    try {
      return (await save(path)) === view.total;
    } finally {
      room.give();
    }
  };
  return { ...whole, saveEngine };
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
