/** Maintenance: dead rows, orphaned vectors and old builds are deleted in the background, until that works. */
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../../../runtime/durable/durable.ts";
import { unlessGone } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import type { Log } from "../../../runtime/telemetry/telemetry.ts";
import type { Peers } from "../jobs/jobs.ts";
import type { Lexicon } from "../lexicon/lexicon.ts";
import { type Build, oldestHeld } from "./build.ts";

/** Wait before what failed is tried again: a peer that is away has that long to come back. */
const againMs = 15_000;

export interface Maintenance {
  /** Does the work in the background; a failure is logged and it is tried again later. One at a time under one name. */
  schedule: (name: string, work: () => Promise<void>) => void;
  /** Lets what is under way end, and begins no more. */
  stop: () => Promise<void>;
}

export function createMaintenance({ clock, log }: { clock: Clock; log: Log }): Maintenance {
  const running = new Map<string, Promise<void>>();
  const wanted = new Map<string, () => Promise<void>>();
  const timers = new Set<() => void>();
  let isStopped = false;

  const schedule = (name: string, work: () => Promise<void>) => {
    if (isStopped) return;
    if (running.has(name)) {
      wanted.set(name, work);
      return;
    }
    const done = work()
      .catch((error: unknown) => {
        log.warn("clearing away behind a corpus failed; it is tried again", { name, error: String(error) });
        const cancel = clock.after(againMs, () => {
          timers.delete(cancel);
          schedule(name, work);
        });
        timers.add(cancel);
      })
      .finally(() => {
        running.delete(name);
        const next = wanted.get(name);
        wanted.delete(name);
        if (next) schedule(name, next);
      });
    running.set(name, done);
  };
  return {
    schedule,
    stop: async () => {
      isStopped = true;
      for (const cancel of timers) cancel();
      await Promise.all(running.values());
    },
  };
}

/** Deletes the rows that no generation in use has, and their vectors. */
export async function sweepBuild(build: Build, lexicon: Lexicon, { vectord }: Peers): Promise<void> {
  const { file, index } = build;
  while (!build.isGone && (await lexicon.ask(file, "purge", { from: oldestHeld(build) })) > 0);
  while (!build.isGone) {
    const numbers = await lexicon.ask(file, "orphans", {});
    if (numbers.length === 0) return;
    await vectord.verbs.remove({ name: index, ids: numbers.map(String) }).catch(unlessGone);
    await lexicon.ask(file, "forgetOrphans", { numbers });
  }
}

/** Deletes a build's index and files. */
export async function discardBuild(
  { file, index }: { file: string; index: string },
  lexicon: Lexicon,
  { vectord }: Peers,
): Promise<void> {
  await vectord.verbs.drop({ name: index }).catch(unlessGone);
  await lexicon.close(file);
  for (const end of ["", "-wal", "-shm", "-journal"]) await rm(`${file}${end}`, { force: true });
  await syncDirectory(dirname(file));
}
