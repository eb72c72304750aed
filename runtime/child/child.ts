/**
 * Native work in disposable processes: a pool of children of one kind, each held by one piece of work, watched, killed
 * when it must end, and replaced. What crashes, hangs or eats memory there is the error of that work alone.
 */

import { readFileSync } from "node:fs";
import type { ClientOf, Contract } from "../contract/contract.ts";
import { fail, type ServiceError } from "../errors/errors.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Metrics } from "../telemetry/telemetry.ts";
import { type Child, type ChildOptions, startChild } from "./spawn.ts";
import { createSupply } from "./supply.ts";

interface ChildPoolOptions<C extends Contract> extends ChildOptions<C> {
  /** Children kept for however long nothing is to be done; 1 when absent. More are kept for half a minute. */
  idleMin?: number;
  /** How long work that was told to end may go on before its child is killed, in milliseconds. */
  graceMs: number;
  /** Memory of the work of all children together, in bytes: without what they share, and what each needs to be there. */
  memoryBytesMax: number;
  /** What its metrics call a child, where a service has pools of several kinds; `child_process` when absent. */
  called?: string;
  /** Until a start that failed is tried again, in milliseconds. */
  retryMs?: number;
  clock: Clock;
  metrics: Metrics;
}

/** A child held by one piece of work. */
export interface Lease<C extends Contract> {
  /** The same for every lease of one child: what is known of it can be kept by this. */
  identity: object;
  pid: number;
  verbs: ClientOf<C>;
  fetch: Child<C>["fetch"];
  /** Ends the child and what it does. */
  kill: (reason: ServiceError) => void;
  /** Resolves when the process is gone, with the error that its callers got. */
  ended: Promise<ServiceError>;
  /** Gives it back; when its work was told to end, or is unfinished, as soon as it has ended. Later calls change nothing. */
  release: (isUnfinished?: boolean) => void;
}

export interface ChildPool<C extends Contract> {
  /**
   * A child of one's own: an idle one, the first that another gives back, or a new one. The signal aborts when what it
   * does is to end. Of several idle ones it is the last that `suits` says by its identity, or the last. Rejects with
   * `unavailable` when no child can be started.
   */
  lease: (signal: AbortSignal, suits?: (identity: object) => boolean) => Promise<Lease<C>>;
  /** Has one ready before it is asked for. */
  warm: () => void;
  /** Why no work can be done now: the last start failed. It is tried again until one comes up, without being asked. */
  problems: () => string[];
  /** Kills all; what waits rejects with `unavailable`. */
  stop: () => Promise<void>;
}

/** How often memory is measured while children work: at 2 GB/s, what a core can touch, a child outgrows its bound by 100 MB. */
const measureEveryMs = 50;
/** What a process of Bun with DuckDB takes for itself before it does anything: 55 to 70 MB were measured. */
const bareBytes = 80_000_000;
/** Children started at once: a start takes a tenth of a second of a core, and those that work give theirs back sooner. */
const startsMax = 2;
/** How long a child that is not needed is kept, in milliseconds. */
const idleMs = 30_000;
/** Until a start that failed is tried again, in milliseconds: nobody need ask for a service that is not ready. */
const retryMs = 5000;

export function createChildPool<C extends Contract>(options: ChildPoolOptions<C>): ChildPool<C> {
  const { idleMin = 1 } = options;
  const all = new Set<Child<C>>();
  const leased = new Set<Child<C>>();
  const supply = createSupply<Child<C>>(() => startOne(), startsMax);
  const count = countedEnds(options, () => all.size);
  const watch = createWatch(leased, options);
  let stopping = false;
  const starts = createStarts(options, () => prepare());

  const startOne = async (): Promise<Child<C>> => {
    if (stopping) throw stopped();
    const child = await starts.start();
    all.add(child);
    if (stopping) child.kill(stopped());
    void child.ended.then((why) => {
      all.delete(child);
      supply.remove(child);
      if (!leased.delete(child)) return;
      count(why);
      warm();
    });
    return child;
  };
  const prepare = () => {
    if (stopping) return;
    if (supply.spare() > 0) starts.forgive();
    supply.prepare(starts.tell);
  };
  const warm = () => {
    if (idleMin > 0) prepare();
  };
  const reap = () => {
    while (supply.spare() > idleMin) supply.drop()?.kill(stopped());
  };
  let forgetReap = () => {};
  const giveBack = async (child: Child<C>, isUnfinished: boolean) => {
    if (isUnfinished) await untilAtRest(child, options);
    // A child that has ended, though the system has not reported it yet, must not be leased again.
    if (child.isGone() || child.isKilled() || !leased.delete(child)) return;
    if (stopping) return child.kill(stopped());
    supply.give(child);
    forgetReap();
    forgetReap = options.clock.after(idleMs, reap);
  };
  return {
    warm,
    // With those that there are it works, if more slowly.
    problems: () => (all.size > 0 ? [] : starts.problems()),
    lease: async (signal, suits) => {
      const child = await supply.take(signal, suits);
      leased.add(child);
      watch();
      let isReleased = false;
      const release = (isUnfinished = false) => {
        if (isReleased) return;
        isReleased = true;
        void giveBack(child, isUnfinished || signal.aborted);
      };
      return { ...child, identity: child, release };
    },
    stop: async () => {
      stopping = true;
      forgetReap();
      starts.stop();
      supply.refuse(stopped());
      await supply.started();
      for (const child of all) child.kill(stopped());
      await Promise.all([...all].map(({ cleared }) => cleared));
    },
  };
}

