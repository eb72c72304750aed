/** Starts each service when those it calls are up, hands out channels, watches, restarts with backoff, rewires, stops in reverse. */

import { parseBind, urlOf } from "../addresses/addresses.ts";
import type { Config, Provenance, ServiceSection } from "../config/config.ts";
import { timestamp } from "../scheduling/scheduling.ts";
import type { Live, ServiceState, ServiceStatus } from "../service/service.ts";
import type { Log } from "../telemetry/telemetry.ts";
import { startOrder, type Topology } from "../topology.ts";
import { nextRestart } from "./restart.ts";
import { type StopLimits, stopLimits } from "./stop-limits.ts";
import { createThreads, type ThreadsOptions } from "./threads.ts";
import type { Ended, Unit } from "./unit.ts";
import type { Health } from "./watchdog.ts";
import { createWiring, type Slot } from "./wiring.ts";

export { createReloading, refuseOpenBinds } from "./reload.ts";

export interface SupervisorOptions extends ThreadsOptions {
  /** The services to run in this process. */
  only: readonly ServiceSection[];
  /** What an operator accepts at this start; no restart of a service accepts anything. */
  adopt?: readonly string[];
  provenance?: Provenance;
}

export interface Supervisor {
  status: () => ServiceStatus[];
  /** The places that services asked to be adopted at their first start. */
  asked: () => string[];
  /** Takes on what changed in the configuration; resolves when it holds in every service that runs. */
  reload: (live: Live) => Promise<void>;
  /** Ends one service as a crash would, for drills and tests; it is restarted by the rules. */
  kill: (name: ServiceSection) => void;
  /** Drains and stops all, callers first. */
  stop: () => Promise<void>;
}

/** Ends that no restart can mend: the start as a whole fails, and says so. */
const fatalCodes = new Set(["EADDRINUSE", "EACCES", "EADDRNOTAVAIL"]);

/**
 * Starts the services of `only`, each after those it calls. Rejects when an address cannot be bound; any other
 * failure of a service leaves it to the restart rules while the others start.
 */
export async function startSupervisor(options: SupervisorOptions): Promise<Supervisor> {
  const { topology, only, clock, log, adopt = [] } = options;
  let { config, provenance = { flags: [], keys: {} } } = options;
  const slots = new Map(only.map((name) => [name, emptySlot(name, config)]));
  const nodes = restrict(topology, only);
  let stopping = false;
  const adopted = firstStarts(adopt);
  const status = () => [...slots.values()].map(statusOf);
  const broadcast = () => {
    for (const { unit, state } of slots.values())
      if (state === "ready") unit?.send({ type: "system", services: status() });
  };
  const setState = (slot: Slot, state: ServiceState) => {
    slot.state = state;
    broadcast();
  };
  const { linksOf, rewireCallersOf } = createWiring(slots, topology, config);

  const threads = createThreads(options, (name, unit, health) => {
    const slot = slots.get(name);
    if (slot?.unit === unit && !stopping) setState(slot, noteHealth(slot, unit, health, log));
  });
  const launch = (slot: Slot, unit = threads.start(slot.name)): Promise<Ended | undefined> => {
    const { name } = Object.assign(slot, { unit });
    unit.begin({
      ...({ type: "init", name, config, provenance } as const),
      ...{ peers: linksOf(name), services: status(), adopted: adopted.by(slot) },
    });
    void unit.ended.then((end) => onEnd(slot, unit, end));
    const ready = unit.ready.then(({ port, asked }) => {
      adopted.note(slot, asked);
      Object.assign(slot, { url: urlOf(config[name].bind, port), startedAt: timestamp(clock) });
      setState(slot, "ready");
      rewireCallersOf(name);
      log.info("service ready", { name, address: slot.url });
    });
    return Promise.race([ready, unit.hung]).then(
      () => undefined,
      (end) => end as Ended,
    );
  };

  const onEnd = (slot: Slot, unit: Unit, end: Ended) => {
    if (slot.unit !== unit || stopping || slot.state === "stopped") return;
    Object.assign(slot, { unit: undefined, lastError: end.message });
    const waitMs = countRestart(slot, clock.elapsed(), config.supervisor);
    setState(slot, waitMs === undefined ? "failed" : "restarting");
    const fields = { name: slot.name, error: end.message, restart_in_ms: waitMs };
    log.error(waitMs === undefined ? "service failed: no more restarts" : "service ended", fields);
    if (waitMs === undefined) return;
    clock.after(waitMs, () => {
      if (stopping) return;
      slot.restarts += 1;
      void launch(slot);
    });
  };

  const stop = async () => {
    stopping = true;
    await stopLevels(startOrder(nodes).reverse(), slots, stopLimits(clock, config.supervisor));
    await threads.end();
  };

  // All threads load their modules at once; each service starts when those it calls are up.
  const prepared = new Map(only.map((name) => [name, threads.start(name)]));
  const fatal = await startAll(nodes, (name) => launch(slots.get(name) as Slot, prepared.get(name)));
  if (fatal) {
    await stop();
    throw new Error(fatal.message);
  }
  broadcast();
  const reload = (live: Live) => {
    provenance = live.provenance;
    config = { ...config, auth: live.auth, log: live.log };
    return reloadAll(slots.values(), live);
  };
  return { status, asked: adopted.asked, reload, stop, kill: (name) => void slots.get(name)?.unit?.kill() };
}

