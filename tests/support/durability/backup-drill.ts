/** Writers of everything that the product keeps, and what must be there of it after a restore. */
import { Ledger, type TrackedWrite, trackedWrites } from "./tracked-writes.ts";

export interface Writing {
  /** What has been acknowledged so far; nobody may have lost it later on. */
  acknowledged: () => Map<string, number[]>;
  /** Waits until each kind has been done this often more. */
  more: (times: number) => Promise<void>;
  /** No new ones; resolves when those under way have ended, however. */
  stop: () => Promise<void>;
  /** What is to be true of a restored point: those acknowledged are whole, all others whole or not there at all. */
  expected: (acknowledged: Map<string, number[]>) => Ledger;
}

/** Between two of a kind, in milliseconds: one that never waited would take the processor from what it is written beside. */
const paceMs = 100;

/** One writer for each kind, numbers from `first`. An answer that is no success, or none, is looked at as unknown. */
export function startWriting(
  url: string,
  first = 0,
  kinds: readonly TrackedWrite[] = trackedWrites,
): Writing {
  const begun = new Map<string, number[]>(kinds.map(({ name }) => [name, []]));
  const acknowledged = new Map<string, number[]>(kinds.map(({ name }) => [name, []]));
  let over = false;
  let wake = () => {};
  const write = async (tracked: TrackedWrite) => {
    for (let n = first; !over; n++) {
      begun.get(tracked.name)?.push(n);
      const ok = await tracked.act(url, n).then(
        async (answer) => {
          await answer.text();
          return answer.ok;
        },
        () => false,
      );
      if (ok) acknowledged.get(tracked.name)?.push(n);
      wake();
      await Bun.sleep(paceMs);
    }
  };
  const writers = kinds.map(write);
  const copy = () => new Map([...acknowledged].map(([name, numbers]) => [name, [...numbers]]));
  return {
    acknowledged: copy,
    more: async (times) => {
      const before = copy();
      const enough = () =>
        kinds.every(
          ({ name }) => (acknowledged.get(name)?.length ?? 0) >= (before.get(name)?.length ?? 0) + times,
        );
      while (!enough()) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
    },
    stop: async () => {
      over = true;
      await Promise.all(writers);
    },
    expected: (known) => {
      const ledger = new Ledger();
      for (const tracked of kinds)
        for (const n of begun.get(tracked.name) ?? [])
          ledger.note(tracked, n, known.get(tracked.name)?.includes(n) ?? false);
      return ledger;
    },
  };
}