/** A start that fails is a problem until one succeeds, and `again` is called after a while. */
function createStarts<C extends Contract>(options: ChildPoolOptions<C>, again: () => void) {
  let problem: string | undefined;
  let stop = () => {};
  const failed = (cause: Error) => {
    problem = cause.message;
    stop();
    stop = options.clock.after(options.retryMs ?? retryMs, again);
    throw cause;
  };
  const forgive = () => {
    problem = undefined;
  };
  return {
    start: async () => {
      const child = await startChild(options).catch(failed);
      forgive();
      return child;
    },
    forgive,
    tell: (cause: unknown) =>
      options.log.warn("a child process could not be started ahead", {
        child: options.contract.name,
        ...describe(cause),
      }),
    problems: (): string[] => (problem === undefined ? [] : [problem]),
    stop: () => stop(),
  };
}

/** Resolves when nothing runs in the child any more: it is killed when that takes longer than the grace. */
async function untilAtRest(
  child: Child<Contract>,
  { clock, graceMs }: Pick<ChildPoolOptions<Contract>, "clock" | "graceMs">,
): Promise<void> {
  const late = () => child.kill(fail("timeout", "the work did not end when it was told to"));
  const forgive = clock.after(graceMs, late);
  await Promise.race([child.rest().catch(() => undefined), child.ended]);
  forgive();
}

function countedEnds(
  { contract, metrics, called = "child_process" }: ChildPoolOptions<Contract>,
  running: () => number,
) {
  metrics.gauge(`${called}es`, "Child processes that run.", running);
  const ends = metrics.counter(
    `${called}_ends_total`,
    "Child processes that ended while they worked, by cause.",
  );
  return (why: ServiceError) => ends.add(1, { child: contract.name, cause: why.type });
}

/** What work gets that comes when its service stops. */
export const stopped = () => fail("unavailable", "the service is stopping", { retryAfterSeconds: 1 });

/** Kills the largest of the children that work while all together are too large. */
function createWatch<C extends Contract>(
  leased: ReadonlySet<Child<C>>,
  { clock, memoryBytesMax }: ChildPoolOptions<C>,
): () => void {
  let watching = false;
  const look = () => {
    const sizes = [...leased].map((child) => ({
      child,
      bytes: Math.max(0, ownMemory(child.pid) - bareBytes),
    }));
    const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
    if (total <= memoryBytesMax) return;
    const largest = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a));
    largest.child.kill(tooLarge(largest.bytes, total, memoryBytesMax));
  };
  const run = async () => {
    watching = true;
    while (leased.size > 0) {
      look();
      await clock.sleep(measureEveryMs);
    }
    watching = false;
  };
  return () => void (watching || run());
}

const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;

const tooLarge = (bytes: number, total: number, bytesMax: number): ServiceError =>
  fail(
    "resource_exhausted",
    `the work needs more memory than there is: it took ${megabytes(bytes)}, with others ${megabytes(total)}; ${megabytes(bytesMax)} are allowed`,
  );

// Memory that a process has for itself.

const pageBytes = 4096;

/**
 * Bytes of a process that it does not share with others, 0 when it is gone. Where /proc does not exist, all that is
 * resident counts.
 */
export function ownMemory(pid: number): number {
  if (process.platform !== "linux") return residentByPs(pid);
  try {
    const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, "latin1").split(" ").map(Number);
    return (resident - shared) * pageBytes;
  } catch {
    return 0; // It ended meanwhile.
  }
}

function residentByPs(pid: number): number {
  const { stdout } = Bun.spawnSync(["ps", "-o", "rss=", "-p", String(pid)]);
  return Number(stdout.toString().trim()) * 1024;
}
