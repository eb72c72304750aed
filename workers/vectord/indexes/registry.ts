/** The indexes by name: opened at the start, made, dropped and restored while others go on. */
import { Mutex } from "async-mutex";
import pMap from "p-map";
import { fail, ServiceError, suggestionsFor, toWire } from "../../../runtime/errors/errors.ts";
import type { MemoryBudget } from "../../../runtime/memory/memory.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Journals } from "../journal/journal.ts";
import { bytesOfStored, bytesOfVector, createRows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { localSpec } from "./index-engine.ts";
import type { LiveDeps, LiveIndex } from "./live-index.ts";
import { recoverLive, roomToRead, startLive } from "./recovery.ts";
import { whenStored } from "./when-stored.ts";

export interface Indexes {
  /** The open index; throws `not_found`, `unavailable` while it is opened, or why it cannot be. */
  get: (name: string) => LiveIndex;
  has: (name: string) => boolean;
  names: () => string[];
  open: () => LiveIndex[];
  unreadable: () => { name: string; reason: string }[];
  /** Why not everything can be served yet. */
  pending: () => string[];
  create: (config: IndexConfig) => Promise<LiveIndex>;
  drop: (name: string) => Promise<void>;
  /** Makes the snapshot of `name` the contents of `as`. */
  restore: (name: string, snapshot: string, as: string, engine?: string | null) => Promise<LiveIndex>;
  /** Resolves when every index was tried once. */
  opened: Promise<void>;
  stop: () => Promise<void>;
}

type Slot =
  | { state: "open"; live: LiveIndex }
  /** Being opened, made, dropped or replaced. */
  | { state: "busy"; what: string }
  | { state: "broken"; error: ServiceError };

/** Indexes opened at once. */
const openingMax = 2;

export function openIndexes(deps: IndexesDeps): Indexes {
  const { journals, log } = deps;
  const slots = new Map<string, Slot>();
  const { open, openAgain, opened, isListed, stop } = startOpening(deps, slots);
  const get = (name: string): LiveIndex => {
    const slot = slots.get(name);
    if (slot?.state === "open") return slot.live;
    if (slot?.state === "broken") throw slot.error;
    if (slot) throw fail("unavailable", `index '${name}' is ${slot.what}`, { retryAfterSeconds: 1 });
    if (!isListed()) throw fail("unavailable", "vectord is reading its indexes", { retryAfterSeconds: 1 });
    throw unknownIndex(name, [...slots.keys()]);
  };
  /** Takes the name out of service while the work goes on; what was there comes back when it fails. */
  const replacing = async <T>(name: string, what: string, work: (slot: Slot | undefined) => Promise<T>) => {
    const before = slots.get(name);
    if (before?.state === "busy" || !isListed()) get(name);
    slots.set(name, { state: "busy", what });
    try {
      return await work(before);
    } catch (error) {
      if (slots.get(name)?.state === "busy") {
        if (before) slots.set(name, before);
        else slots.delete(name);
      }
      throw error;
    } finally {
      openAgain();
    }
  };

  return {
    get,
    has: (name) => slots.has(name),
    names: () => [...slots.keys()].sort(),
    open: () => openOf(slots),
    unreadable: () => unreadableOf(slots),
    pending: () => pendingOf(slots, isListed()),
    create: async (config) => {
      if (slots.has(config.name)) throw taken(config.name);
      return replacing(config.name, "being made", async () => {
        const live = await make(deps, config);
        slots.set(config.name, { state: "open", live });
        return live;
      });
    },
    drop: (name) =>
      replacing(name, "being dropped", async (slot) => {
        if (!slot) throw unknownIndex(name, [...slots.keys()]);
        if (slot.state === "open") await closeQuietly(slot.live, log);
        try {
          await journals.drop(name);
        } catch (error) {
          await open(name).catch(() => undefined);
          throw error;
        }
        slots.delete(name);
        if (slot.state === "open") await slot.live.leaveEngine();
      }),
    restore: (name, snapshot, as, engine) =>
      replacing(as, "being restored", async (slot) => {
        const close = async () => slot?.state === "open" && (await closeQuietly(slot.live, log));
        await refuseTooLarge(deps.budget, name === as ? slot : slots.get(name), snapshot, slot);
        try {
          await journals.restore(name, snapshot, as, engine);
        } catch (error) {
          // Whether it was replaced is not known: what there is now is read again.
          if (error instanceof ServiceError && error.status >= 500 && slot?.state === "open") {
            await close();
            await open(as).catch(() => undefined);
          }
          throw error;
        }
        await close();
        return movedFrom(slot, await open(as));
      }),
    opened,
    stop: async () => {
      await stop();
      await Promise.allSettled(openOf(slots).map((live) => live.close()));
    },
  };
}

type IndexesDeps = LiveDeps & { journals: Journals };

interface Opening {
  open: (name: string) => Promise<LiveIndex>;
  /** Opens what was left closed for want of memory and fits by now. */
  openAgain: () => void;
  opened: Promise<void>;
  /** Whether the names are known, if not yet what is behind each. */
  isListed: () => boolean;
  stop: () => Promise<void>;
}

/** Begins to open all there are. */
function startOpening(deps: IndexesDeps, slots: Map<string, Slot>): Opening {
  const { journals, budget, clock, log } = deps;
  const stopping = new AbortController();
  let listed = false;
  // One after the other, so that the same indexes are left closed at each start.
  const mutex = new Mutex();
  const openJournal = async (name: string) => {
    const opened = await journals.open(name);
    try {
      return { ...opened, room: roomToRead(budget, opened.recovered) };
    } catch (error) {
      await opened.journal.close();
      throw error;
    }
  };
  const open = async (name: string): Promise<LiveIndex> => {
    slots.set(name, { state: "busy", what: "being opened" });
    try {
      const { journal, recovered, room } = await mutex.runExclusive(() => openJournal(name));
      const live = await recoverLive(deps, journal, recovered, room).catch(async (error) => {
        await journal.close();
        throw error;
      });
      slots.set(name, { state: "open", live });
      return live;
    } catch (error) {
      log.error("an index cannot be opened", { index: name, ...describe(error) });
      slots.set(name, { state: "broken", error: asBroken(name, error) });
      throw error;
    }
  };
  const openAgain = (): void => {
    const all = [...slots];
    // What is being replaced gives memory back that it needs again in a moment.
    if (stopping.signal.aborted || all.some(([, { state }]) => state === "busy")) return;
    const free = budget.limit - budget.taken();
    const next = all.find(([, slot]) => slot.state === "broken" && neededBytes(slot.error) <= free);
    if (next)
      void open(next[0])
        .catch(() => undefined)
        .then(openAgain);
  };
  budget.whenFreed(openAgain);
  const openAll = async () => {
    const names = await whenStored(() => journals.list(), { clock, log, signal: stopping.signal });
    for (const name of names) slots.set(name, { state: "busy", what: "waiting to be opened" });
    listed = true;
    await pMap(
      names,
      async (name) => {
        if (!stopping.signal.aborted) await open(name).catch(() => undefined);
      },
      { concurrency: openingMax },
    );
    openAgain();
  };
  const opened = openAll().catch((error) => {
    if (!stopping.signal.aborted) log.error("the indexes cannot be listed", describe(error));
  });
  return {
    open,
    openAgain,
    opened,
    isListed: () => listed,
    stop: async () => {
      stopping.abort(new Error("vectord is stopping"));
      await opened;
    },
  };
}

/** Of an index that was left closed for want of memory; there is never enough for one that is damaged. */
const neededBytes = ({ type, details }: ServiceError): number =>
  type === "memory_full" ? (details as { needed_bytes: number }).needed_bytes : Number.POSITIVE_INFINITY;

const openOf = (slots: ReadonlyMap<string, Slot>): LiveIndex[] =>
  [...slots.values()].flatMap((slot) => (slot.state === "open" ? [slot.live] : []));

const unreadableOf = (slots: ReadonlyMap<string, Slot>): { name: string; reason: string }[] =>
  [...slots].flatMap(([name, slot]) =>
    slot.state === "broken" ? [{ name, reason: slot.error.message }] : [],
  );

/** Before anything is replaced by a snapshot that could not be read then. Throws `memory_full`. */
async function refuseTooLarge(
  budget: MemoryBudget,
  from: Slot | undefined,
  snapshot: string,
  as: Slot | undefined,
): Promise<void> {
  if (from?.state !== "open") return;
  const { live: source } = from;
  const found = (await source.journal.snapshots()).find(({ id }) => id === snapshot);
  if (!found) return;
  const { count: rows, bytes } = found;
  // Its engine's file, where it has one, holds no texts.
  const engine = rows * (bytesOfVector(source.config) - source.config.dimension * 4);
  const needed = bytesOfStored(source.config, { rows, bytes: bytes - engine });
  const held = as?.state === "open" ? as.live.memory() : 0;
  budget.take(Math.max(0, needed - held), "to be restored the index").give();
}

/** The engine comes first: a type that is not known must leave nothing behind. */
async function make(deps: LiveDeps & { journals: Journals }, config: IndexConfig): Promise<LiveIndex> {
  await deps.remotes.check(config);
  const blocks = deps.blocksFor(config);
  const rows = createRows(blocks);
  const engine = await deps.engines.open(localSpec(config), blocks);
  try {
    return startLive(deps, config, await deps.journals.create(config), engine, rows);
  } catch (error) {
    await engine.close();
    blocks.close();
    throw error;
  }
}

const closeQuietly = (live: LiveIndex, log: Log): Promise<void> =>
  live
    .close()
    .catch((error) =>
      log.warn("an index did not close well", { index: live.config.name, ...describe(error) }),
    );

/** What an engine of others had of the index before goes, where it lies elsewhere now. */
async function movedFrom(before: Slot | undefined, live: LiveIndex): Promise<LiveIndex> {
  const isMoved = before?.state === "open" && before.live.config.engine !== live.config.engine;
  if (isMoved) await before.live.leaveEngine();
  return live;
}

export const taken = (name: string): ServiceError =>
  fail("conflict", `there is an index or an alias named '${name}' already`);

export const unknownIndex = (name: string, names: readonly string[]): ServiceError => {
  const near = suggestionsFor(name, names);
  const hint = near.length > 0 ? `; did you mean ${near.map((one) => `'${one}'`).join(" or ")}?` : "";
  return fail("not_found", `there is no index or alias named '${name}'${hint}`);
};

/** The error that callers of an index get that could not be opened. */
function asBroken(name: string, error: unknown): ServiceError {
  const { type, message } = toWire(error);
  return type === "internal"
    ? fail("corrupt", `index '${name}' cannot be opened; the log says why`, { cause: error })
    : fail(type, `index '${name}': ${message}`, {
        cause: error,
        ...(error instanceof ServiceError && { details: error.details }),
      });
}

const damageOf = (name: string, key: string): string =>
  `index '${name}' is served, but '${key}' is damaged or missing: POST /vectors/index/${name}/compact writes it anew`;

function pendingOf(slots: ReadonlyMap<string, Slot>, listed: boolean): string[] {
  if (!listed) return ["the indexes are being read"];
  return [...slots].flatMap(([name, slot]) => {
    if (slot.state === "broken") return [slot.error.message];
    if (slot.state === "open") return slot.live.journal.damaged().map((key) => damageOf(name, key));
    return slot.state === "busy" && slot.what.includes("opened") ? [`index '${name}' is ${slot.what}`] : [];
  });
}
