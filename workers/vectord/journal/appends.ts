/** Batches on their way into segments: one write at a time; what waits meanwhile goes into one segment together. */
import { fail, ServiceError } from "../../../runtime/errors/errors.ts";
import type { Batch } from "../rows/rows.ts";

/** Batches that wait are written together up to this: it bounds how long the first waits for the last. */
const groupBytesMax = 8 * 1024 * 1024;
/** Memory of batches that wait. */
const waitingBytesMax = 256 * 1024 * 1024;

interface Place {
  sequence: number;
  /** The segment acknowledged before. */
  previous: number;
}

export interface Appends {
  append: (batch: Batch, apply: () => void) => Promise<void>;
  /** Batches that are durable. */
  position: () => number;
  /** The last segment that was acknowledged. */
  acknowledged: () => number;
  /** Resolves when no write is in flight; none begins before `release`. */
  hold: () => Promise<{ release: () => void }>;
  /** What waits and what comes is refused with the error. */
  refuse: (error: Error) => void;
  /** Resolves when nothing waits. */
  drained: () => Promise<void>;
}

interface AppendsOptions {
  /** The last segment there is, and whether it counts or not. */
  sequence: number;
  acknowledged: number;
  /** Makes a segment durable. Throws `conflict` when somebody else's is there. */
  write: (batches: readonly Batch[], place: Place) => Promise<void>;
  /** A segment is durable; `last` is the position of its last batch. Called before its batches are applied. */
  written: (place: Place, last: number) => void;
}

interface Waiting {
  batch: Batch;
  bytes: number;
  apply: () => void;
  done: PromiseWithResolvers<void>;
}

/** What waits, bounded. */
function createQueue() {
  const waiting: Waiting[] = [];
  let waitingBytes = 0;
  return {
    isEmpty: () => waiting.length === 0,
    push: (batch: Batch, apply: () => void): Promise<void> => {
      const bytes = sizeOf(batch);
      if (waiting.length > 0 && waitingBytes + bytes > waitingBytesMax) {
        throw fail("overloaded", `${waitingBytes} bytes wait to be written; try again`, {
          retryAfterSeconds: 1,
        });
      }
      const done = Promise.withResolvers<void>();
      waiting.push({ batch, bytes, apply, done });
      waitingBytes += bytes;
      return done.promise;
    },
    /** Takes out what is written together. */
    takeGroup: (): Waiting[] => {
      let [count, bytes] = [0, 0];
      for (const next of waiting) {
        if (count > 0 && bytes + next.bytes > groupBytesMax) break;
        count += 1;
        bytes += next.bytes;
      }
      waitingBytes -= bytes;
      return waiting.splice(0, count);
    },
    rejectAll: (error: Error) => {
      for (const { done } of waiting.splice(0)) done.reject(error);
      waitingBytes = 0;
    },
    /** Settles when the first that waits is done, however it ends. */
    first: async () => {
      await waiting[0]?.done.promise.catch(() => {});
    },
  };
}

/** Starts with nothing waiting. */
export function createAppends(options: AppendsOptions): Appends {
  const queue = createQueue();
  let { sequence, acknowledged } = options;
  let position = 0;
  let holds = 0;
  let refusal: Error | undefined;
  let flushing: Promise<void> | undefined;

  const refuse = (error: Error) => {
    refusal ??= error;
    queue.rejectAll(error);
  };

  const writeGroup = async (group: Waiting[]): Promise<void> => {
    sequence += 1;
    const place = { sequence, previous: acknowledged };
    try {
      await options.write(
        group.map(({ batch }) => batch),
        place,
      );
    } catch (error) {
      // The next segment names the same `previous`: should this one have arrived after all, it is passed over.
      for (const { done } of group) done.reject(error);
      if (error instanceof ServiceError && error.type === "conflict") refuse(error);
      return;
    }
    acknowledged = place.sequence;
    options.written(place, position + group.length);
    for (const { apply, done } of group) {
      position += 1;
      try {
        apply();
        done.resolve();
      } catch (error) {
        done.reject(error);
      }
    }
  };

  const flush = async (): Promise<void> => {
    while (!queue.isEmpty() && holds === 0) await writeGroup(queue.takeGroup());
  };
  const start = () => {
    if (flushing || queue.isEmpty() || holds > 0) return;
    flushing = flush().finally(() => {
      flushing = undefined;
      start();
    });
  };

  return {
    append: async (batch, apply) => {
      if (refusal) throw refusal;
      const done = queue.push(batch, apply);
      start();
      await done;
    },
    position: () => position,
    acknowledged: () => acknowledged,
    hold: async () => {
      holds += 1;
      await flushing;
      let released = false;
      return {
        release: () => {
          if (!released) holds -= 1;
          released = true;
          start();
        },
      };
    },
    refuse,
    drained: async () => {
      while (flushing || !queue.isEmpty()) await (flushing ?? queue.first());
    },
  };
}

/** Bytes of a batch, roughly: metadata is guessed, its text is made only once. */
const sizeOf = ({ deletes, upserts }: Batch): number =>
  deletes.length * 40 + upserts.ids.length * 300 + upserts.vectors.byteLength;

/** Throws for a batch that would not read back the same. */
export function checkBatch({ deletes, upserts: { ids, vectors, metadata } }: Batch, dimension: number): void {
  const broken = [...deletes, ...ids].find((id) => !id.isWellFormed());
  if (broken !== undefined) {
    throw fail(
      "invalid_field",
      `id ${JSON.stringify(broken)}: expected valid Unicode, got half a surrogate pair`,
    );
  }
  if (vectors.length !== ids.length * dimension || metadata.length !== ids.length) {
    throw new RangeError(
      `${ids.length} ids, ${vectors.length} numbers of dimension ${dimension}, ${metadata.length} metadata`,
    );
  }
}
