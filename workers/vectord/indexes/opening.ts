/** Opens what is stored at a start, and again what was left closed. Storage may start later than vectord: it is asked until it answers. */
import { Mutex } from "async-mutex";
import pMap from "p-map";
import { fail, ServiceError, toWire } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { describe, type Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Journals } from "../journal/journal.ts";
import type { LiveDeps, LiveIndex } from "./live-index.ts";
import { recoverLive, roomToRead } from "./recovery.ts";

export type IndexesDeps = LiveDeps & { journals: Journals };

export type Slot =
  | { state: "open"; live: LiveIndex }
  /** Being opened, made, dropped or replaced. */
  | { state: "busy"; what: string }
  | { state: "broken"; error: ServiceError };

/** Indexes opened at once. */
const openingMax = 2;

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
export function startOpening(deps: IndexesDeps, slots: Map<string, Slot>): Opening {
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

/** Wait before storage is asked again, in milliseconds. */
const retryMs = 500;

export async function whenStored<T>(
  work: () => Promise<T>,
  { clock, log, signal }: { clock: Clock; log: Log; signal: AbortSignal },
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const passing = error instanceof ServiceError && [502, 503, 504].includes(error.status);
      if (!passing || signal.aborted) throw error;
      log.warn("storage does not answer yet", describe(error));
      await clock.sleep(retryMs, signal);
    }
  }
}
