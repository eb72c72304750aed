/**
 * High-water marks: how far what a service keeps has come, written down apart from it, in `<data_dir>/marks/<service>.log`.
 * A mark is a lower bound: what is there may have more, as after a kill between the two writes. Less is damage.
 */

import { Mutex } from "async-mutex";
import { errorCode } from "../durable/durable.ts";
import type { Clock } from "../scheduling/scheduling.ts";
import { describe, type Log } from "../telemetry/telemetry.ts";
import { openMarksFile, writeMarks } from "./marks-file.ts";

/** A small JSON object, whose meaning is its owner's. */
export type Mark = Readonly<Record<string, unknown>>;

/** Stands for a file that a restore has put back: whatever it holds is where its marks begin. */
export const restored: Mark = { restored: true };

/** What an operator does about something that lacks what was acknowledged. */
export const acceptance = (place: string): string =>
  `restore ${place.split("/")[0]} from a backup, or accept what is there: bun run supervisor --adopt=${place}`;

/** Begins the marks of a service whose files were put back from a backup; the paths are relative to its directory. */
export const markRestored = (dataDir: string, service: string, paths: readonly string[]): Promise<void> =>
  writeMarks(
    dataDir,
    service,
    paths.map((path) => [path, restored]),
  );

export interface Marks {
  get: (name: string) => Mark | undefined;
  /**
   * In the system's page cache when it returns, so that it survives a kill; on stable storage within `syncMs`. Never
   * throws: what cannot be written now is written later, and what is on the disk stays the lower bound that it was.
   */
  set: (name: string, mark: Mark) => void;
  remove: (name: string) => void;
  entries: () => Iterable<[name: string, mark: Mark]>;
  /** Resolves when all that was set is on stable storage: before a step that nothing but the mark explains. */
  settle: () => Promise<void>;
  /** Problems of the marks themselves; the files that they describe are checked by their owners. */
  problems: () => string[];
  close: () => Promise<void>;
}

interface MarksOptions {
  dataDir: string;
  service: string;
  clock: Pick<Clock, "after">;
  log: Pick<Log, "error">;
}

/** Such a disk takes no records either, and reads go on: the service stays ready (ADR 0127). */
const isWithoutRoom = ({ cause }: Error): boolean =>
  ["ENOSPC", "EDQUOT", "EROFS"].includes(errorCode(cause) ?? "");

/** How long a mark may stay in the page cache alone: what a power loss can take of them. */
const syncMs = 200;

/** Reads the marks of the service and goes on with them; begins when there are none. Throws `corrupt` for a newer version. */
export async function openMarks({ dataDir, service, clock, log }: MarksOptions): Promise<Marks> {
  const { file, marks, damagedLines } = await openMarksFile(dataDir, service);
  if (damagedLines > 0)
    log.error("lines of the marks could not be read: older marks count", { service, damagedLines });
  const mutex = new Mutex();
  let cancel: (() => void) | undefined;
  let failure: Error | undefined;
  let isClosed = false;

  const sync = () =>
    mutex.runExclusive(async () => {
      try {
        await file.sync(marks);
        failure = undefined;
      } catch (cause) {
        if (failure === undefined)
          log.error("marks cannot be written: it is tried again", { service, ...describe(cause) });
        failure = cause instanceof Error ? cause : new Error(String(cause));
        throw cause;
      }
    });
  const syncSoon = () => {
    if (isClosed) return;
    cancel ??= clock.after(syncMs, () => {
      cancel = undefined;
      sync().catch(syncSoon);
    });
  };
  const put = (name: string, mark: Mark | null) => {
    if (mark === null) marks.delete(name);
    else marks.set(name, mark);
    file.write(name, mark);
    syncSoon();
  };
  return {
    get: (name) => marks.get(name),
    set: put,
    remove: (name) => {
      if (marks.has(name)) put(name, null);
    },
    entries: () => marks.entries(),
    settle: sync,
    problems: () =>
      failure === undefined || isWithoutRoom(failure)
        ? []
        : [`marks/${service}.log cannot be written: ${failure.message}`],
    close: async () => {
      isClosed = true;
      cancel?.();
      await sync().finally(file.close);
    },
  };
}
