/** The text indexes: of the present, and for `as_of` of past states, as scores depend on what else was there. */
import { Mutex } from "async-mutex";
import { LRUCache } from "lru-cache";
import { fail } from "../../../runtime/errors/errors.ts";
import type { Clock } from "../../../runtime/scheduling/scheduling.ts";
import { countUpTo, headAt, type TraceTable, textsOf } from "../traces/traces.ts";
import { createTextIndex, type TextDocument, type TextHit, type TextIndex } from "./text-index.ts";

export interface Texts {
  /** Marks the trace as changed, to be indexed again. */
  touch: (ordinal: number) => void;
  /** Drops the indexes of the past: they know what was erased. */
  forget: () => void;
  /** Traces with any of the words as of the time, in no order. Throws `overloaded`. */
  search: (words: readonly string[], at: number, signal: AbortSignal) => Promise<TextHit[]>;
  close: () => void;
}

/** Traces indexed in one transaction: some 5 ms of work, after which others have their turn. */
const sliceTraces = 512;
/** Past indexes kept; each is as large as the present one. */
const pastKept = 2;
/** Searches of the past that may wait for one another. */
const waitingMax = 16;

export function createTexts({
  table,
  clock,
}: {
  table: () => TraceTable;
  clock: Pick<Clock, "sleep">;
}): Texts {
  const present = createTextIndex();
  const dirty = new Set<number>();
  /** Past indexes, by the number of content changes before them. */
  const past = new LRUCache<number, TextIndex>({ max: pastKept, dispose: ({ close }) => close() });
  const mutex = new Mutex();
  let waiting = 0;

  const flush = () => {
    const heads = [...dirty].flatMap((ordinal) => documentOf(ordinal, table().entries[ordinal]?.head));
    dirty.clear();
    present.put(heads);
  };
  const searchPast = async (words: readonly string[], key: number, at: number, signal: AbortSignal) => {
    const index = past.get(key) ?? (await build(table(), { at, clock, signal }));
    past.set(key, index);
    return index.search(words);
  };
  return {
    touch: (ordinal) => {
      dirty.add(ordinal);
      if (dirty.size >= sliceTraces) flush();
    },
    forget: () => past.clear(),
    search: async (words, at, signal) => {
      const key = countUpTo(table().contentTimes, at);
      if (key === table().contentTimes.length) {
        flush();
        return present.search(words);
      }
      if (waiting >= waitingMax)
        throw fail("overloaded", `${waitingMax} searches of the past wait already`, { retryAfterSeconds: 1 });
      waiting += 1;
      return mutex
        .runExclusive(() => searchPast(words, key, at, signal))
        .finally(() => {
          waiting -= 1;
        });
    },
    close: () => {
      present.close();
      past.clear();
    },
  };
}

const documentOf = (id: number, head: Parameters<typeof textsOf>[0] | undefined): TextDocument[] =>
  head ? [{ id, ...textsOf(head) }] : [];

/** Indexes the traces as they were at a time; that past state does not change meanwhile. */
async function build(
  { entries }: TraceTable,
  { at, clock, signal }: { at: number; clock: Pick<Clock, "sleep">; signal: AbortSignal },
): Promise<TextIndex> {
  const index = createTextIndex();
  try {
    for (let from = 0; from < entries.length; from += sliceTraces) {
      const slice = entries.slice(from, from + sliceTraces);
      index.put(slice.flatMap((entry) => documentOf(entry.ordinal, headAt(entry, at))));
      if (signal.aborted) throw fail("client_closed", "the caller went away");
      await clock.sleep(0);
    }
    return index;
  } catch (cause) {
    index.close();
    throw cause;
  }
}
