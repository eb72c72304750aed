/** The indexes by name: opened at the start, made, dropped and restored while others go on. */
import { fail, ServiceError, suggestionsFor } from "../../../runtime/errors/errors.ts";
import type { MemoryBudget } from "../../../runtime/memory/memory.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Engine } from "../engine/engine.ts";
import { type ConfigChange, changedConfig } from "../journal/journal.ts";
import { bytesOfStored, bytesOfVector, createRows, type Rows } from "../rows/rows.ts";
import type { IndexConfig } from "../schemas/schemas.ts";
import { localSpec } from "./index-engine.ts";
import type { LiveIndex } from "./live-index.ts";
import { type IndexesDeps, type Slot, startOpening } from "./opening.ts";
import { startLive } from "./recovery.ts";

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
  /** Opens the index anew with other settings; one that was left closed for want of memory too. */
  change: (name: string, change: ConfigChange) => Promise<LiveIndex>;
  /** Makes the snapshot of `name` the contents of `as`. */
  restore: (name: string, snapshot: string, as: string, engine?: string | null) => Promise<LiveIndex>;
  /** Resolves when every index was tried once. */
  opened: Promise<void>;
  stop: () => Promise<void>;
}

export function openIndexes(deps: IndexesDeps): Indexes {
  const { journals, log } = deps;
  const slots = new Map<string, Slot>();
  const { open, openAgain, opened, isListed, stop } = startOpening(deps, slots);
  const parts = { open, log };
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
    drop: (name) => replacing(name, "being dropped", (slot) => drop(deps, open, slots, { name, slot })),
    restore: (name, snapshot, as, engine) =>
      replacing(as, "being restored", async (slot) => {
        await refuseTooLarge(deps.budget, name === as ? slot : slots.get(name), snapshot, slot);
        return reopen(parts, as, slot, () => journals.restore(name, snapshot, as, engine));
      }),
    change: async (name, change) => {
      const live = isTooLarge(slots.get(name)) ? undefined : get(name);
      const config = changedConfig(await journals.configOf(name), change);
      if (live && Bun.deepEquals(config, live.config)) return live;
      await refuseUnfit(deps, config, live);
      return replacing(name, "being changed", (slot) =>
        reopen(parts, name, slot, () => journals.change(name, change)),
      );
    },
    opened,
    stop: async () => {
      await stop();
      await Promise.allSettled(openOf(slots).map((live) => live.close()));
    },
  };
}

async function drop(
  { journals, log }: IndexesDeps,
  open: (name: string) => Promise<LiveIndex>,
  slots: Map<string, Slot>,
  { name, slot }: { name: string; slot: Slot | undefined },
): Promise<void> {
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
}

/** Does what ends the journal of an index, then opens what is there in its place. */
async function reopen(
  { open, log }: { open: (name: string) => Promise<LiveIndex>; log: Log },
  name: string,
  slot: Slot | undefined,
  work: () => Promise<void>,
): Promise<LiveIndex> {
  const close = async () => slot?.state === "open" && (await closeQuietly(slot.live, log));
  try {
    await work();
  } catch (error) {
    // Whether it was replaced is not known: what there is now is read again.
    if (error instanceof ServiceError && error.status >= 500 && slot?.state === "open") {
      await close();
      await open(name).catch(() => undefined);
    }
    throw error;
  }
  await close();
  return movedFrom(slot, await open(name));
}

/** It may fit with other settings. */
const isTooLarge = (slot: Slot | undefined): boolean =>
  slot?.state === "broken" && slot.error.type === "memory_full";

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

/** Before an index is opened with other settings. Throws `bad_request`, `memory_full`, or what its engine says. */
async function refuseUnfit(
  deps: IndexesDeps,
  config: IndexConfig,
  live: LiveIndex | undefined,
): Promise<void> {
  const { engine, rows } = await openEmpty(deps, config);
  await engine.close().finally(rows.blocks.close);
  if (!live) return;
  const needed = live.rows().total() * bytesOfVector(config) + live.rows().bytes();
  deps.budget.take(Math.max(0, needed - live.memory()), "to be changed the index").give();
}

/** Throws for a type that is not known, or that its engine cannot have. */
async function openEmpty(deps: IndexesDeps, config: IndexConfig): Promise<{ engine: Engine; rows: Rows }> {
  await deps.remotes.check(config);
  const rows = createRows(deps.blocksFor(config));
  return { engine: await deps.engines.open(localSpec(config), rows.blocks), rows };
}

/** The engine comes first: a type that is not known must leave nothing behind. */
async function make(deps: IndexesDeps, config: IndexConfig): Promise<LiveIndex> {
  const { engine, rows } = await openEmpty(deps, config);
  try {
    return startLive(deps, config, await deps.journals.create(config), engine, rows);
  } catch (error) {
    await engine.close();
    rows.blocks.close();
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