/** What is accepted at the first start of each service, and what was asked for then. */
function firstStarts(given: readonly string[]) {
  const asked = new Set<string>();
  const isFirst = ({ startedAt }: Slot) => startedAt === undefined;
  return {
    by: (slot: Slot) => (isFirst(slot) ? given : []),
    note: (slot: Slot, places: readonly string[]) => {
      if (isFirst(slot)) for (const place of places) asked.add(place);
    },
    asked: () => [...asked],
  };
}

/** Milliseconds until it is started again, or undefined when it was restarted too often. */
function countRestart(slot: Slot, now: number, rule: Config["supervisor"]): number | undefined {
  const waitMs = nextRestart(slot.recent, now, rule);
  slot.recent = [...slot.recent.filter((at) => now - at < rule.restart_window_ms), now];
  return waitMs;
}

/** Reports a service that hangs or answers again; its state from now on. */
function noteHealth(slot: Slot, unit: Unit, health: Health, log: Log): ServiceState {
  const { name } = slot;
  if (health.state === "hung") {
    slot.lastError = health.message;
    log.error("service hung", { name, error: health.message });
    return "hung";
  }
  if (health.state === "well") log.info("service answers again", { name });
  else log.warn("service busy: it does not answer while it works", { name, reason: health.message });
  return unit.isReady() ? "ready" : "starting";
}

async function reloadAll(slots: Iterable<Slot>, live: Live): Promise<void> {
  await Promise.all([...slots].map(({ unit }) => unit?.reload(live)));
}

/**
 * Launches each service as soon as those it calls are up, or have failed in a way that restarts may mend: no service
 * waits for one that it does not call. Gives the failure that no restart can mend, if there is one.
 */
async function startAll(
  nodes: Readonly<Record<ServiceSection, { calls: readonly ServiceSection[] }>>,
  launch: (name: ServiceSection) => Promise<Ended | undefined>,
): Promise<Ended | undefined> {
  const isFatal = (end: Ended | undefined) => end?.code !== undefined && fatalCodes.has(end.code);
  const starts = new Map<ServiceSection, Promise<Ended | undefined>>();
  for (const name of startOrder(nodes).flat()) {
    const callees = Promise.all(nodes[name].calls.map((callee) => starts.get(callee)));
    starts.set(
      name,
      callees.then((ends) => ends.find(isFatal) ?? launch(name)),
    );
  }
  return (await Promise.all(starts.values())).find(isFatal);
}

async function stopLevels(
  levels: readonly (readonly ServiceSection[])[],
  slots: ReadonlyMap<ServiceSection, Slot>,
  limits: () => StopLimits,
): Promise<void> {
  const { drainMs: ms } = limits();
  for (const { unit } of slots.values()) unit?.send({ type: "drain", ms });
  for (const level of levels) await Promise.all(level.map((name) => stopSlot(slots.get(name), limits())));
}

async function stopSlot(slot: Slot | undefined, limits: StopLimits): Promise<void> {
  if (!slot?.unit) return;
  slot.state = "stopping";
  await slot.unit.stop(limits);
  slot.state = "stopped";
}

/** The topology of the services in this process: calls to others go over HTTP and need no order. */
function restrict(topology: Topology, only: readonly ServiceSection[]) {
  const nodes = only.map(
    (name) => [name, { calls: topology[name].calls.filter((callee) => only.includes(callee)) }] as const,
  );
  return Object.fromEntries(nodes) as unknown as Record<ServiceSection, { calls: ServiceSection[] }>;
}

const emptySlot = (name: ServiceSection, config: Config): Slot => ({
  name,
  unit: undefined,
  state: "starting",
  url: urlOf(config[name].bind, parseBind(config[name].bind).port),
  startedAt: undefined,
  restarts: 0,
  recent: [],
  lastError: undefined,
});

const statusOf = ({ name, state, url, startedAt, restarts, lastError }: Slot): ServiceStatus => ({
  name,
  state,
  address: url,
  restarts,
  ...(startedAt !== undefined && { started_at: startedAt }),
  ...(lastError !== undefined && { last_error: lastError }),
});
