/** Writes to one index: durable first, then in memory, in one order. */
import { fail } from "../../../runtime/errors/errors.ts";
import type { Journal } from "../journal/journal.ts";
import type { Applied, Batch } from "../rows/rows.ts";

export interface Writer {
  /** Appends the batch and applies it when it is durable. */
  write: (batch: Batch) => Promise<Applied>;
  /**
   * For a batch that depends on the rows there are: waits until all earlier ones are applied, and lets no later one
   * go before it. Nothing is written for undefined.
   */
  writeAfterLook: (look: () => Promise<Batch | undefined>) => Promise<Applied | undefined>;
  /** Refuses further writes and waits for those under way. */
  close: () => Promise<void>;
}

/** `apply` is called in the order of the appends, with batches that are durable. */
export function createWriter(
  journal: Pick<Journal, "append">,
  apply: (batch: Batch) => Applied,
  waitingMax: number,
): Writer {
  const open = new Set<Promise<unknown>>();
  let looking: Promise<unknown> | undefined;
  let waiting = 0;
  let closed = false;

  const append = async (batch: Batch): Promise<Applied> => {
    let applied: Applied | undefined;
    const durable = journal.append(batch, () => {
      applied = apply(batch);
    });
    open.add(durable);
    try {
      await durable;
    } finally {
      open.delete(durable);
    }
    if (!applied) throw new Error("a batch is durable, and was not applied");
    return applied;
  };
  const refuseWhenClosed = () => {
    if (closed) throw fail("unavailable", "the index is being closed or replaced", { retryAfterSeconds: 1 });
  };
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    refuseWhenClosed();
    if (waiting >= waitingMax)
      throw fail("too_many_requests", `${waiting} writes to this index wait already; try again later`, {
        retryAfterSeconds: 1,
      });
    waiting += 1;
    try {
      while (looking) await looking;
      refuseWhenClosed();
      return await work();
    } finally {
      waiting -= 1;
    }
  };
  const appendAfterLook = async (look: () => Promise<Batch | undefined>, opened: () => void) => {
    let written: Promise<Applied> | undefined;
    try {
      await Promise.allSettled([...open]);
      const batch = await look();
      if (batch) written = append(batch);
    } finally {
      opened();
    }
    return written;
  };

  return {
    write: (batch) => counted(() => append(batch)),
    writeAfterLook: (look) =>
      counted(() => {
        const turn = Promise.withResolvers<void>();
        looking = turn.promise;
        return appendAfterLook(look, () => {
          looking = undefined;
          turn.resolve();
        });
      }),
    close: async () => {
      closed = true;
      while (looking || open.size > 0) await Promise.allSettled([looking, ...open]);
    },
  };
}
