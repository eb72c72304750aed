/** The order of writes to one index: what is durable is applied, one batch after the other as they were appended. */
import { fail } from "../../runtime/errors.ts";
import type { Batch } from "./batch.ts";
import type { Journal } from "./journal.ts";
import type { Applied } from "./rows.ts";

export interface Writer {
  /** Appends the batch and applies it when it is durable. */
  write: (batch: Batch) => Promise<Applied>;
  /**
   * For a batch that depends on the rows there are: waits until all earlier ones are applied, and lets no later one
   * go before it. Nothing is written for undefined.
   */
  writeAfterLook: (look: () => Promise<Batch | undefined>) => Promise<Applied | undefined>;
  /** The journal's position after the last batch that was applied: what the rows describe. */
  position: () => number;
  /** Refuses further writes and waits for those under way. */
  close: () => Promise<void>;
}

/** `apply` is called in the order of the appends, with batches that are durable. */
export function createWriter(
  journal: Pick<Journal, "append" | "position">,
  apply: (batch: Batch) => Applied,
  waitingMax: number,
): Writer {
  let last: Promise<unknown> = Promise.resolve();
  let looking: Promise<unknown> | undefined;
  let waiting = 0;
  let position = journal.position();
  let closed = false;

  const append = async (batch: Batch): Promise<Applied> => {
    const before = last;
    const durable = journal.append(batch);
    const mark = journal.position();
    const done = (async () => {
      const [written] = await Promise.allSettled([durable, before]);
      if (written.status === "rejected") throw written.reason;
      position = mark;
      return apply(batch);
    })();
    last = done.catch(() => undefined);
    return done;
  };
  const counted = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closed) throw fail("unavailable", "the index is being closed or replaced", { retryAfterSeconds: 1 });
    if (waiting >= waitingMax)
      throw fail("too_many_requests", `${waiting} writes to this index wait already; try again later`, {
        retryAfterSeconds: 1,
      });
    waiting += 1;
    try {
      while (looking) await looking;
      return await work();
    } finally {
      waiting -= 1;
    }
  };

  return {
    write: (batch) => counted(() => append(batch)),
    writeAfterLook: (look) =>
      counted(() => {
        const turn = Promise.withResolvers<void>();
        looking = turn.promise;
        const opened = () => {
          looking = undefined;
          turn.resolve();
        };
        return appendAfterLook(last, look, append, opened);
      }),
    position: () => position,
    close: async () => {
      closed = true;
      while (waiting > 0) {
        await looking;
        await last;
      }
    },
  };
}

async function appendAfterLook(
  last: Promise<unknown>,
  look: () => Promise<Batch | undefined>,
  append: (batch: Batch) => Promise<Applied>,
  opened: () => void,
): Promise<Applied | undefined> {
  let written: Promise<Applied> | undefined;
  try {
    await last;
    const batch = await look();
    if (batch) written = append(batch);
  } finally {
    opened();
  }
  return written;
}
