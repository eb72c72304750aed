/** One configured engine: whether it is there, whose it is, and what its errors are called. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import { hostOf, quoted, rootOf } from "../../../runtime/upstream/upstream.ts";
import { type Driver, EngineRefusal } from "./interface.ts";
import type { RemoteSettings } from "./settings.ts";

export interface Connection {
  settings: RemoteSettings;
  driver: Driver;
  /** Why nothing can be asked of it. */
  away: () => ServiceError | undefined;
  /** Resolves when it is there. */
  up: (signal: AbortSignal) => Promise<void>;
  /** Asks, within the time given; what goes wrong names the engine, and it is looked at whether it is there at all. */
  ask: <T>(
    work: (signal: AbortSignal) => Promise<T>,
    options?: { signal?: AbortSignal | undefined; times?: number },
  ) => Promise<T>;
  /** Called whenever it is there again. Returns how to end that. */
  whenUp: (listener: () => void) => () => void;
  /** Resolves when it was looked at once. */
  looked: () => Promise<void>;
  stop: () => Promise<void>;
}

export interface ConnectionDeps {
  clock: Clock;
  log: Log;
  /** Of this product; undefined where its folder has no stamp. */
  store: string | undefined;
  /** Whether the operator said that the namespace is to be taken over. */
  takesOver: boolean;
}

/** How often an engine that is there is looked at, and one that is away, in milliseconds. */
const everyMs = { up: 5000, away: 1000 };

export const placeOf = ({ name }: Pick<RemoteSettings, "name">): string => `vectord/engines/${name}`;

export function connect(settings: RemoteSettings, driver: Driver, deps: ConnectionDeps): Connection {
  const { clock, store, takesOver } = deps;
  const stopping = new AbortController();
  const bounded = <T>(work: Work<T>, ms: number, signal?: AbortSignal): Promise<T> =>
    within(settings, work, {
      ...{ clock, ms, ending: signal ? AbortSignal.any([stopping.signal, signal]) : stopping.signal },
    });
  const look = async () => {
    if (store === undefined) throw unstamped(settings);
    const owner = await bounded(() => driver.own(store, takesOver), settings.timeoutMs).catch((error) => {
      driver.renew();
      throw error;
    });
    if (owner !== store) throw foreign(settings, owner, store);
  };
  const watch = createWatch(look, settings.name, { ...deps, stopping: stopping.signal });
  return {
    settings,
    driver,
    away: watch.away,
    looked: watch.looked,
    up: watch.up,
    whenUp: watch.whenUp,
    ask: async (work, { signal, times = 1 } = {}) => {
      const why = watch.away();
      if (why) throw why;
      try {
        return await bounded(work, settings.timeoutMs * times, signal);
      } catch (error) {
        if (!signal?.aborted) watch.soon();
        throw error;
      }
    },
    stop: async () => {
      stopping.abort(fail("unavailable", "vectord is stopping", { retryAfterSeconds: 1 }));
      await watch.ended();
      await driver.close().catch(() => undefined);
    },
  };
}

type Work<T> = (signal: AbortSignal) => Promise<T>;

/** The work's result, unless the time is over or the signal aborts first. */
async function within<T>(
  settings: RemoteSettings,
  work: Work<T>,
  { clock, ms, ending: given }: { clock: Clock; ms: number; ending: AbortSignal },
): Promise<T> {
  const [timeout, done] = [new AbortController(), new AbortController()];
  const ending = AbortSignal.any([given, timeout.signal]);
  const words = `${nameOf(settings)} did not answer within ${ms} ms`;
  clock.sleep(ms, done.signal).then(
    () => timeout.abort(fail("unavailable", words, { retryAfterSeconds: 5 })),
    () => undefined,
  );
  const aborted = rejectsWith(ending);
  try {
    return await Promise.race([work(ending), aborted.promise]);
  } catch (cause) {
    if (ending.aborted) throw ending.reason;
    throw named(settings, cause);
  } finally {
    done.abort();
    aborted.end();
  }
}

/** Rejects with the signal's reason; `end` stops listening. */
function rejectsWith(signal: AbortSignal): { promise: Promise<never>; end: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => undefined);
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return { promise, end: () => signal.removeEventListener("abort", abort) };
}

interface Watch extends Pick<Connection, "away" | "looked" | "up" | "whenUp"> {
  /** Looks at once. */
  soon: () => void;
  ended: () => Promise<void>;
}

/** Looks again and again whether the engine is there, from the first time that somebody asks. */
function createWatch(
  look: () => Promise<void>,
  engine: string,
  { clock, log, stopping }: Pick<ConnectionDeps, "clock" | "log"> & { stopping: AbortSignal },
): Watch {
  const listeners = new Set<() => void>();
  const first = Promise.withResolvers<void>();
  let why: ServiceError | undefined;
  let back = Promise.withResolvers<void>();
  let soon = Promise.withResolvers<void>();
  let watching: Promise<void> | undefined;
  const isUp = () => {
    const was = why;
    why = undefined;
    first.resolve();
    back.resolve();
    if (!was) return;
    log.info("an engine is there again", { engine });
    for (const listener of [...listeners]) listener();
  };
  const isAway = (error: ServiceError) => {
    if (why?.message !== error.message) log.warn("an engine is away", { engine, reason: error.message });
    if (!why) back = Promise.withResolvers();
    why = error;
    first.resolve();
  };
  const watch = async () => {
    while (!stopping.aborted) {
      soon = Promise.withResolvers();
      await look().then(isUp, (error) => {
        if (!stopping.aborted) isAway(error);
      });
      const pause = new AbortController();
      const ending = AbortSignal.any([stopping, pause.signal]);
      const waited = clock.sleep(why ? everyMs.away : everyMs.up, ending).catch(() => undefined);
      await Promise.race([waited, soon.promise]);
      pause.abort();
      await waited;
    }
  };
  const looked = () => {
    watching ??= watch();
    return first.promise;
  };
  return {
    away: () => why,
    looked,
    up: async (signal) => {
      await looked();
      if (!why) return;
      const aborted = rejectsWith(signal);
      await Promise.race([back.promise, aborted.promise]).finally(aborted.end);
    },
    whenUp: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    soon: () => soon.resolve(),
    ended: async () => {
      first.resolve();
      await watching;
    },
  };
}

/** `engine 'pg' (pgvector at db.internal:5432)`. */
export const nameOf = ({ name, kind, url }: RemoteSettings): string =>
  `engine '${name}' (${kind} at ${hostOf(url) || new URL(url).pathname})`;

function named(settings: RemoteSettings, cause: unknown): ServiceError {
  if (cause instanceof ServiceError) return cause;
  const root = rootOf(cause);
  const words = quoted(root instanceof Error ? root.message : String(root), settings.key);
  if (cause instanceof EngineRefusal)
    return fail("unprocessable", `${nameOf(settings)}: ${words}`, { cause });
  return fail("unavailable", `${nameOf(settings)}: ${words}`, { retryAfterSeconds: 5, cause });
}

const unstamped = (settings: RemoteSettings): ServiceError =>
  fail(
    "unavailable",
    `${nameOf(settings)}: vectord's folder says not of which store it is, as after a start on a full disk; start it again`,
  );

const foreign = (settings: RemoteSettings, owner: string, store: string): ServiceError =>
  fail(
    "conflict",
    `${nameOf(settings)}: its namespace '${settings.namespace}' belongs to another store (${owner}), this is ${store}: ` +
      `give [vectord.engines.${settings.name}] a namespace of its own, or, if that store is no more, take it over and have it ` +
      `filled anew with bun run supervisor --adopt=${placeOf(settings)}`,
  );
